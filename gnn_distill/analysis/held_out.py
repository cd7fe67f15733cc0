"""The graphs on which a finished model is examined: those that it was not fitted to, and distances within them."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from gnn_distill.data.encodings.distances import hop_distances
from gnn_distill.data.packed import PackedGraphs, pointers
from gnn_distill.data.subgraphs.node_sets import communities, joined_adjacency
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError

FEW = 3
"""Node-level data of at most this many graphs are one graph: inductive settings hold copies of parts of it."""
MOST_NODES = 20_000
"""Most nodes of a single graph: all its pairs have a distance in memory, one byte each."""
OVERLAP = 2
"""Single graph: a node this near to nodes of another fold, in hops, is not scored, as both see much the same."""


@dataclass(frozen=True)
class HeldOut:
    """Graphs of the validation and test part, and the units by which their nodes are split and resampled.

    A unit is a graph, or, where nodes of one large graph are classified, a Louvain community of it.
    """

    graphs: PackedGraphs
    """The graphs, ascending by id, with everything that the models read."""
    ids: Int[Tensor, " graphs"]
    """Their ids among the graphs of the task."""
    unit: Int[np.ndarray, " nodes"]
    """The unit of every node, numbered from 0."""
    kept: Bool[np.ndarray, " nodes"]
    """Nodes that count: of one large graph those of the validation and test part alone."""
    single: bool
    """Whether it is one large graph."""

    @property
    def num_units(self) -> int:
        """Number of units."""
        return int(self.unit.max()) + 1

    @cached_property
    def plain(self) -> PackedGraphs:
        """The same graphs without directions, parallel edges, loops and edge features; edges sorted by source."""
        return undirected(self.graphs)

    @cached_property
    def pair_ptr(self) -> Int[Tensor, " graphs+1"]:
        """Graph g owns pairs pair_ptr[g]:pair_ptr[g+1] of `distances`."""
        return pointers(self.graphs.num_nodes**2)

    @cached_property
    def distances(self) -> UInt8[Tensor, " pairs"]:
        """Hops between all pairs of nodes of `plain`, row-major per graph; UNREACHABLE (255) without a path."""
        return hop_distances(self.plain, self.pair_ptr)

    def distances_of(self, graph: int) -> UInt8[np.ndarray, "nodes nodes"]:
        """Hops between the nodes of one graph, a view."""
        first, last = self.pair_ptr[graph : graph + 2].tolist()
        size = int(self.graphs.num_nodes[graph])
        return self.distances[first:last].numpy().reshape(size, size)


def held_out(task: GraphTask, most: int = 1000, most_nodes: int = 50_000, seed: int = 0) -> HeldOut:
    """At most `most` graphs of the validation and test part, and `most_nodes` nodes, drawn by `seed`.

    Labels are not read.

    Node level, many graphs: those with nodes of these parts and none of training. Node level, one graph: that graph
    (inductive: the one that holds the test part), of which the nodes of both parts count.

    Raises:
        UserError: if nothing is held out, or a single graph has more than MOST_NODES nodes.
    """
    graphs, splits = task.graphs, task.splits
    if task.spec.level == "node" and len(graphs) <= FEW:
        return _of_one_graph(task)
    ids = torch.cat([splits.val, splits.test])
    if task.spec.level == "node":
        ids, taught = graphs.graphs_of(ids.sort().values), graphs.graphs_of(splits.train)
        ids = ids[~torch.isin(ids, taught)]
    if not len(ids):
        raise UserError(f"{task.spec.name}: no graph is held out, so there is nothing to examine its models on.")
    ids = ids.sort().values
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(ids))[:most])
    fits = graphs.num_nodes[ids[order]].cumsum(0) <= most_nodes
    fits[0] = True
    ids = ids[order[fits]].sort().values
    chosen = graphs.select(ids)
    every = np.ones(chosen.x.size(0), dtype=bool)
    return HeldOut(chosen, ids, chosen.node_graph.numpy(), every, single=False)


def _of_one_graph(task: GraphTask) -> HeldOut:
    ids = task.graphs.graphs_of(task.splits.test.sort().values)[-1:]
    graphs = task.graphs.select(ids)
    if graphs.x.size(0) > MOST_NODES:
        raise UserError(
            f"{task.spec.name}: a single graph of {graphs.x.size(0):,} nodes cannot be examined, as the distance of "
            f"every pair is needed; at most {MOST_NODES:,} nodes."
        )
    rows = torch.cat([task.splits.val, task.splits.test])
    if task.nodes is not None:  # nodes of the data; the last graph holds all of them, in order
        rows = task.nodes[rows]
    else:
        first = int(task.graphs.node_ptr[ids])
        rows = rows[(rows >= first) & (rows < first + graphs.x.size(0))] - first
    kept = np.zeros(graphs.x.size(0), dtype=bool)
    kept[rows.numpy()] = True
    return HeldOut(graphs, ids, communities(graphs, seed=0).numpy(), kept, single=True)


def scored(held: HeldOut, fold: Int[np.ndarray, " nodes"]) -> Bool[np.ndarray, " nodes"]:
    """Nodes on which probes are scored: those that count; of one large graph, those without another fold nearby."""
    if not held.single:
        return held.kept
    near = joined_adjacency(held.graphs).astype(np.int64)
    reached = np.eye(int(fold.max()) + 1, dtype=np.int64)[fold]
    for _ in range(OVERLAP):
        reached = ((near @ reached + reached) > 0).astype(np.int64)
    return held.kept & (reached.sum(1) == 1)


def undirected(graphs: PackedGraphs) -> PackedGraphs:
    """Graphs without directions, parallel edges, loops and edge features: each edge stands in both directions."""
    adjacency = joined_adjacency(graphs)
    degrees = np.diff(adjacency.indptr)
    source = torch.from_numpy(np.repeat(np.arange(len(degrees)), degrees))
    target = torch.from_numpy(adjacency.indices.astype(np.int64))
    graph = graphs.node_graph[source]
    first = graphs.node_ptr[graph]
    counts = torch.bincount(graph, minlength=len(graphs))
    edges = torch.stack([source - first, target - first])
    return replace(graphs, edge_index=edges, edge_attr=None, edge_ptr=pointers(counts))
