"""Hop distances between all nodes of each graph."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Int, UInt8
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path
from torch import Tensor

from gnn_distill.data.dense import dense_adjacency, equal_size_groups
from gnn_distill.data.packed import PackedGraphs, gather_ranges

UNREACHABLE = 255
MAX_DISTANCE = 254
SMALL = 64
"""Graphs of up to so many nodes are searched together by matrix products; larger ones one by one."""


def hop_distances(
    graphs: PackedGraphs, pair_ptr: Int[Tensor, " graphs+1"], advance: Callable[[int], None] = lambda count: None
) -> UInt8[Tensor, " pairs"]:
    """Edges on a shortest path from row to column, along the direction of edges, row-major per graph.

    Distances are capped at 254; 255 marks a pair without a path. `pair_ptr` tells where each graph's n^2 pairs
    begin; `advance` hears of the number of graphs that have been done.
    """
    flat = torch.empty(int(pair_ptr[-1]), dtype=torch.uint8)
    sizes = graphs.num_nodes
    for ids in equal_size_groups(sizes.where(sizes <= SMALL, 0)):
        flat[gather_ranges(pair_ptr, ids)] = _search_together(dense_adjacency(graphs, ids)).view(-1)
        advance(len(ids))
    for graph in (sizes > SMALL).nonzero().squeeze(1).tolist():
        edges = graphs.edge_index[:, graphs.edge_ptr[graph] : graphs.edge_ptr[graph + 1]]
        distances = _search_alone(edges.numpy(), int(sizes[graph]))
        flat[pair_ptr[graph] : pair_ptr[graph + 1]] = torch.from_numpy(distances).view(-1)
        advance(1)
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


def _search_alone(edge_index: np.ndarray, size: int) -> np.ndarray:
    adjacency = csr_array((np.ones(edge_index.shape[1], dtype=np.float32), tuple(edge_index)), shape=(size, size))
    distances = shortest_path(adjacency, method="D", unweighted=True)
    return np.where(np.isinf(distances), UNREACHABLE, distances.clip(max=MAX_DISTANCE)).astype(np.uint8)
