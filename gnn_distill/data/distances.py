"""Hop distances between all nodes of each graph."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Int, UInt8
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from gnn_distill.data.dense import MAX_PAIRS, dense_adjacency, equal_size_groups
from gnn_distill.data.packed import PackedGraphs, gather_ranges
from gnn_distill.data.sparse import sparse_adjacency

UNREACHABLE = 255
MAX_DISTANCE = 254
SMALL = 64
"""Graphs of up to so many nodes are searched together by matrix products; larger ones one by one."""


def hop_distances(
    graphs: PackedGraphs, pair_ptr: Int[Tensor, " graphs+1"], advance: Callable[[int], None] = lambda count: None
) -> UInt8[Tensor, " pairs"]:
    """Edges on a shortest path from row to column, along the direction of edges, row-major per graph.

    Distances are capped at 254; 255 marks a pair without a path. `pair_ptr` tells where each graph's n^2 pairs
    begin; `advance` hears of the number of nodes that have been done.
    """
    flat = torch.empty(int(pair_ptr[-1]), dtype=torch.uint8)
    sizes = graphs.num_nodes
    for ids in equal_size_groups(sizes.where(sizes <= SMALL, 0)):
        flat[gather_ranges(pair_ptr, ids)] = _search_together(dense_adjacency(graphs, ids)).view(-1)
        advance(int(sizes[ids].sum()))
    for graph in (sizes > SMALL).nonzero().squeeze(1).tolist():
        size = int(sizes[graph])
        pairs = flat[pair_ptr[graph] : pair_ptr[graph + 1]].view(size, size).numpy()
        adjacency = sparse_adjacency(graphs, graph)
        for sources in np.array_split(np.arange(size), -(-size * size // MAX_PAIRS)):
            distances = dijkstra(adjacency, unweighted=True, indices=sources)
            pairs[sources] = np.where(np.isinf(distances), UNREACHABLE, distances.clip(max=MAX_DISTANCE))
            advance(len(sources))
    return flat


def _search_together(adjacency: Int[Tensor, "group size size"]) -> UInt8[Tensor, "group size size"]:
    """Breadth-first search from every node at once: one matrix product moves all frontiers by one hop."""
    adjacency = (adjacency > 0).float()
    frontier = torch.eye(adjacency.size(1)).expand_as(adjacency)
    distances = torch.where(frontier > 0, 0, UNREACHABLE).to(torch.uint8)
    step = 0
    while frontier.any():
        step += 1
        reached = (frontier @ adjacency > 0) & (distances == UNREACHABLE)
        distances.masked_fill_(reached, step)
        frontier = reached.float()
    return distances
