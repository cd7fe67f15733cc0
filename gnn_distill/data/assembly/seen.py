"""What occurred in the training graphs, so that prediction can warn of anything new."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from gnn_distill.data.assembly.graphs import graphs_with
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.in_edges import MappedGraph
from gnn_distill.data.packed import PackedGraphs, gather_ranges
from gnn_distill.data.task import GraphTask, taught_graphs

Categories = list[list[int]]


@dataclass(frozen=True)
class Seen:
    """Categories and kinds of edges in the training graphs; None: unknown, or not categorical."""

    nodes: Categories | None = None
    """Per column of node features."""
    edges: Categories | None = None
    """Per column of edge features."""
    kinds: list[str] | None = None
    """The kinds of `edge_kinds` that occur."""

    @classmethod
    def in_training(cls, task: GraphTask, visible: str = "train") -> "Seen":
        """The contents of the graphs that training sees, as in `taught_graphs`."""
        graphs, ids = task.graphs, taught_graphs(task, visible)
        if isinstance(graphs, MappedGraph):
            return cls(kinds=graphs.kinds)
        nodes, edges = gather_ranges(graphs.node_ptr, ids), gather_ranges(graphs.edge_ptr, ids)
        kinds = edge_kinds(graphs.global_edge_index[:, edges], len(graphs.x))
        return cls(
            _categories(graphs.x, nodes),
            _categories(graphs.edge_attr, edges),
            [name for name, mask in kinds.items() if mask.any()],
        )

    def to_dict(self) -> dict[str, Any]:
        """Lists of numbers and words."""
        return asdict(self)

    def unseen(self, graphs: PackedGraphs, pipeline: InputPipeline) -> Iterator[tuple[str, Bool[Tensor, " graphs"]]]:
        """(Description, graphs that contain it) of everything that no training graph contained."""
        nodes, edges = (self.nodes, graphs.x, graphs.node_ptr), (self.edges, graphs.edge_attr, graphs.edge_ptr)
        for what, (known, values, ptr) in {"node": nodes, "edge": edges}.items():
            if known is None or values is None:
                continue
            for column, categories in enumerate(known):
                new = ~torch.isin(values[:, column], torch.tensor(categories, dtype=torch.long))
                for value in values[new, column].unique().tolist():
                    yield category(pipeline, what, column, value), graphs_with(values[:, column] == value, ptr)
        if self.kinds is not None:
            for name, mask in edge_kinds(graphs.global_edge_index, len(graphs.x)).items():
                if name not in self.kinds and mask.any():
                    yield name, graphs_with(mask, graphs.edge_ptr)


def edge_kinds(edge_index: Int[Tensor, "2 edges"], num_nodes: int) -> dict[str, Bool[Tensor, " edges"]]:
    """Masks of the edges without a reverse, of parallel edges and of self-loops."""
    source, target = edge_index
    if not len(source):
        return {}
    keys, place, count = (source * num_nodes + target).unique(return_inverse=True, return_counts=True)
    reverse = target * num_nodes + source
    found = torch.searchsorted(keys, reverse).clamp_(max=len(keys) - 1)
    return {
        "edges in one direction only": keys[found] != reverse,
        "parallel edges": count[place] > 1,
        "edges from a node to itself": source == target,
    }


def category(pipeline: InputPipeline, what: str, column: int, value: int) -> str:
    """Description of a category, if its coding is known: `element Si`, `formal_charge 3`."""
    if what == "node" and pipeline.max_degree is not None:
        return f"degree {value}" if value < pipeline.max_degree else f"degree {value} or more"
    if pipeline.smiles is None:
        return f"{what} feature {column} = {value}"
    from torch_geometric.utils.smiles import e_map, x_map

    from gnn_distill.data.assembly import molecules_ogb

    names = x_map if what == "node" else e_map
    name, values = list(names.items())[column]
    if pipeline.smiles == "ogb":
        _, codes = (molecules_ogb.ATOM if what == "node" else molecules_ogb.BOND)[column]
        values = [*codes, "other"]
    if name == "chirality" and pipeline.chirality == "cip":
        values = {**dict(enumerate(values)), 1: "R", 2: "S"}
    if name == "atomic_num":
        return f"element {symbol(values[value])}"
    return f"{name} {values[value]}"


def symbol(number: int | str) -> str:
    """The chemical symbol of an atomic number."""
    from rdkit import Chem

    return Chem.GetPeriodicTable().GetElementSymbol(number) if isinstance(number, int) else number


def _categories(values: Tensor | None, rows: Int[Tensor, " chosen"]) -> Categories | None:
    if values is None or values.is_floating_point():
        return None
    return [column[rows].unique().tolist() for column in values.unbind(1)]
