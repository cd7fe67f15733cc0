"""Structure around nodes, for stacks of graphs of one size at once: D are hop distances, A the 0/1 adjacency.

Graphs are undirected, without loops. D: [graph, node, node], UNREACHABLE (255) without a path; A: [graph, node, node].
"""

import numpy as np
from jaxtyping import Float, Int, UInt8

from gnn_distill.data.encodings.distances import UNREACHABLE

Distances = UInt8[np.ndarray, "graphs nodes nodes"]
Adjacency = Float[np.ndarray, "graphs nodes nodes"]
LARGEST_RING = 8
"""Largest ring that is told from others; 0 stands for none of 3 to this."""


def typed_shells(d: Distances, types: Float[np.ndarray, "graphs nodes types"], hops: int) -> np.ndarray:
    """T_k(i, t): the number of nodes of type t at exactly k hops from i, k = 1..hops: [graph, node, hop, type]."""
    shells = [(d == k).astype(np.float32) @ types for k in range(1, hops + 1)]
    return np.stack(shells, axis=2)


def shell_sizes(d: Distances, hops: int) -> Int[np.ndarray, "graphs nodes hops"]:
    """n_k(i): the number of nodes at exactly k hops from i, k = 1..hops."""
    return np.stack([(d == k).sum(2) for k in range(1, hops + 1)], axis=2)


def triangles(a: Adjacency) -> Float[np.ndarray, "graphs nodes"]:
    """Triangles through each node: (A³)_ii / 2."""
    return np.einsum("gij,gji->gi", a @ a, a) / 2


def four_cycles(a: Adjacency) -> Float[np.ndarray, "graphs nodes"]:
    """4-cycles through each node i: Σ_{j ≠ i} C((A²)_ij, 2), where j is the node opposite."""
    paths = a @ a
    paths[:, np.arange(a.shape[1]), np.arange(a.shape[1])] = 0
    return (paths * (paths - 1)).sum(2) / 2


def clustering(a: Adjacency) -> Float[np.ndarray, "graphs nodes"]:
    """2 triangles / (d (d - 1)) of each node of degree d; 0 for d < 2 (Watts & Strogatz 1998)."""
    degree = a.sum(2)
    return 2 * triangles(a) / np.maximum(degree * (degree - 1), 1)


def core_numbers(a: Adjacency) -> Int[np.ndarray, "graphs nodes"]:
    """The largest k such that a node is in a subgraph whose degrees are all k or more (Seidman 1983)."""
    core = np.zeros(a.shape[:2], dtype=np.int64)
    alive = np.ones(a.shape[:2], dtype=np.float32)
    for k in range(1, a.shape[1]):
        while True:
            weak = (alive > 0) & ((a @ alive[:, :, None])[:, :, 0] < k)
            if not weak.any():
                break
            alive[weak] = 0
        if not alive.any():
            break
        core[alive > 0] = k
    return core


def smallest_rings(d: Distances, a: Adjacency) -> Int[np.ndarray, "graphs nodes"]:
    """Length of the shortest cycle through each node, 3 to LARGEST_RING; 0 without one.

    From node i, every other node j is reached over first steps S(j) ⊆ N(i). The shortest cycle through i is the
    smaller of min 2·d(j) over j with |S(j)| ≥ 2, and min d(u) + d(v) + 1 over edges with S(u) ∩ S(v) = ∅.
    """
    graphs, nodes, _ = a.shape
    ring = np.zeros((graphs, nodes), dtype=np.int64)
    upper = np.triu(np.ones((nodes, nodes), dtype=bool), 1)
    for graph in range(graphs):  # edges differ in number
        u, v = np.nonzero((a[graph] > 0) & upper)
        here, steps = d[graph], a[graph]
        found = np.full(nodes, LARGEST_RING + 1)
        for k in range(1, LARGEST_RING // 2 + 1):
            before = here == k - 1
            if 2 * k + 1 <= LARGEST_RING:
                both = (here[:, u] == k) & (here[:, v] == k)
                if both.any():
                    shared = steps @ (before[:, u] & before[:, v]).astype(steps.dtype)
                    odd = (both & (shared == 0)).any(1)
                    found[odd] = np.minimum(found[odd], 2 * k + 1)
            if k > 1:
                even = ((here == k) & (steps @ before.astype(steps.dtype) >= 2)).any(1)
                found[even] = np.minimum(found[even], 2 * k)
        ring[graph] = np.where(found <= LARGEST_RING, found, 0)
    return ring


def path_counts(d: Distances, a: Adjacency) -> Float[np.ndarray, "graphs nodes nodes"]:
    """σ_ij: the number of shortest paths from i to j; σ_ii = 1, 0 without a path."""
    counts = np.zeros(a.shape)
    level = (d == 0).astype(float)
    adjacency = a.astype(float)
    for k in range(1, longest(d) + 1):
        counts += level
        level = np.where(d == k, level @ adjacency, 0.0)
    return counts + level


def betweenness(
    d: Distances, a: Adjacency, paths: Float[np.ndarray, "graphs nodes nodes"]
) -> Float[np.ndarray, "graphs nodes"]:
    """Share of shortest paths between two other nodes that pass each node, mean over pairs (Freeman 1977).

    Dependencies are summed from the farthest nodes inwards: δ_s(v) = Σ_{w behind v} σ_sv/σ_sw (1 + δ_s(w))
    (Brandes 2001).
    """
    nodes = a.shape[1]
    dependency = np.zeros(a.shape)
    adjacency, safe = a.astype(float), np.where(paths > 0, paths, 1.0)
    for k in range(longest(d), 0, -1):
        behind = np.where(d == k, (1 + dependency) / safe, 0.0)
        dependency += np.where(d == k - 1, paths * (behind @ adjacency), 0.0)
    dependency[:, np.arange(nodes), np.arange(nodes)] = 0
    return dependency.sum(1) / max((nodes - 1) * (nodes - 2), 1)


def nearest(d: Distances, types: Float[np.ndarray, "graphs nodes types"]) -> np.ndarray:
    """Hops to the nearest other node of each type: [graph, node, type]; NaN without one."""
    hops = np.where(d == 0, UNREACHABLE, d).astype(float)
    hops[hops == UNREACHABLE] = np.nan
    out = np.full((*d.shape[:2], types.shape[2]), np.nan)
    for kind in range(types.shape[2]):
        of_kind = np.where(types[:, None, :, kind] > 0, hops, np.nan)
        out[:, :, kind] = np.fmin.reduce(of_kind, axis=2)
    return out


def eccentricity(d: Distances) -> Int[np.ndarray, "graphs nodes"]:
    """Hops to the farthest node of the same component."""
    return np.where(d == UNREACHABLE, 0, d).max(2).astype(np.int64)


def closeness(d: Distances) -> Float[np.ndarray, "graphs nodes"]:
    """(r - 1)/Σ d · (r - 1)/(n - 1) of a node that reaches r of n nodes (Wasserman & Faust 1994)."""
    reached = (d != UNREACHABLE).sum(2)
    total = np.where(d == UNREACHABLE, 0, d).sum(2, dtype=float)
    return np.where(total > 0, (reached - 1) ** 2 / np.maximum(total, 1) / max(d.shape[1] - 1, 1), 0.0)


def spectral_gap(a: Adjacency) -> Float[np.ndarray, " graphs"]:
    """λ₂ of the Laplacian D − A: 0 for graphs of several components, or of one node (Fiedler 1973)."""
    if a.shape[1] < 2:
        return np.zeros(len(a))
    laplacian = -a.astype(float)
    laplacian[:, np.arange(a.shape[1]), np.arange(a.shape[1])] = a.sum(2)
    return np.linalg.eigvalsh(laplacian)[:, 1].clip(min=0)


def longest(d: Distances) -> int:
    """The longest distance within a component."""
    return int(np.where(d == UNREACHABLE, 0, d).max(initial=0))
