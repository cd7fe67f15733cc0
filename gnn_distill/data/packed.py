"""Many graphs in a few flat tensors, so that any subset can be gathered without a loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill.errors import UserError

if TYPE_CHECKING:
    from torch_geometric.data import Data

T = TypeVar("T")


@dataclass
class PackedGraphs:
    """G graphs end to end; graph g owns nodes node_ptr[g]:node_ptr[g+1] and edges edge_ptr[g]:edge_ptr[g+1]."""

    x: Tensor
    """[nodes, features], long where categorical, float where continuous."""
    edge_index: Int[Tensor, "2 edges"]
    """Node ids are local to their graph."""
    edge_attr: Tensor | None
    """[edges, features], or None."""
    y: Float[Tensor, "examples targets"]
    """One row per graph, or per node at node level; NaN marks a missing label; multi-class: the class index.
    float32; float64 if the labels of a regression have more digits than that."""
    node_ptr: Int[Tensor, " graphs+1"]
    edge_ptr: Int[Tensor, " graphs+1"]
    level: str = "graph"
    """Level of the labels: graph or node."""

    def __len__(self) -> int:
        return self.node_ptr.numel() - 1

    @property
    def num_nodes(self) -> Int[Tensor, " graphs"]:
        """Number of nodes of every graph."""
        return self.node_ptr.diff()

    @property
    def num_edges(self) -> Int[Tensor, " graphs"]:
        """Number of directed edges of every graph."""
        return self.edge_ptr.diff()

    @property
    def node_graph(self) -> Int[Tensor, " nodes"]:
        """The graph of every node."""
        return torch.repeat_interleave(self.num_nodes, output_size=self.x.size(0))

    @property
    def global_edge_index(self) -> Int[Tensor, "2 edges"]:
        """Edges between rows of `x`, as in PyG's batches."""
        return self.edge_index + torch.repeat_interleave(self.node_ptr[:-1], self.num_edges)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that determines the graphs, by name."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def nodes_of(self, ids: Int[Tensor, " chosen"]) -> Int[Tensor, " rows"]:
        """The nodes of the examples `ids`: those of these graphs, or at node level `ids` themselves."""
        return ids if self.level == "node" else gather_ranges(self.node_ptr, ids)

    def graphs_of(self, rows: Int[Tensor, " nodes"]) -> Int[Tensor, " chosen"]:
        """The graphs that contain the nodes `rows`, each once, in order."""
        return (torch.searchsorted(self.node_ptr, rows, right=True) - 1).unique()

    def select(self, ids: Int[Tensor, " chosen"]) -> PackedGraphs:
        """The graphs `ids`, in that order."""
        nodes, edges = gather_ranges(self.node_ptr, ids), gather_ranges(self.edge_ptr, ids)
        return PackedGraphs(
            x=self.x[nodes],
            edge_index=self.edge_index[:, edges],
            edge_attr=None if self.edge_attr is None else self.edge_attr[edges],
            y=self.y[ids if self.level == "graph" else nodes],
            node_ptr=pointers(self.num_nodes[ids]),
            edge_ptr=pointers(self.num_edges[ids]),
            level=self.level,
        )

    def followed_by(self, others: PackedGraphs) -> PackedGraphs:
        """These graphs and then `others`, of the same features."""
        attributed = [part.edge_attr for part in (self, others) if part.edge_attr is not None]
        return PackedGraphs(
            x=torch.cat([self.x, others.x]),
            edge_index=torch.cat([self.edge_index, others.edge_index], dim=1),
            edge_attr=torch.cat(attributed) if attributed else None,
            y=torch.cat([self.y, others.y]),
            node_ptr=pointers(torch.cat([self.num_nodes, others.num_nodes])),
            edge_ptr=pointers(torch.cat([self.num_edges, others.num_edges])),
            level=self.level,
        )

    @classmethod
    def from_data_list(cls, data_list: Sequence[Data], num_targets: int, level: str = "graph") -> PackedGraphs:
        """Pack PyG graphs; a missing `y` becomes NaN; float64 stays float64.

        Raises UserError if graphs disagree on features, or `y` does not have `num_targets` values per example.
        """
        _check(data_list)
        edge_attrs = [data.edge_attr for data in data_list if data.edge_attr is not None]
        edges = [data.edge_index for data in data_list]
        xs = [data.x for data in data_list]
        return cls(
            x=_columns(torch.cat(xs)),
            edge_index=torch.cat(edges, dim=1).long(),
            edge_attr=_columns(torch.cat(edge_attrs)) if edge_attrs else None,
            y=_targets(data_list, num_targets, level),
            node_ptr=pointers(torch.tensor([x.size(0) for x in xs])),
            edge_ptr=pointers(torch.tensor([index.size(1) for index in edges])),
            level=level,
        )


def gather_ranges(ptr: Int[Tensor, " ranges+1"], ids: Int[Tensor, " chosen"]) -> Int[Tensor, " rows"]:
    """Rows of the ranges ptr[i]:ptr[i+1] for i in `ids`, one after another."""
    starts = ptr[ids]
    lengths = ptr[ids + 1] - starts
    ends = lengths.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    return torch.repeat_interleave(starts - ends + lengths, lengths, output_size=total) + torch.arange(total)


def pointers(lengths: Int[Tensor, " ranges"]) -> Int[Tensor, " ranges+1"]:
    """Bounds of ranges of these lengths, end to end: [0, l_0, l_0 + l_1, ...]."""
    return torch.nn.functional.pad(lengths.long().cumsum(0), (1, 0))


def map_tensors(value: T, function: Callable[[Tensor], Tensor]) -> T:
    """A value with `function` applied to each tensor in it: in dataclasses, dictionaries, lists and tuples."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {key: map_tensors(one, function) for key, one in value.items()}
    if isinstance(value, list | tuple):
        parts = [map_tensors(one, function) for one in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if not is_dataclass(value):
        return value
    parts = {field: map_tensors(getattr(value, field.name), function) for field in fields(value)}
    made = replace(value, **{field.name: part for field, part in parts.items() if field.init})
    for field, part in parts.items():
        if not field.init:
            setattr(made, field.name, part)
    return made


def moved(value: T, device: torch.device) -> T:
    """A value with each tensor in it on a device."""
    if device.type == "mps":  # it has no float64
        value = map_tensors(value, lambda tensor: tensor.float() if tensor.dtype == torch.double else tensor)
    return map_tensors(value, lambda tensor: tensor.to(device))


def degree_column(graphs: PackedGraphs, max_degree: int) -> Int[Tensor, "nodes 1"]:
    """In-degree of every node, capped: the feature of graphs without features."""
    degree = torch.bincount(graphs.global_edge_index[1], minlength=graphs.x.size(0))
    return degree.clamp(max=max_degree)[:, None]


def mean_log_degree(graphs: PackedGraphs, ids: Int[Tensor, " chosen"]) -> float:
    """Mean of log(in-degree + 1) over the nodes of the examples `ids`; 1 if none has a neighbour."""
    degree = torch.bincount(graphs.global_edge_index[1], minlength=graphs.x.size(0))
    mean = degree[graphs.nodes_of(ids)].double().log1p().mean()
    # Rounded, since it becomes part of the data's fingerprint and threads may change the last digit.
    return round(float(mean), 9) or 1.0


def _columns(values: Tensor) -> Tensor:
    return values.unsqueeze(-1) if values.dim() == 1 else values


def _check(data_list: Sequence[Data]) -> None:
    """Raise UserError at the first graph without x or edge_index, or with other columns than the preceding graphs."""
    x_columns = attributed = None
    for number, data in enumerate(data_list):
        x, edges, edge_attr = data.x, data.edge_index, data.edge_attr
        x_columns = x.shape[1:] if x_columns is None and x is not None else x_columns
        if x is None or not 1 <= x.dim() <= 2 or x.shape[1:] != x_columns:
            like = f", {list(x_columns)} per node as in the preceding graphs" if number else ""
            raise UserError(f"graph {number}: x must be [nodes, features]{like}; it is {_shape(x)}.")
        if edges is None or edges.dim() != 2 or edges.size(0) != 2 or edges.is_floating_point():
            raise UserError(f"graph {number}: edge_index must be whole numbers [2, edges]; it is {_shape(edges)}.")
        if edge_attr is not None and len(edge_attr) != edges.size(1):
            raise UserError(
                f"graph {number}: edge_attr must have one row for each of {edges.size(1)} edges; it is "
                f"{_shape(edge_attr)}."
            )
        if edges.size(1):
            attributed = edge_attr is not None if attributed is None else attributed
            if attributed != (edge_attr is not None):
                raise UserError(f"graph {number}: edge_attr is required in all graphs that have edges, or in none.")


def _shape(values: Tensor | None) -> str:
    return "missing" if values is None else f"{values.dtype} {list(values.shape)}"


def _targets(data_list: Sequence[Data], num_targets: int, level: str) -> Float[Tensor, "examples targets"]:
    parts = []
    for number, data in enumerate(data_list):
        shape = (1 if level == "graph" else data.x.size(0), num_targets)
        y = torch.full(shape, float("nan")) if data.y is None else data.y
        y = y if y.dtype == torch.double else y.float()
        if y.numel() != shape[0] * shape[1]:
            of = " per node" if level == "node" else ""
            raise UserError(f"graph {number}: y must have {num_targets} values{of}; it is {_shape(data.y)}.")
        parts.append(y.reshape(shape))
    return torch.cat(parts)
