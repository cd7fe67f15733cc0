"""Subgraphs of all graphs of a data set, computed once, and their means in a batch as a sparse operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Int, Int32
from torch import Tensor

from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.packed import PackedGraphs, gather_ranges, moved, pointers
from gnn_distill.data.sparse_matrix import SparseMatrix
from gnn_distill.data.subgraphs.node_sets import balls, communities, joined_adjacency, random_walks, visited

if TYPE_CHECKING:
    from gnn_distill.data.task import TaskSpec

CENTRED = ("ego", "walk")
"""Sources with one subgraph per node, in the order of nodes."""


@dataclass
class Subgraphs:
    """S subgraphs end to end: s has the nodes members[member_ptr[s]:member_ptr[s+1]]."""

    members: Int32[Tensor, " members"]
    """Ids of nodes, local to their graph, ascending within a subgraph."""
    member_ptr: Int[Tensor, " subgraphs+1"]
    subgraph_ptr: Int[Tensor, " graphs+1"]
    """Graph g owns the subgraphs subgraph_ptr[g]:subgraph_ptr[g+1]."""
    centred: bool
    """Whether there is one per node of the graph, in order."""

    def to_tensors(self) -> dict[str, Tensor]:
        """All fields by name."""
        return {**vars(self), "centred": torch.tensor(self.centred)}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> Subgraphs:
        """The inverse of `to_tensors`."""
        return cls(**{**tensors, "centred": bool(tensors["centred"])})

    def operator(self, batch: GraphBatch) -> SparseMatrix:
        """Means over the subgraphs of a batch, P[s, i] = 1/|s| for i in s: row-stochastic.

        If the batch has `outputs`, columns are these nodes, and subgraphs are restricted to them: centred subgraphs to
        those of these nodes, others to the non-empty ones.
        """
        outputs = None if batch.outputs is None else batch.outputs.cpu()
        graph, chosen = self._chosen(batch, outputs)
        rows = torch.repeat_interleave(self.member_ptr[chosen + 1] - self.member_ptr[chosen])
        columns = batch.ptr.cpu()[graph[rows]] + self.members[gather_ranges(self.member_ptr, chosen)].long()
        num_rows, num_columns = len(chosen), len(batch.node_rows)
        if outputs is not None:
            place = torch.full((num_columns,), -1).index_copy(0, outputs, torch.arange(len(outputs)))
            kept = place[columns] >= 0
            rows, columns, num_columns = rows[kept], place[columns[kept]], len(outputs)
            columns, rows = _sorted(columns, rows)
            if not self.centred:
                occurring, rows = rows.unique_consecutive(return_inverse=True)
                num_rows = len(occurring)
        values = 1.0 / torch.bincount(rows, minlength=num_rows)[rows]
        return moved(SparseMatrix.of(rows, columns, values, (num_rows, num_columns)), batch.ptr.device)

    def places(self, batch: GraphBatch) -> tuple[Int[Tensor, " subgraphs"], Bool[Tensor, "graphs most"]]:
        """The index of each row of `operator` in the padded form [graph, subgraph], and the mask of used places.

        Only for batches whose `outputs` are all nodes.
        """
        ids = batch.graph_ids.cpu()
        counts = self.subgraph_ptr[ids + 1] - self.subgraph_ptr[ids]
        most = int(counts.max())
        graph = torch.repeat_interleave(counts)
        index = torch.arange(len(graph)) + (torch.arange(len(ids)) * most - pointers(counts)[:-1])[graph]
        mask = torch.arange(most) < counts.unsqueeze(1)
        return index.to(batch.ptr.device), mask.to(batch.ptr.device)

    def _chosen(self, batch: GraphBatch, outputs: Tensor | None) -> tuple[Tensor, Tensor]:
        """For each subgraph of a batch: the index of its graph in the batch, and its id."""
        if self.centred:
            nodes, graph = batch.node_rows.cpu(), batch.batch.cpu()
            return (graph, nodes) if outputs is None else (graph[outputs], nodes[outputs])
        ids = batch.graph_ids.cpu()
        counts = self.subgraph_ptr[ids + 1] - self.subgraph_ptr[ids]
        return torch.repeat_interleave(counts), gather_ranges(self.subgraph_ptr, ids)


def compute_subgraphs(
    graphs: PackedGraphs,
    source: str,
    spec: TaskSpec | None = None,
    radius: int = 2,
    walk_length: int = 8,
    max_members: int = 64,
    seed: int = 0,
    advance: Callable[[int], None] = lambda count: None,
) -> Subgraphs:
    """The subgraphs of every graph by `source`; edge directions are ignored.

    ego: the ball of `radius` hops around every node, of which at most `max_members` nodes are kept; walk: the nodes
    that a random walk of `walk_length` steps from every node visits; cluster: Louvain communities; fragment: BRICS
    fragments of molecules, read from features that `spec` names. The last two partition each graph, so that the
    number of members is that of nodes. `advance` is called with the number of graphs done, by cluster and fragment.
    Raises UserError if fragments are requested for graphs that are not molecules.
    """
    if source in CENTRED:
        adjacency = joined_adjacency(graphs)
        if source == "ego":
            members, ptr = balls(adjacency, radius, max_members, seed)
        else:
            members, ptr = visited(random_walks(adjacency, walk_length, seed))
        members, ptr = torch.from_numpy(members.astype(np.int64)), torch.from_numpy(ptr.astype(np.int64))
        local = members - graphs.node_ptr[graphs.node_graph[members]]
        return Subgraphs(local.int(), ptr, graphs.node_ptr, centred=True)
    if source == "cluster":
        return partition(graphs, communities(graphs, seed, advance))
    from gnn_distill.data.subgraphs.fragments import brics_fragments, check_molecules  # RDKit is slow to import

    check_molecules(spec)
    return partition(graphs, brics_fragments(graphs, spec, advance))


def partition(graphs: PackedGraphs, label: Int[Tensor, " nodes"]) -> Subgraphs:
    """Subgraphs of the nodes of one graph that have the same label."""
    graph = graphs.node_graph
    occurring, part = (graph * (int(label.max()) + 1) + label).unique(return_inverse=True)
    order = part.argsort(stable=True)
    owner = torch.empty_like(occurring).index_copy(0, part, graph)
    return Subgraphs(
        members=(order - graphs.node_ptr[graph[order]]).int(),
        member_ptr=pointers(torch.bincount(part)),
        subgraph_ptr=pointers(torch.bincount(owner, minlength=len(graphs))),
        centred=False,
    )


def compute_walks(graphs: PackedGraphs, length: int = 8, seed: int = 0) -> Int32[Tensor, "nodes steps"]:
    """A random walk of `length` steps from every node, starting with the node, in ids local to its graph."""
    walks = torch.from_numpy(random_walks(joined_adjacency(graphs), length, seed))
    return (walks - graphs.node_ptr[graphs.node_graph].unsqueeze(1)).int()


def batch_walks(walks: Int32[Tensor, "all_nodes steps"], batch: GraphBatch) -> Int[Tensor, "walks steps"]:
    """The walks from the nodes of a batch as rows of its states; with `outputs`, only walks that stay within them."""
    rows = walks[batch.node_rows.cpu()].long() + batch.ptr.cpu()[batch.batch.cpu()].unsqueeze(1)
    if batch.outputs is not None:
        outputs = batch.outputs.cpu()
        rows = torch.full((len(rows),), -1).index_copy(0, outputs, torch.arange(len(outputs)))[rows]
        rows = rows[(rows >= 0).all(dim=1)]
    return rows.to(batch.ptr.device)


def _sorted(columns: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs by ascending row, then column."""
    columns, order = columns.sort(stable=True)
    rows, second = rows[order].sort(stable=True)
    return columns[second], rows
