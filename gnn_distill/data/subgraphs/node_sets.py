"""Node sets of subgraphs, for all graphs of a data set at once: balls, random walks, communities."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Int
from scipy.sparse import csr_array, eye_array
from torch import Tensor

from gnn_distill.data.packed import PackedGraphs

if TYPE_CHECKING:
    import networkx as nx

BLOCK = 1024
"""Number of balls searched at a time, to bound the memory for large dense graphs."""


def joined_adjacency(graphs: PackedGraphs) -> csr_array:
    """All graphs as one [nodes, nodes] boolean matrix: without directions, parallel edges and loops, sorted."""
    edges = graphs.global_edge_index
    source, target = edges[:, edges[0] != edges[1]].numpy()
    pairs = (np.concatenate([source, target]), np.concatenate([target, source]))
    size = graphs.x.size(0)
    adjacency = csr_array((np.ones(len(pairs[0]), dtype=bool), pairs), shape=(size, size))
    adjacency.sum_duplicates()
    return adjacency


def balls(
    adjacency: csr_array, radius: int, max_members: int, seed: int
) -> tuple[Int[np.ndarray, " members"], Int[np.ndarray, " nodes+1"]]:
    """{j: d(i, j) ≤ radius} for every node i, ascending, and the pointers to each.

    A larger ball is reduced to `max_members`, a random sample including the node itself; it depends on the seed, the
    id of the node and the ball, not on other balls, which may belong to test graphs.
    """
    size = adjacency.shape[0]
    step = csr_array(adjacency + eye_array(size, dtype=bool, format="csr"))
    members, lengths = [], []
    for start in range(0, size, BLOCK):
        reached = step[start : start + BLOCK]
        for _ in range(radius - 1):
            reached = reached @ step
        reached.sort_indices()
        kept = _sample(reached.indptr, reached.indices, start, max_members, seed)
        members.append(reached.indices[kept])
        lengths.append(np.diff(np.searchsorted(kept, reached.indptr)))
    ptr = np.concatenate([[0], np.concatenate(lengths).cumsum()])
    return np.concatenate(members), ptr


def random_walks(adjacency: csr_array, length: int, seed: int) -> Int[np.ndarray, "nodes steps"]:
    """A walk of `length` steps from every node, starting with the node; a node without neighbours stays there."""
    random = np.random.default_rng(seed)
    indptr, degree = adjacency.indptr[:-1], np.diff(adjacency.indptr)
    indices = np.append(adjacency.indices, 0)  # a dummy entry for nodes without neighbours
    walk = [np.arange(adjacency.shape[0])]
    for _ in range(length):
        here = walk[-1]
        choice = (random.random(len(here)) * degree[here]).astype(np.int64)
        walk.append(np.where(degree[here] > 0, indices[indptr[here] + choice], here))
    return np.stack(walk, axis=1)


def visited(walks: Int[np.ndarray, "nodes steps"]) -> tuple[np.ndarray, np.ndarray]:
    """The distinct nodes of each walk, ascending, and the pointers to each."""
    ordered = np.sort(walks, axis=1)
    new = np.ones_like(ordered, dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return ordered[new], np.concatenate([[0], new.sum(axis=1).cumsum()])


def communities(
    graphs: PackedGraphs, seed: int, advance: Callable[[int], None] = lambda count: None
) -> Int[Tensor, " nodes"]:
    """The Louvain community of every node, numbered within its graph (Blondel et al. 2008, by NetworkX).

    Modularity at resolution 1 of the graph without directions; nodes without edges are communities of their own.
    """
    from networkx.algorithms.community import louvain_communities

    adjacency = joined_adjacency(graphs)
    label = np.zeros(graphs.x.size(0), dtype=np.int64)
    for start, stop in pairwise(graphs.node_ptr.tolist()):
        for number, community in enumerate(louvain_communities(network_of(adjacency, start, stop), seed=seed)):
            label[list(community)] = number
        advance(1)
    return torch.from_numpy(label)


def network_of(adjacency: csr_array, start: int, stop: int) -> nx.Graph:
    """The graph of the nodes start:stop of a symmetric matrix, for NetworkX; edges lead to no others."""
    import networkx as nx  # slow to import, and needed by few

    network = nx.Graph()
    network.add_nodes_from(range(start, stop))
    first, last = adjacency.indptr[start], adjacency.indptr[stop]
    sources = np.repeat(np.arange(start, stop), np.diff(adjacency.indptr[start : stop + 1]))
    network.add_edges_from(zip(sources.tolist(), adjacency.indices[first:last].tolist(), strict=True))
    return network


def _sample(indptr: np.ndarray, indices: np.ndarray, first: int, most: int, seed: int) -> np.ndarray:
    """Indices of at most `most` entries per row, ascending: a stratified sample.

    A longer row is cut into `most` parts, each of which contributes one entry; the part with the row's own node that.
    """
    lengths = np.diff(indptr)
    large = np.flatnonzero(lengths > most)
    if not len(large):
        return np.arange(len(indices))
    bounds = lengths[large, None].astype(np.int64) * np.arange(most + 1) // most
    chance = np.stack([np.random.default_rng([seed, first + row]).random(most) for row in large])
    chosen = bounds[:, :-1] + (chance * np.diff(bounds)).astype(np.int64)
    row = np.repeat(np.arange(len(lengths)), lengths)
    own = np.flatnonzero(indices == row + first) - indptr[:-1]  # one in every row
    part = (bounds[:, 1:] <= own[large, None]).sum(axis=1)
    chosen[np.arange(len(large)), part] = own[large]
    small = np.flatnonzero((lengths <= most)[row])
    return np.sort(np.concatenate([small, (chosen + indptr[large, None]).ravel()]))
