"""Encoding of nodes by eigenvectors of the Laplacian."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.linalg import eigh
from scipy.sparse import csr_array, eye_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh, splu
from torch import Tensor

from gnn_distill.data.dense import dense_adjacency, equal_size_groups
from gnn_distill.data.packed import PackedGraphs, gather_ranges
from gnn_distill.data.sparse import sparse_adjacency, symmetrically_normalised, without_directions
from gnn_distill.data.workers import in_threads

ZERO_EIGENVALUE = 1e-9
"""In float64 an eigenvalue of a connected graph's Laplacian that is not 0 lies above, up to about 1,000 nodes."""
LARGE = 300
"""Graphs of more nodes than these are solved as sparse matrices, component by component."""
RESTARTS = 50
"""Of the Lanczos iteration, before the Laplacian is factorised instead."""
SHIFT = 1e-6
"""What is added to the Laplacian so that it can be factorised."""


def laplacian_eigenvectors(
    graphs: PackedGraphs, vectors: int, advance: Callable[[int], None] = lambda count: None
) -> Float[Tensor, "nodes vectors"]:
    """Unit eigenvectors of L = I - D^-1/2 A D^-1/2 to the smallest eigenvalues above 0, ascending.

    A is the graph without directions, parallel edges and loops; a node without edges has L_ii = 0. Every vector's
    entry of largest magnitude (the first of several) is positive. Zeros fill the columns a graph has no vectors
    for. Source: Dwivedi et al., arXiv 2003.00982; the sign rule is ours. `advance` hears of the number of nodes
    that have been done.
    """
    result = torch.zeros(graphs.x.size(0), vectors)
    sizes = graphs.num_nodes

    def together(ids: Tensor) -> int:
        encoded = _of_small(dense_adjacency(graphs, ids), vectors).flatten(0, 1)
        result[gather_ranges(graphs.node_ptr, ids)] = encoded.float()
        return len(encoded)

    def alone(graph: int) -> int:
        rows = slice(int(graphs.node_ptr[graph]), int(graphs.node_ptr[graph + 1]))
        encoded = torch.from_numpy(_of_large(without_directions(sparse_adjacency(graphs, graph)), vectors))
        result[rows] = _with_canonical_sign(encoded.unsqueeze(0)).squeeze(0).float()
        return len(encoded)

    in_threads(together, equal_size_groups(sizes.where(sizes <= LARGE, 0)), advance)
    in_threads(alone, (sizes > LARGE).nonzero().squeeze(1).tolist(), advance)
    return result


def _of_small(adjacency: Int[Tensor, "group size size"], vectors: int) -> Float[Tensor, "group size vectors"]:
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


def _of_large(joined: csr_array, vectors: int) -> np.ndarray:
    """Each component on its own: equal ones share their eigenvalues, and one iteration would find too few of them."""
    _, component = connected_components(joined, directed=False)
    order = np.argsort(component, kind="stable")
    found = []
    for nodes in np.split(order, np.cumsum(np.bincount(component))[:-1]):
        if len(nodes) > 1:
            values, basis = _of_component(joined[nodes][:, nodes], vectors)
            found += [(value, nodes, vector) for value, vector in zip(values, basis.T, strict=True)]
    result = np.zeros((len(order), vectors))
    for column, (_, nodes, vector) in enumerate(sorted(found, key=lambda item: item[0])[:vectors]):
        result[nodes, column] = vector
    return result


def _of_component(joined: csr_array, vectors: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `vectors` eigenvalues above the only one that is 0, ascending, and their vectors in columns."""
    size = joined.shape[0]
    normalised = symmetrically_normalised(joined)  # its eigenvalues are 1 - those of L
    if size <= max(LARGE, 4 * vectors):
        values, basis = eigh(np.eye(size) - normalised.toarray())
        return values[1 : vectors + 1], basis[:, 1 : vectors + 1]
    constant = np.sqrt(joined.sum(1))
    constant /= np.linalg.norm(constant)
    try:
        # Lanczos, with the known vector moved from the upper end of the spectrum to the lower.
        values, basis = _lanczos(lambda v: normalised @ v - 2 * constant * (constant @ v), size, vectors)
        values = 1 - values
    except ArpackNoConvergence:
        # The eigenvalues of long thin graphs lie too close together near 0. Such graphs are cheap to factorise, and
        # the inverse draws those eigenvalues apart.
        inverse = splu(((1 + SHIFT) * eye_array(size) - normalised).tocsc(), permc_spec="MMD_AT_PLUS_A")

        def solve(v: np.ndarray) -> np.ndarray:
            return _without(constant, inverse.solve(_without(constant, v)))

        values, basis = _lanczos(solve, size, vectors)
        values = 1 / values - SHIFT
    order = np.argsort(values)
    return values[order], basis[:, order]


def _lanczos(product: Callable[[np.ndarray], np.ndarray], size: int, vectors: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest eigenvalues, and their vectors, of a symmetric matrix known by its products with vectors."""
    # A random start has a share in every eigenvector; an even one would miss those that a symmetry turns around.
    random = np.random.default_rng(0)
    start = random.standard_normal(size)
    operator = LinearOperator((size, size), matvec=lambda v: product(v.ravel()), dtype=np.float64)
    basis = min(size - 1, 4 * vectors + 20)
    return eigsh(operator, vectors, which="LA", v0=start, ncv=basis, maxiter=RESTARTS, tol=1e-12, rng=random)


def _without(direction: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return vector - direction * (direction @ vector)


def _with_canonical_sign(basis: Float[Tensor, "group size vectors"]) -> Float[Tensor, "group size vectors"]:
    magnitude = basis.abs()
    # Entries that symmetry makes equal differ by rounding; the first of them decides.
    largest = magnitude >= magnitude.amax(1, keepdim=True) - 1e-6
    first = largest.int().argmax(1, keepdim=True)
    return basis * basis.gather(1, first).sign()
