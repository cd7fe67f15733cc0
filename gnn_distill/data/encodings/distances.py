"""Hop distances between all nodes of each graph."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from gnn_distill.data.encodings.dense import MAX_PAIRS, equal_size_groups, stacked_edges
from gnn_distill.data.encodings.neighbour_rounds import NeighbourRounds
from gnn_distill.data.encodings.workers import in_threads
from gnn_distill.data.packed import PackedGraphs

UNREACHABLE = 255
MAX_DISTANCE = 254
PLANES = 8
"""Number of bits of a distance."""
TARGETS = 1024
"""Smallest number of targets of a large graph that are searched together."""


def hop_distances(
    graphs: PackedGraphs, pair_ptr: Int[Tensor, " graphs+1"], advance: Callable[[int], None] = lambda count: None
) -> UInt8[Tensor, " pairs"]:
    """Edges on a shortest path from row to column, along the direction of edges, row-major per graph.

    Distances are capped at 254; 255 marks a pair without a path. `pair_ptr` contains the first of each
    graph's n^2 pairs; `advance` is called with the number of nodes done.

    A breadth-first search from all nodes at once, with sets of nodes as bit strings (MS-BFS, Then et al., VLDB 2014):
    a node has not reached in k hops what neither itself nor a neighbour had reached in k - 1. Graphs of similar size
    are searched together; large ones for as many targets at a time as fit in the cache.
    """
    flat = np.empty(int(pair_ptr[-1]), dtype=np.uint8)

    def tasks() -> Iterator[tuple]:
        for ids in equal_size_groups(_whole_bytes(graphs.num_nodes)):
            sizes = graphs.num_nodes[ids].numpy()
            search = Search(stacked_edges(graphs, ids).numpy(), sizes)
            width = max(MAX_PAIRS // sizes.sum(), TARGETS)
            for start in range(0, sizes.max(), width):
                yield search, slice(start, min(start + width, sizes.max())), pair_ptr[ids].tolist()

    def work(task: tuple) -> int:
        search, targets, starts = task
        found, done = search.distances(targets), 0
        for start, first, size in zip(starts, search.first.tolist(), search.sizes.tolist(), strict=True):
            square = flat[start : start + size**2].reshape(size, size)[:, targets]
            square[:] = found[first : first + size, : square.shape[1]]
            done += square.shape[1]
        return done

    in_threads(work, tasks(), advance)
    return torch.from_numpy(flat)


class Search:
    """Searches from all nodes of graphs with these sizes; their nodes are rows, end to end."""

    def __init__(self, edges: Int[np.ndarray, "2 edges"], sizes: Int[np.ndarray, " graphs"]) -> None:
        self.edges, self.sizes = edges, sizes
        self.first = sizes.cumsum() - sizes
        by_source = NeighbourRounds(*edges, sizes.sum())
        self.rank, self.order = by_source.rank, by_source.order
        by_source.neighbours = self.rank[by_source.neighbours]
        # A few rows may have many more neighbours than others: these are cheaper row by row.
        stop = int(np.argmin(np.arange(len(by_source.lengths) + 1) + np.append(by_source.lengths, 0)))
        self.rounds, self.rest = by_source.rounds(stop), by_source.rest(stop)

    def distances(self, targets: slice) -> UInt8[np.ndarray, "rows targets"]:
        """Distances from every row to the nodes `targets` of its graph."""
        columns = targets.stop - targets.start
        graph = np.repeat(np.arange(len(self.sizes)), self.sizes)[self.order]  # everything is by rank until the end
        others = ~np.eye(self.sizes.max(), columns, -targets.start, dtype=bool)
        inside = np.arange(targets.start, targets.stop) < self.sizes[:, None]
        missing = _bits(others).take(self.order - self.first[graph], axis=0) & _bits(inside).take(graph, axis=0)
        after, spare = missing.copy(), np.empty_like(missing)
        planes = np.zeros((PLANES, *missing.shape), dtype=np.uint8)
        hops = 0
        while True:
            hops += 1
            if hops <= MAX_DISTANCE:
                # A distance is the number of hops in which its bit is missing; bit p of this number, in plane p,
                # flips every 2^p-th time.
                for plane in planes[: (hops & -hops).bit_length()]:
                    plane ^= missing
            for heads in self.rounds:
                reached = spare[: len(heads)]
                np.take(missing, heads, axis=0, out=reached, mode="clip")  # the default mode would copy once more
                after[: len(heads)] &= reached
            for rank, neighbours in enumerate(self.rest):
                after[rank] &= np.bitwise_and.reduce(missing[neighbours], axis=0)
            if hops == MAX_DISTANCE:  # from here on only the existence of a path matters
                after &= _bits(~self._connected(graph, targets))
            if np.array_equal(after, missing):
                break
            missing, after = after, missing
            after[:] = missing
        if missing.any():
            planes |= missing
            hops = UNREACHABLE
        distances = np.zeros((len(self.rank), columns), dtype=np.uint8)
        for plane in planes[: min(hops, UNREACHABLE).bit_length()][::-1]:
            distances += distances
            distances |= np.unpackbits(plane.take(self.rank, axis=0), axis=1, count=columns, bitorder="little")
        return distances

    def _connected(self, graph: Int[np.ndarray, " rows"], targets: slice) -> Bool[np.ndarray, "rows targets"]:
        """Whether paths in both directions exist, by rank."""
        edges = coo_array((np.ones(self.edges.shape[1]), self.edges), shape=2 * (len(self.order),))
        component = connected_components(edges, connection="strong")[1]
        of_targets = component.take(np.add.outer(self.first, np.arange(targets.start, targets.stop)), mode="clip")
        return component[self.order, None] == of_targets[graph]


def _whole_bytes(bits: Int[Tensor, " counts"]) -> Int[Tensor, " counts"]:
    return (bits + 7) // 8 * 8


def _bits(values: Bool[np.ndarray, "rows columns"]) -> UInt8[np.ndarray, "rows bytes"]:
    """Eight values per byte; rows of 1, 2, 4, 8 or 16 bytes are gathered three times as fast as similar ones."""
    needed = -(-values.shape[1] // 8)
    packed = np.zeros((len(values), needed if needed > 16 else 1 << (needed - 1).bit_length()), dtype=np.uint8)
    packed[:, :needed] = np.packbits(values, axis=1, bitorder="little")
    return packed
