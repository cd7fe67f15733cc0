"""Encodings of nodes by random walks and by eigenvectors of the Laplacian."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill.data.dense import dense_adjacency, equal_size_groups
from gnn_distill.data.packed import PackedGraphs, gather_ranges

ZERO_EIGENVALUE = 1e-9
"""In float64 an eigenvalue of a connected graph's Laplacian that is not 0 lies above, up to about 1,000 nodes."""


def random_walk_encoding(
    graphs: PackedGraphs, steps: int, advance: Callable[[int], None] = lambda count: None
) -> Float[Tensor, "nodes steps"]:
    """Return probabilities diag(R^k), k = 1..steps, of the random walk R = D^-1 A along edges.

    A node without outgoing edges has zeros. Source: RWSE of Dwivedi et al., arXiv 2110.07875, as PyG's
    AddRandomWalkPE computes it: parallel edges count each.
    """
    return _per_graph(graphs, steps, lambda adjacency: _return_probabilities(adjacency, steps), advance)


def laplacian_eigenvectors(
    graphs: PackedGraphs, vectors: int, advance: Callable[[int], None] = lambda count: None
) -> Float[Tensor, "nodes vectors"]:
    """Unit eigenvectors of L = I - D^-1/2 A D^-1/2 to the smallest eigenvalues above 0, ascending.

    A is the graph without directions, parallel edges and loops; a node without edges has L_ii = 0. Every vector's
    entry of largest magnitude (the first of several) is positive. Zeros fill the columns a graph has no vectors
    for. Source: Dwivedi et al., arXiv 2003.00982; the sign rule is ours.
    """
    return _per_graph(graphs, vectors, lambda adjacency: _smallest_eigenvectors(adjacency, vectors), advance)


def _per_graph(
    graphs: PackedGraphs,
    columns: int,
    encode: Callable[[Int[Tensor, "group size size"]], Tensor],
    advance: Callable[[int], None],
) -> Float[Tensor, "nodes columns"]:
    result = torch.zeros(graphs.x.size(0), columns)
    for ids in equal_size_groups(graphs.num_nodes):
        encoded = encode(dense_adjacency(graphs, ids))
        result[gather_ranges(graphs.node_ptr, ids)] = encoded.flatten(0, 1).float()
        advance(len(ids))
    return result


def _return_probabilities(adjacency: Tensor, steps: int) -> Float[Tensor, "group size steps"]:
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


def _smallest_eigenvectors(adjacency: Tensor, vectors: int) -> Float[Tensor, "group size vectors"]:
    joined = ((adjacency + adjacency.mT) > 0).double()
    joined.diagonal(dim1=1, dim2=2).zero_()
    degree = joined.sum(-1)
    scale = degree.clamp(min=1).rsqrt()
    laplacian = torch.diag_embed((degree > 0).double()) - scale.unsqueeze(2) * joined * scale.unsqueeze(1)
    values, basis = torch.linalg.eigh(laplacian)
    # Graphs have one zero eigenvalue for each component, so the first vector wanted differs from graph to graph.
    chosen = (values < ZERO_EIGENVALUE).sum(-1, keepdim=True) + torch.arange(vectors)
    exists = chosen < values.size(1)
    columns = chosen.clamp(max=values.size(1) - 1).unsqueeze(1).expand(-1, values.size(1), -1)
    return _with_canonical_sign(basis.gather(2, columns)) * exists.unsqueeze(1)


def _with_canonical_sign(basis: Float[Tensor, "group size vectors"]) -> Float[Tensor, "group size vectors"]:
    magnitude = basis.abs()
    # Entries that symmetry makes equal differ by rounding; the first of them decides.
    largest = magnitude >= magnitude.amax(1, keepdim=True) - 1e-6
    first = largest.int().argmax(1, keepdim=True)
    return basis * basis.gather(1, first).sign()
