"""Quantities by hop distance: distances to chosen nodes, sums over all nodes at each, means and their intervals."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.encodings.distances import MAX_DISTANCE, UNREACHABLE, hop_distances
from gnn_distill.data.encodings.sparse import sparse_adjacency
from gnn_distill.data.packed import PackedGraphs, pointers

MOST_STORED = 1 << 28
"""Pairs of nodes whose distances are stored, one byte each; beyond, nodes are searched from when they are asked for."""
RESAMPLES = 2000
CONFIDENCE = 0.95


class Distances:
    """Hops along edges from any node to chosen ones of its graph; UNREACHABLE without a path, at most MAX_DISTANCE."""

    def __init__(self, graphs: PackedGraphs) -> None:
        self.graphs = graphs
        self.pair_ptr = pointers(graphs.num_nodes**2)
        self.stored = int(self.pair_ptr[-1]) <= MOST_STORED

    @cached_property
    def pairs(self) -> UInt8[Tensor, " pairs"]:
        """All distances, from row to column, row-major per graph."""
        return hop_distances(self.graphs, self.pair_ptr)

    def to(
        self, batch: GraphBatch, nodes: Int[Tensor, " graphs"], outward: bool = False
    ) -> Int[np.ndarray, " batch_nodes"]:
        """Hops from every node of the batch to one node of its graph, given as a row of the batch.

        With `outward` hops from that node to every other.
        """
        if not self.stored:
            return np.concatenate([
                self.search(int(graph), int(node - first), outward)
                for graph, node, first in zip(batch.graph_ids, nodes, batch.ptr, strict=False)
            ])  # fmt: skip
        sizes, first = batch.ptr.diff(), batch.ptr[:-1]
        place = torch.arange(len(batch.batch)) - first[batch.batch]
        chosen = (nodes - first)[batch.batch]
        row, column = (chosen, place) if outward else (place, chosen)
        index = self.pair_ptr[batch.graph_ids][batch.batch] + row * sizes[batch.batch] + column
        return self.pairs[index].numpy()

    def among(self, batch: GraphBatch) -> UInt8[Tensor, "graph target source"]:
        """Hops to the row's node from the column's, in the padded form; padding holds no distances."""
        size, found = (
            batch.max_nodes,
            torch.zeros(batch.num_graphs, batch.max_nodes, batch.max_nodes, dtype=torch.uint8),
        )
        for graph, (id, nodes) in enumerate(zip(batch.graph_ids.tolist(), batch.ptr.diff().tolist(), strict=True)):
            start = int(self.pair_ptr[id])
            found[graph, :nodes, :nodes] = self.pairs[start : start + nodes**2].view(nodes, nodes).T
        return found.view(-1, size, size)

    def diameters(self) -> Int[np.ndarray, " graphs"]:
        """The longest of each graph's shortest paths; pairs without a path do not count."""
        found = np.zeros(len(self.graphs), dtype=int)
        for graph, (start, stop) in enumerate(
            zip(self.pair_ptr[:-1].tolist(), self.pair_ptr[1:].tolist(), strict=True)
        ):
            pairs = self.pairs[start:stop]
            found[graph] = int(pairs.masked_fill(pairs == UNREACHABLE, 0).max()) if stop > start else 0
        return found

    def search(self, graph: int, node: int, outward: bool = False) -> Int[np.ndarray, " nodes"]:
        """Hops from every node of a graph to one of them, or from that one, by a search that stores no pairs."""
        adjacency = sparse_adjacency(self.graphs, graph)
        hops = dijkstra(adjacency if outward else adjacency.T.tocsr(), unweighted=True, indices=node)
        return np.where(np.isinf(hops), UNREACHABLE, np.minimum(hops, MAX_DISTANCE)).astype(np.uint8)


@dataclass(frozen=True)
class ByHop:
    """What a quantity adds up to over the nodes at each distance of a root; `hops` + 3 bins.

    Bins: 0, 1, ..., hops, beyond these, unreachable. Roots are one or more nodes of each unit of sampling (a graph,
    or a root in one large graph), over which intervals are taken.
    """

    total: Float[np.ndarray, "root bin"]
    count: Float[np.ndarray, "root bin"]
    """Number of nodes in each bin."""
    moment: Float[np.ndarray, " root"]
    """Σ distance · quantity, over reachable nodes, with distances that are not cut at `hops`."""

    @classmethod
    def sums(
        cls, values: Float[np.ndarray, " nodes"], hops: Int[np.ndarray, " nodes"], root: Int[np.ndarray, " nodes"],
        num_roots: int, most: int,
    ) -> Self:  # fmt: skip
        """The sums of `values` by distance `hops` of each node from its root."""
        bins = most + 3
        place = root * bins + bin_of(hops, most)
        reached = np.where(hops == UNREACHABLE, 0, hops)
        return cls(
            np.bincount(place, values, num_roots * bins).reshape(num_roots, bins),
            np.bincount(place, minlength=num_roots * bins).reshape(num_roots, bins).astype(float),
            np.bincount(root, values * reached, num_roots),
        )

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """The roots of all parts, in order."""
        parts = list(parts)
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def __add__(self, other: Self) -> Self:
        """The sums over two samples of the same roots."""
        return type(self)(self.total + other.total, self.count + other.count, self.moment + other.moment)

    def of(self, roots: Int[np.ndarray, " chosen"]) -> Self:
        """The chosen roots, in that order."""
        return type(self)(self.total[roots], self.count[roots], self.moment[roots])

    def share(self, weight: Float[np.ndarray, "*set root"]) -> Float[np.ndarray, "*set bin"]:
        """s(k) = E_root [Σ_{j: d=k} q_j / Σ_j q_j], over roots that receive anything at all."""
        sums = self.total.sum(axis=1)
        return weighted_mean(self.total / np.where(sums > 0, sums, 1)[:, None], weight * (sums > 0))

    def per_node(self, weight: Float[np.ndarray, "*set root"]) -> Float[np.ndarray, "*set bin"]:
        """q(k) / q(0): the mean over the nodes at k hops, relative to the root's own; NaN where there are none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = (weight @ self.total) / (weight @ self.count)
            return mean / mean[..., :1]

    def reach(self, weight: Float[np.ndarray, "*set root"]) -> Float[np.ndarray, "*set"]:
        """R = E_root [Σ_j d(i, j)·q_j / Σ_j q_j] over reachable nodes, in hops."""
        sums = self.total[:, :-1].sum(axis=1)
        return weighted_mean(self.moment / np.where(sums > 0, sums, 1), weight * (sums > 0))

    def far_share(self, weight: Float[np.ndarray, "*set root"], far: int) -> Float[np.ndarray, "*set"]:
        """Σ_{k ≥ far} s(k), without the unreachable."""
        return self.share(weight)[..., far:-1].sum(axis=-1)


def bin_of(hops: Int[np.ndarray, "*any"], most: int) -> Int[np.ndarray, "*any"]:
    """The bin of a distance: itself up to `most`, then one for all beyond, then one for the unreachable."""
    hops = np.asarray(hops).astype(np.int64)
    return np.where(hops == UNREACHABLE, most + 2, np.minimum(hops, most + 1))


@dataclass(frozen=True)
class Banded:
    """A statistic of all units, and the bounds of its interval, of the statistic's shape."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def to_json(self) -> dict[str, object]:
        """Lists, or numbers; what is not finite is None."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}


def bootstrap(
    statistic: Callable[[Float[np.ndarray, "*set unit"]], Float[np.ndarray, "..."]], units: int, resamples: int
) -> Banded:
    """A statistic of weights [..., unit], and the quantiles of its values over multinomial resamples of the units.

    Equal numbers of units have the same resamples, so that models can be compared. Source: Efron (1979), percentile
    intervals.
    """
    value, drawn = np.asarray(statistic(np.ones(units))), np.asarray(statistic(resampled(units, resamples)))
    tail = (1 - CONFIDENCE) / 2
    bounds = np.full((2, *value.shape), np.nan)
    known = np.isfinite(drawn).any(axis=0)  # else NumPy warns
    if known.any():
        finite = np.where(np.isfinite(drawn), drawn, np.nan)[:, known]
        bounds[:, known] = np.nanquantile(finite, (tail, 1 - tail), axis=0)
    return Banded(value, *bounds)


@lru_cache(maxsize=2)
def resampled(units: int, resamples: int) -> Float[np.ndarray, "resample unit"]:
    """How often each unit is drawn in each resample."""
    even = np.full(units, 1 / units)
    return np.random.default_rng(units).multinomial(units, even, size=resamples).astype(float)


def plain(values: np.ndarray | float) -> object:
    """Nested lists, rounded to six significant digits; None for what is not finite."""
    if isinstance(values, np.ndarray) and values.ndim:
        return [plain(value) for value in values]
    value = float(values)
    return float(f"{value:.6g}") if np.isfinite(value) else None


def weighted_mean(
    values: Float[np.ndarray, "unit ..."], weight: Float[np.ndarray, "*set unit"]
) -> Float[np.ndarray, "..."]:
    """The mean over units; NaN without weight."""
    total = np.expand_dims(weight.sum(axis=-1), tuple(range(weight.ndim - 1, weight.ndim + values.ndim - 2)))
    with np.errstate(invalid="ignore"):
        return np.tensordot(weight, values, axes=(-1, 0)) / total
