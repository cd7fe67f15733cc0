"""Pairs of nodes: which, and what lies between them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gnn_distill.data.encodings.distances import UNREACHABLE

NEAR = 4
"""Path targets are of pairs at least this many hops apart."""


@dataclass(frozen=True)
class Between:
    """What lies between two nodes; all arrays [pair] or [pair, type]."""

    hops: Int[np.ndarray, " pairs"]
    types: Float[np.ndarray, "pairs types"]
    """Nodes of each type strictly inside a shortest path, mean over the shortest paths."""
    bridges: Int[np.ndarray, " pairs"]
    """Bridges on the way; every path takes them all."""
    same_part: Bool[np.ndarray, " pairs"]
    """Whether both are in one part that stays joined without bridges."""


def draw_pairs(d: np.ndarray, most: int, random: np.random.Generator) -> Int[np.ndarray, "pairs 2"]:
    """At most `most` pairs i < j of one graph that a path joins, without replacement."""
    one, other = np.triu_indices(len(d), 1)
    joined = np.flatnonzero(d[one, other] != UNREACHABLE)
    chosen = np.sort(random.permutation(joined)[:most])
    return np.stack([one[chosen], other[chosen]], axis=1)


def between(
    pairs: Int[np.ndarray, "pairs 2"],
    d: np.ndarray,
    paths: Float[np.ndarray, "nodes nodes"],
    types: Float[np.ndarray, "nodes types"],
    bridges: Int[np.ndarray, "2 bridges"],
    part: Int[np.ndarray, " nodes"],
) -> Between:
    """What lies between the pairs of one graph, from its distances and numbers of shortest paths σ.

    v is inside a shortest path of i and j if d(i, v) + d(v, j) = d(i, j), on σ_iv σ_vj / σ_ij of them.
    """
    one, other = pairs.T
    hops = d[one, other].astype(np.int64)
    to, back = d[one].astype(np.int64), d[other].astype(np.int64)
    inside = (to + back == hops[:, None]) & (to > 0) & (back > 0)
    share = np.where(inside, paths[one] * paths[other] / paths[one, other][:, None], 0.0)
    start, end = bridges
    crossed = (to[:, start] + 1 + back[:, end] == hops[:, None]) | (to[:, end] + 1 + back[:, start] == hops[:, None])
    return Between(hops, share @ types, crossed.sum(1), part[one] == part[other])
