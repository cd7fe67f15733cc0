"""Graphs of equal size as stacks of dense matrices: without padding."""

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor

from gnn_distill.data.packed import PackedGraphs, gather_ranges, pointers

MAX_PAIRS = 1 << 20
"""Number of matrix entries processed at a time, so that they stay in the cache."""


def equal_size_groups(sizes: Int[Tensor, " graphs"], pairs: int = MAX_PAIRS) -> Iterator[Int[Tensor, " group"]]:
    """Groups of ids of graphs of one size, at most `pairs` node pairs in total; every non-empty graph once."""
    order = sizes.sort(stable=True).indices
    distinct, counts = sizes[order].unique_consecutive(return_counts=True)
    for size, ids in zip(distinct.tolist(), order.split(counts.tolist()), strict=True):
        if size:
            yield from ids.split(max(1, pairs // size**2))


def stacked_edges(graphs: PackedGraphs, ids: Int[Tensor, " group"]) -> Int[Tensor, "2 edges"]:
    """Edges of the graphs `ids` between their nodes laid end to end."""
    first = torch.repeat_interleave(pointers(graphs.num_nodes[ids])[:-1], graphs.num_edges[ids])
    return graphs.edge_index[:, gather_ranges(graphs.edge_ptr, ids)] + first


def dense_adjacency(graphs: PackedGraphs, ids: Int[Tensor, " group"]) -> Int[Tensor, "group size size"]:
    """Number of edges from row to column in each of the graphs `ids`, which are of one size."""
    size = int(graphs.num_nodes[ids[0]])
    source, target = stacked_edges(graphs, ids)
    places = source * size + target % size
    return torch.bincount(places, minlength=len(ids) * size * size).view(len(ids), size, size)
