"""Encoding of nodes by the return probabilities of random walks."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array, diags_array
from torch import Tensor

from gnn_distill.data.encodings.dense import MAX_PAIRS, dense_adjacency, equal_size_groups
from gnn_distill.data.encodings.sparse import sparse_adjacency, symmetrically_normalised
from gnn_distill.data.encodings.workers import in_threads
from gnn_distill.data.packed import PackedGraphs, gather_ranges

LARGE = 100
"""Number of nodes above which graphs use sparse matrices."""
BLOCK = 16
"""Smallest number of walks of a large graph that are computed together; more if they fit in the cache."""


def random_walk_encoding(
    graphs: PackedGraphs, steps: int, advance: Callable[[int], None] = lambda count: None
) -> Float[Tensor, "nodes steps"]:
    """Return probabilities diag(R^k), k = 1..steps, of the random walk R = D^-1 A along edges.

    A node without outgoing edges has zeros. Exact for graphs of every size: a large one costs about nodes · edges ·
    steps / 2 products (twice that if its edges have directions) in a few megabytes, so a minute for 35,000 nodes,
    500,000 edges and 16 steps. `advance` is called with the number of nodes done. Source: RWSE of Dwivedi
    et al., arXiv 2110.07875, as PyG's AddRandomWalkPE computes it: each parallel edge counts.
    """
    result = torch.zeros(graphs.x.size(0), steps)
    sizes = graphs.num_nodes

    def together(ids: Tensor) -> int:
        encoded = _of_small(dense_adjacency(graphs, ids), steps).flatten(0, 1)
        result[gather_ranges(graphs.node_ptr, ids)] = encoded.float()
        return len(encoded)

    def blocks() -> Iterator[tuple[int, list[csr_array], range]]:
        for graph in (sizes > LARGE).nonzero().squeeze(1).tolist():
            size, walks = int(sizes[graph]), _walks(sparse_adjacency(graphs, graph))
            width = max(BLOCK, MAX_PAIRS // size)
            for start in range(0, size, width):
                yield int(graphs.node_ptr[graph]), walks, range(start, min(start + width, size))

    def of_block(task: tuple[int, list[csr_array], range]) -> int:
        first, walks, block = task
        result[first + block.start : first + block.stop] = torch.from_numpy(_of_large(walks, block, steps))
        return len(block)

    in_threads(together, equal_size_groups(sizes.where(sizes <= LARGE, 0)), advance)
    in_threads(of_block, blocks(), advance)
    return result


def _of_small(adjacency: Int[Tensor, "group size size"], steps: int) -> Float[Tensor, "group size steps"]:
    walk = adjacency.double()
    walk = walk / walk.sum(-1, keepdim=True).clamp(min=1)
    # diag(R^(a+b)) = sum_j (R^a)_ij (R^b)_ji: powers up to half the steps are enough.
    diagonals: list[Tensor] = []
    before, power = torch.eye(walk.size(1), dtype=walk.dtype).expand_as(walk), walk
    while len(diagonals) < steps:
        diagonals += [(power * other.mT).sum(-1) for other in (before, power)]
        if len(diagonals) < steps:
            before, power = power, power @ walk
    return torch.stack(diagonals[:steps], dim=-1)


def _walks(adjacency: csr_array) -> list[csr_array]:
    """R and R^T; or one matrix that serves as both.

    Without directions R may be replaced by D^-1/2 A D^-1/2, whose powers have the same diagonals, and which is its own
    transpose. All terms are positive, so that single precision is accurate up to its last digits.
    """
    if (adjacency != adjacency.T).nnz == 0:
        return [symmetrically_normalised(adjacency).astype(np.float32)]
    walk = (diags_array(1 / np.maximum(adjacency.sum(1), 1)) @ adjacency).astype(np.float32)
    return [walk.tocsr(), walk.T.tocsr()]


def _of_large(walks: list[csr_array], block: range, steps: int) -> Float[np.ndarray, "block steps"]:
    """Return probabilities of the nodes `block`: diag(R^(a+b))_i = (R^a e_i) · ((R^T)^b e_i)."""
    ahead = np.zeros((walks[0].shape[0], len(block)), dtype=np.float32)
    ahead[block, np.arange(len(block))] = 1
    back, diagonals = ahead, []
    while len(diagonals) < steps:
        before, ahead = ahead, walks[0] @ ahead
        back = ahead if len(walks) == 1 else walks[1] @ back
        diagonals += [np.einsum("ij,ij->j", back, other) for other in (before, ahead)]
    return np.stack(diagonals[:steps], axis=1)
