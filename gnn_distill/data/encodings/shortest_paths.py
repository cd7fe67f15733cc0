"""One shortest path between any two nodes of each graph, as one node a pair."""

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
"""Pairs worked on at a time, so that all that is known of them stays in the cache."""
SOURCES = 64
"""At least so many sources of a large graph are worked on together."""


def predecessors(
    graphs: PackedGraphs,
    pair_ptr: Int[Tensor, " graphs+1"],
    spd: UInt8[Tensor, " pairs"],
    advance: Callable[[int], None] = lambda count: None,
) -> Int[Tensor, " pairs"]:
    """The node before the column on a shortest path from the row, row-major per graph, ids local to the graph.

    Of several nodes it is the smallest, so that p(s, t) = min {u : edge u → t, d(s, u) + 1 = d(s, t)}, and walking
    back from t gives the path. It is t itself where there is no such node: on the diagonal, where t cannot be reached
    from s, and where it is more than 254 hops away. `spd` holds the hop distances; `advance` hears of the number of
    nodes that have been done. Type: uint8, or int16 or int32 where a graph has more nodes than these can number.
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
            width = max(MAX_PAIRS // (len(ids) * size), SOURCES)
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
    # One row for every target; those of `wanted` and `best` by rank.
    hops = hops.transpose(0, 2, 1).reshape(-1, sources)
    wanted = hops.take(by_target.order, axis=0) - 1
    # Of u it is size - u that is kept, at least 1: the greatest stands for the smallest u, and 0 for none. Products
    # with truth values take a tenth of the time of choices between two values.
    kind = np.uint8 if size < 256 else np.int16 if size < 2**15 else np.int32
    from_end = np.tile(np.arange(size, 0, -1, dtype=kind), group)[:, None]
    best = np.zeros(hops.shape, dtype=kind)
    for turn in by_target.turns():
        on_path = hops.take(turn, axis=0) == wanted[: len(turn)]
        np.maximum(best[: len(turn)], on_path.view(np.uint8) * from_end[turn], out=best[: len(turn)])
    best = best.take(by_target.rank, axis=0)
    best *= hops > 0  # on the diagonal 255 was wanted
    best += (best == 0) * from_end
    return (size - best).reshape(group, size, sources).transpose(0, 2, 1)
