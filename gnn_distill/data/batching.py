"""Batches for Transformers on graphs: nodes stay flat, as in PyG, with their index in the padded form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from gnn_distill.data.adjacency import adjacency
from gnn_distill.data.derived import Derived
from gnn_distill.data.packed import PackedGraphs, gather_ranges, moved, pointers
from gnn_distill.data.sparse_matrix import SparseMatrix

if TYPE_CHECKING:
    from gnn_distill.data.encodings.structural import StructuralEncodings
    from gnn_distill.data.subgraphs.patches import PatchBatch


class Share(NamedTuple):
    """Which part of a batch this process has, where several make one run."""

    ids: Int[Tensor, " graphs"]
    """The graphs of the whole batch, of which each process has every so many-th."""
    empty: bool
    """Whether none of it counts: there are fewer graphs than processes, and one is here for the sake of the form."""
    collate: Callable[[], GraphBatch]
    """Makes the whole batch."""


@dataclass
class GraphBatch:
    """B graphs of at most M nodes, with N nodes and E edges in total, and their structural encodings."""

    graph_ids: Int[Tensor, " graphs"]
    x: Tensor
    """[nodes, features]; at node level in sparse CSR form if most of it is zero."""
    edge_index: Int[Tensor, "2 edges"]
    """Between rows of `x`, as in PyG."""
    edge_attr: Tensor | None
    batch: Int[Tensor, " nodes"]
    """The graph of every node."""
    ptr: Int[Tensor, " graphs+1"]
    y: Float[Tensor, "rows targets"]
    """One row per graph; at node level one per node in `outputs`."""
    node_rows: Int[Tensor, " nodes"]
    """The row of each node in the packed graphs, and in everything stored for them."""
    max_nodes: int
    dense_index: Int[Tensor, " nodes"]
    """Row of every node in the padded form [B * M, ...]."""
    in_degree: Int[Tensor, " nodes"] | None = None
    out_degree: Int[Tensor, " nodes"] | None = None
    rwse: Float[Tensor, "nodes steps"] | None = None
    lap_pe: Float[Tensor, "nodes vectors"] | None = None
    spd: UInt8[Tensor, "graphs max_nodes max_nodes"] | None = None
    """Hop distances from row to column; 255: unreachable; 0 on padding."""
    predecessors: Int[Tensor, "graphs max_nodes max_nodes"] | None = None
    """The node before the column on a shortest path from the row; else, and on padding, the column."""
    patches: PatchBatch | None = None
    """Parts of the graphs, for students whose tokens they are."""
    outputs: Int[Tensor, " rows"] | None = None
    """Node level: the nodes whose states and outputs are used; None: all."""
    labelled: Int[Tensor, " examples"] | None = None
    """The rows (graphs; at node level nodes among `outputs`) whose labels count; None: all."""
    degree: Int[Tensor, " nodes"] | None = None
    """A part of one large graph: in-degrees in the whole, loops left out; None: the batch has all edges."""
    states: tuple[Tensor, ...] = ()
    """Node states of the rows, where layer-wise inference has found them: the model has only its head to apply."""
    hops: Float[Tensor, "nodes hops features+1"] | None = None
    """Features after 1, 2, … hops, Â^k·x, and Â^k·1 behind them, for students that read nothing else of edges."""
    share: Share | None = None
    """Of several processes: of which batch these graphs are this one's share; None: they are all there are."""
    derived: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    """What has been found in the batch, by the names of `Derived`; a changed copy has none of it."""

    @property
    def num_examples(self) -> int:
        """Number of graphs, or nodes at node level, whose labels count."""
        return len(self.y) if self.labelled is None else len(self.labelled)

    def wanted(self, nodes: Tensor) -> Tensor:
        """The rows of `outputs` among values of all nodes."""
        return nodes if self.outputs is None else nodes[self.outputs]

    def examples(self, rows: Tensor) -> Tensor:
        """The rows whose labels count."""
        return rows if self.labelled is None else rows[self.labelled]

    @cached_property
    def whole(self) -> GraphBatch:
        """The batch of which this is a share, with the rows of all processes in the order of one."""
        return self if self.share is None else self.share.collate()

    @property
    def row_of(self) -> Int[Tensor, " nodes"]:
        """The row of every node among `outputs`; -1 for others."""
        return _ROW_OF(self)

    @property
    def joins_rows(self) -> Bool[Tensor, " edges"]:
        """Whether an edge joins two nodes of `outputs`."""
        return _JOINS_ROWS(self)

    @property
    def row_edges(self) -> Int[Tensor, "2 kept"]:
        """The edges that join two nodes of `outputs`, between their rows."""
        return self.edge_index if self.outputs is None else ROW_EDGES(self)

    @property
    def row_walk(self) -> SparseMatrix:
        """One step of the lazy random walk among the rows: D̃⁻¹Ã, Ã = A + I without directions.

        Its k-th power is row-stochastic on every node's k-hop ball; `P @ (P @ h)` never forms it.
        """
        return ROW_WALK(self)

    def adjacency(self, kind: str) -> SparseMatrix:
        """The sums over neighbours of a convolution as one sparse matrix, row i for the edges into node i.

        sum: Σ_j h_j; mean: Σ_j h_j / d_i; gcn: Σ_{j or i} h_j / √(d̃_i·d̃_j), d̃ = d + 1, without loops of the graph.
        Of a part of a graph with k_i of d_i edges, sum and gcn weigh each by d_i / k_i and have the whole graph's d, so
        that they estimate its sums without bias, and are exact at nodes with all their edges.
        """
        return ADJACENCY[kind](self)

    @property
    def num_graphs(self) -> int:
        """B."""
        return self.ptr.numel() - 1

    @property
    def mask(self) -> Bool[Tensor, "graphs max_nodes"]:
        """Mask of the padded form: True for nodes."""
        return torch.arange(self.max_nodes, device=self.ptr.device) < self.ptr.diff().unsqueeze(1)

    @property
    def row_mask(self) -> Bool[Tensor, "graphs max_nodes"]:
        """Mask of the padded form: True for the nodes of `outputs`."""
        if self.outputs is None:
            return self.mask
        found = torch.zeros(self.num_graphs * self.max_nodes, dtype=torch.bool, device=self.ptr.device)
        return found.index_fill(0, self.wanted(self.dense_index), True).view(self.num_graphs, self.max_nodes)

    @property
    def edge_dense_index(self) -> Int[Tensor, " edges"]:
        """Index of every edge in [B * M * M]: row its source, column its target."""
        source, target = self.edge_index
        column = self.dense_index[target] - self.batch[target] * self.max_nodes
        return self.dense_index[source] * self.max_nodes + column

    def to(self, device: torch.device | str) -> GraphBatch:
        """The same batch on another device."""
        return self if self.ptr.device == torch.device(device) else moved(self, torch.device(device))


def _row_of(batch: GraphBatch) -> Int[Tensor, " nodes"]:
    if batch.outputs is None:
        return torch.arange(len(batch.node_rows))
    return torch.full_like(batch.node_rows, -1).index_copy(0, batch.outputs, torch.arange(len(batch.outputs)))


def _joins_rows(batch: GraphBatch) -> Bool[Tensor, " edges"]:
    return (batch.row_of[batch.edge_index] >= 0).all(dim=0)


def _row_edges(batch: GraphBatch) -> Int[Tensor, "2 kept"]:
    return batch.row_of[batch.edge_index[:, batch.joins_rows]]


def _row_walk(batch: GraphBatch) -> SparseMatrix:
    source, target = batch.row_edges
    rows = len(batch.wanted(batch.node_rows))
    loops = torch.arange(rows)
    index = torch.stack([torch.cat([source, target, loops]), torch.cat([target, source, loops])])
    joined = torch.sparse_coo_tensor(index, torch.ones_like(index[0]), (rows, rows), check_invariants=False)
    row, column = joined.coalesce().indices()
    return SparseMatrix.of(row, column, 1.0 / torch.bincount(row, minlength=rows)[row], (rows, rows))


def _adjacency(batch: GraphBatch, kind: str) -> SparseMatrix:
    return adjacency(kind, batch.edge_index, len(batch.node_rows), batch.degree)


ADJACENCY = {kind: Derived(kind, partial(_adjacency, kind=kind)) for kind in ("sum", "mean", "gcn")}
"""By kind."""
_ROW_OF = Derived("row_of", _row_of)
_JOINS_ROWS = Derived("joins_rows", _joins_rows)
ROW_EDGES = Derived("row_edges", _row_edges)
ROW_WALK = Derived("row_walk", _row_walk)


def collate(graphs: PackedGraphs, encodings: StructuralEncodings | None, ids: Int[Tensor, " graphs"]) -> GraphBatch:
    """The graphs `ids` as one batch, without a loop over them."""
    if len(ids) == 1:  # a view: features of one large graph are not copied
        graph = int(ids)
        node_range = slice(int(graphs.node_ptr[graph]), int(graphs.node_ptr[graph + 1]))
        edge_range = slice(int(graphs.edge_ptr[graph]), int(graphs.edge_ptr[graph + 1]))
        rows = torch.arange(node_range.start, node_range.stop)
    else:
        node_range = rows = gather_ranges(graphs.node_ptr, ids)
        edge_range = gather_ranges(graphs.edge_ptr, ids)
    sizes, edge_counts = graphs.num_nodes[ids], graphs.num_edges[ids]
    max_nodes = int(sizes.max()) if len(ids) else 0
    ptr = pointers(sizes)
    batch = torch.repeat_interleave(sizes, output_size=len(rows))
    offsets = torch.repeat_interleave(ptr[:-1], edge_counts)
    result = GraphBatch(
        graph_ids=ids,
        x=graphs.x[node_range],
        edge_index=graphs.edge_index[:, edge_range] + offsets,
        edge_attr=None if graphs.edge_attr is None else graphs.edge_attr[edge_range],
        batch=batch,
        ptr=ptr,
        y=graphs.y[ids if graphs.level == "graph" else node_range],
        node_rows=rows,
        max_nodes=max_nodes,
        dense_index=torch.arange(len(rows)) + (torch.arange(len(ids)) * max_nodes - ptr[:-1])[batch],
    )
    if encodings is not None:
        for name in ("in_degree", "out_degree", "rwse", "lap_pe"):
            values = getattr(encodings, name)
            setattr(result, name, None if values is None else values[node_range])
        if encodings.spd is not None:
            result.spd = _padded_pairs(encodings.spd, encodings.pair_ptr, result, torch.zeros(max_nodes))
        if encodings.predecessors is not None:
            result.predecessors = _padded_pairs(
                encodings.predecessors, encodings.pair_ptr, result, torch.arange(max_nodes)
            )
        result.patches = encodings.patches and encodings.patches.of(result)
    return result


def _padded_pairs(
    stored: Int[Tensor, " pairs"], pair_ptr: Int[Tensor, " all+1"], batch: GraphBatch, padding: Tensor
) -> Int[Tensor, "graphs max_nodes max_nodes"]:
    """The stored values of the node pairs of the batch; `padding` [max_nodes] fills the rows elsewhere."""
    ids, size = batch.graph_ids, batch.max_nodes
    if len(ids) == 1:  # a view
        return stored[int(pair_ptr[ids]) : int(pair_ptr[ids + 1])].view(1, size, size)
    mask = batch.mask
    pairs = mask.unsqueeze(2) & mask.unsqueeze(1)
    # Stored pairs are row-major within a graph, so they come in the order in which the mask is read.
    values = stored[gather_ranges(pair_ptr, ids)]
    return padding.to(stored.dtype).expand(pairs.shape).masked_scatter(pairs, values)
