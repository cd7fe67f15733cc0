"""Node features summed over hops, for students whose tokens they are: computed once, in blocks, on disk."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

from gnn_distill.data.in_edges import InEdges

ROWS = 1 << 15
"""Nodes of a block."""


def write_hops(
    edges: InEdges,
    x: Float[np.ndarray, "nodes features"],
    hops: int,
    file: Path,
    dtype: str,
    advance: Callable[[int], None],
) -> None:
    """Write Â^k·[x, 1] for k = 1..hops as a .npy file [nodes, hops, features + 1].

    Â = D̃^{-1/2}·(A + I)·D̃^{-1/2} without loops of the graph, D̃ = D + I with the numbers of edges into each node, as
    NAGphormer has it (Chen et al. 2023). The last column allows a student to apply an affine map to x afterwards.
    Intermediate hops are in single precision, in maps next to `file` that are removed; advance(nodes) is called on the
    way.
    """
    nodes, columns = len(x), x.shape[1] + 1
    out = np.lib.format.open_memmap(file, "w+", np.dtype(dtype), (nodes, hops, columns))
    root = 1 / np.sqrt(edges.degree.astype(np.float32) + 1)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".hops-") as folder:
        before, after = (
            np.lib.format.open_memmap(Path(folder) / f"{name}.npy", "w+", np.float32, (nodes, columns)) for name in "ab"
        )
        before[:, :-1], before[:, -1] = x, 1
        for hop in range(hops):
            for start in range(0, nodes, ROWS):
                rows = np.arange(start, min(start + ROWS, nodes))
                after[rows[0] : rows[-1] + 1] = _sums(edges, rows, root, before)
                out[rows[0] : rows[-1] + 1, hop] = after[rows[0] : rows[-1] + 1]
                advance(len(rows))
            before, after = after, before
    out.flush()


def _sums(edges: InEdges, rows: np.ndarray, root: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The rows of Â·before."""
    ptr = edges.ptr[rows[0] : rows[-1] + 2]
    source, target = edges.source[ptr[0] : ptr[-1]], np.repeat(rows, np.diff(ptr))
    weight = root[source] * root[target] * (source != target)
    matrix = csr_array((weight, source, ptr - ptr[0]), shape=(len(rows), len(before)))
    return matrix @ before + root[rows, None] ** 2 * before[rows[0] : rows[-1] + 1]
