"""Bridges, and the parts that stay joined without them, of all graphs at once."""

import numpy as np
from jaxtyping import Bool, Int, UInt8
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from gnn_distill.data.encodings.distances import UNREACHABLE

SEED = 0


def bridges(
    edges: Int[np.ndarray, "2 edges"], depth: UInt8[np.ndarray, " nodes"], nodes: int
) -> Bool[np.ndarray, " edges"]:
    """Whether removing an edge would part its component; `edges` holds both directions of each.

    depth: hops of every node from a root of its component. In the tree of first edges towards the root, every other
    edge gives a random word to its two ends; the words of a subtree add up, by XOR, to zero exactly if no such edge
    leaves it, wrongly once in 2⁶⁴ (Pritchard & Thurimella 2011).
    """
    source, target = edges
    up = depth[source] + 1 == depth[target]
    parent = np.full(nodes, -1)
    parent[target[up][::-1]] = source[up][::-1]  # the first of several stays
    in_tree = (parent[target] == source) | (parent[source] == target)
    other = ~in_tree & (source < target)
    words = np.random.default_rng(SEED).integers(1, 2**63, size=int(other.sum()))
    total = np.zeros(nodes, dtype=np.int64)
    np.bitwise_xor.at(total, source[other], words)
    np.bitwise_xor.at(total, target[other], words)
    for level in range(int(depth[depth != UNREACHABLE].max(initial=0)), 0, -1):
        here = np.flatnonzero((depth == level) & (parent >= 0))
        np.bitwise_xor.at(total, parent[here], total[here])
    child = np.where(parent[target] == source, target, source)
    return in_tree & (total[child] == 0)


def parts(edges: Int[np.ndarray, "2 edges"], kept: Bool[np.ndarray, " edges"], nodes: int) -> Int[np.ndarray, " nodes"]:
    """The component of every node when only the edges `kept` remain."""
    joined = csr_array((np.ones(int(kept.sum()), dtype=bool), edges[:, kept]), shape=(nodes, nodes))
    return connected_components(joined, directed=False)[1]
