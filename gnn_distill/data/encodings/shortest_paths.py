"""One shortest path between any two nodes of each graph, stored as one node per pair."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from gnn_distill.data.encodings.dense import equal_size_groups, stacked_edges
from gnn_distill.data.encodings.neighbour_rounds import NeighbourRounds
from gnn_distill.data.encodings.workers import in_threads
from gnn_distill.data.packed import PackedGraphs

MAX_PAIRS = 1 << 18
"""Number of pairs processed at a time, so that their data stay in the cache."""
MIN_SOURCES = 64
"""Smallest number of sources of a large graph that are processed together."""


def predecessors(
    graphs: PackedGraphs,
    pair_ptr: Int[Tensor, " graphs+1"],
    spd: UInt8[Tensor, " pairs"],
    advance: Callable[[int], None] = lambda count: None,
) -> Int[Tensor, " pairs"]:
    """The node before the column on a shortest path from the row, row-major per graph, ids local to the graph.

    If there are several, the smallest, so that p(s, t) = min {u : edge u → t, d(s, u) + 1 = d(s, t)}, and walking
    back from t gives the path. It is t itself if there is no such node: on the diagonal, if t cannot be reached
    from s, or is more than 254 hops away. `spd`: hop distances; `advance` is called with the number of nodes done.
    Type: uint8, or int16 or int32 if the largest graph needs it.
    """
    largest = int(graphs.num_nodes.max()) if len(graphs) else 0
    dtype = np.uint8 if largest <= 256 else np.int16 if largest <= 2**15 else np.int32
    distances, flat = spd.numpy(), np.empty(len(spd), dtype=dtype)

    def tasks() -> Iterator[tuple]:
        for ids in equal_size_groups(graphs.num_nodes, MAX_PAIRS):
            size = int(graphs.num_nodes[ids[0]])
            source, target = stacked_edges(graphs, ids).numpy()
            by_target = NeighbourRounds(target, source, size * len(ids))
            squares = [slice(start, start + size**2) for start in pair_ptr[ids].tolist()]
            width = max(MAX_PAIRS // (len(ids) * size), MIN_SOURCES)
            for start in range(0, size, width):
                yield by_target, size, squares, slice(start, start + width)

    def work(task: tuple) -> int:
        by_target, size, squares, sources = task
        hops = np.stack([distances[square].reshape(size, size)[sources] for square in squares])
        before = _before(by_target, hops)
        for square, nodes in zip(squares, before, strict=True):
            flat[square].reshape(size, size)[sources] = nodes
        return before.shape[0] * before.shape[1]

    in_threads(work, tasks(), advance)
    return torch.from_numpy(flat)


def _before(
    by_target: NeighbourRounds, hops: UInt8[np.ndarray, "group sources size"]
) -> Int[np.ndarray, "group sources size"]:
    """The predecessors on paths of these lengths, for graphs of one size."""
    group, sources, size = hops.shape
    # One row per target; those of `hops_before` and `best` by rank.
    hops = hops.transpose(0, 2, 1).reshape(-1, sources)
    hops_before = hops.take(by_target.order, axis=0) - 1
    # Stored as size - u, at least 1, so that the maximum is the smallest u, and 0 is none. Products with booleans
    # take a tenth of the time of np.where.
    kind = np.uint8 if size < 256 else np.int16 if size < 2**15 else np.int32
    from_end = np.tile(np.arange(size, 0, -1, dtype=kind), group)[:, None]
    best = np.zeros(hops.shape, dtype=kind)
    for sources_of in by_target.rounds():
        on_path = hops.take(sources_of, axis=0) == hops_before[: len(sources_of)]
        first = best[: len(sources_of)]
        np.maximum(first, on_path.view(np.uint8) * from_end[sources_of], out=first)
    best = best.take(by_target.rank, axis=0)
    best *= hops > 0  # on the diagonal `hops_before` is 255
    best += (best == 0) * from_end
    return (size - best).reshape(group, size, sources).transpose(0, 2, 1)
