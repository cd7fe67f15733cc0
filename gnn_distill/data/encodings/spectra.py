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

from gnn_distill.data.encodings.colours import node_colours
from gnn_distill.data.encodings.dense import dense_adjacency, equal_size_groups
from gnn_distill.data.encodings.sparse import sparse_adjacency, symmetrically_normalised, without_directions
from gnn_distill.data.encodings.workers import in_threads
from gnn_distill.data.packed import PackedGraphs, gather_ranges

ZERO_EIGENVALUE = 1e-9
"""Nonzero eigenvalues of the Laplacian of a connected graph are above, in float64 and up to about 1,000 nodes."""
SAME_EIGENVALUE = 1e-8
"""Eigenvalues that differ by less belong to one eigenspace; rounding errors are below 1e-13."""
TIE = 1e-6
"""Tolerance for entries that are equal by symmetry up to rounding."""
TINY = 1e-100
LARGE = 300
"""Number of nodes above which graphs are solved as sparse matrices, component by component."""
RESTARTS = 50
"""Number of restarts of the Lanczos iteration before the Laplacian is factorised instead."""
SHIFT = 1e-6
"""Added to the diagonal of the Laplacian so that it can be factorised."""


def laplacian_eigenvectors(
    graphs: PackedGraphs, vectors: int, advance: Callable[[int], None] = lambda count: None
) -> Float[Tensor, "nodes vectors"]:
    """Unit eigenvectors of L = I - D^-1/2 A D^-1/2 to the smallest eigenvalues above 0, ascending.

    A is the graph without directions, parallel edges and loops; a node without edges has L_ii = 0. Columns without
    a vector are zero. Source: Dwivedi et al., arXiv 2003.00982; the choice of basis and sign is ours: see `canonical`.
    The vectors of a graph do not depend on the others. Another order of its nodes gives the same vectors up to a
    symmetry of the graph, with its features, as far as Weisfeiler-Leman colours and earlier vectors distinguish its
    nodes; not if the last column cuts an eigenspace of a graph of more than `LARGE` nodes.
    `advance` is called with the number of nodes done.
    """
    result = torch.zeros(graphs.x.size(0), vectors)
    sizes = graphs.num_nodes
    # A single large graph needs no colours, and at node level features of test nodes must change nothing.
    colours = node_colours(graphs).double() if graphs.level == "graph" else torch.zeros(len(graphs.x)).double()

    def together(ids: Tensor) -> int:
        rows = gather_ranges(graphs.node_ptr, ids)
        adjacency = dense_adjacency(graphs, ids)
        result[rows] = _of_small(adjacency, colours[rows].view(len(ids), -1), vectors).flatten(0, 1).float()
        return len(rows)

    def single(graph: int) -> int:
        rows = slice(int(graphs.node_ptr[graph]), int(graphs.node_ptr[graph + 1]))
        values, basis = _of_large(without_directions(sparse_adjacency(graphs, graph)), vectors)
        chosen = canonical(values[None], basis[None], colours[None, rows], vectors)
        result[rows] = chosen.squeeze(0).float()
        return len(basis)

    in_threads(together, equal_size_groups(sizes.where(sizes <= LARGE, 0)), advance)
    in_threads(single, (sizes > LARGE).nonzero().squeeze(1).tolist(), advance)
    return result


def canonical(
    values: Float[Tensor, "group columns"],
    basis: Float[Tensor, "group size columns"],
    colours: Float[Tensor, "group size"],
    vectors: int,
) -> Float[Tensor, "group size vectors"]:
    """The first `vectors` of a basis determined by the projectors P onto the eigenspaces, not by the solver.

    For each space in turn: v = P e_i / |P e_i|, with the node i of largest |P e_i|; then P ← P - v v^T. So the entry of
    largest magnitude of every vector is positive. Ties between nodes (common by symmetry, up to
    rounding) are broken by the largest colour, then by the largest entry in each of the earlier vectors, then by the
    smallest index. values: ascending, infinite for missing vectors; basis: orthonormal columns.
    """
    group, size, columns = basis.shape
    basis, result = basis.clone(), basis.new_zeros(group, size, vectors)
    space = (values.diff(dim=1, prepend=values[:, :1]) > SAME_EIGENVALUE).cumsum(1)
    graph = torch.arange(group)
    for column in range(min(vectors, columns)):
        part = basis * (space == space[:, column, None]).unsqueeze(1)  # P = part part^T
        node = _first_largest([part.norm(dim=2), colours, *result[:, :, :column].unbind(2)])
        row = part[graph, node]
        row = row / row.norm(dim=1, keepdim=True).clamp(min=TINY)
        vector = part @ row.unsqueeze(2)
        result[:, :, column] = vector.squeeze(2) * values[:, column, None].isfinite()
        basis -= vector * row.unsqueeze(1)
    return result


def _first_largest(keys: list[Float[Tensor, "group size"]]) -> Int[Tensor, " group"]:
    """The index of the largest entry per group by the first key; ties are broken by the next keys, then by index."""
    tied = torch.ones_like(keys[0], dtype=torch.bool)
    for key in keys:
        if (tied.sum(1) == 1).all():
            break
        largest = key.masked_fill(~tied, -torch.inf).amax(1, keepdim=True)
        tied &= key >= largest - TIE
    return tied.int().argmax(1)


def _of_small(
    adjacency: Int[Tensor, "group size size"], colours: Float[Tensor, "group size"], vectors: int
) -> Float[Tensor, "group size vectors"]:
    joined = ((adjacency + adjacency.mT) > 0).double()
    joined.diagonal(dim1=1, dim2=2).zero_()
    degree = joined.sum(-1)
    scale = degree.clamp(min=1).rsqrt()
    laplacian = torch.diag_embed((degree > 0).double()) - scale.unsqueeze(2) * joined * scale.unsqueeze(1)
    values, basis = torch.linalg.eigh(laplacian)
    # Graphs have one zero eigenvalue per component, so the index of the first vector differs from graph to graph; the
    # last space must be complete.
    first = (values < ZERO_EIGENVALUE).sum(-1, keepdim=True)
    last = values.gather(1, (first + vectors - 1).clamp(max=values.size(1) - 1))
    width = int(((values <= last + SAME_EIGENVALUE).sum(-1, keepdim=True) - first).max())
    chosen = first + torch.arange(width)
    exists = chosen < values.size(1)
    chosen = chosen.clamp(max=values.size(1) - 1)
    values = values.gather(1, chosen).masked_fill_(~exists, torch.inf)
    basis = basis.gather(2, chosen.unsqueeze(1).expand(-1, basis.size(1), -1)) * exists.unsqueeze(1)
    return canonical(values, basis, colours, vectors)


def _of_large(joined: csr_array, vectors: int) -> tuple[Tensor, Tensor]:
    """At most `vectors` eigenvalues above 0, ascending, and their vectors in columns.

    Components are solved separately: equal ones share eigenvalues, of which one iteration would find too few."""
    _, component = connected_components(joined, directed=False)
    order = np.argsort(component, kind="stable")
    found = []
    for nodes in np.split(order, np.cumsum(np.bincount(component))[:-1]):
        if len(nodes) > 1:
            values, basis = _of_component(joined[nodes][:, nodes], vectors)
            found += [(value, nodes, vector) for value, vector in zip(values, basis.T, strict=True)]
    found = sorted(found, key=lambda item: item[0])[:vectors]
    basis = np.zeros((len(order), len(found)))
    for column, (_, nodes, vector) in enumerate(found):
        basis[nodes, column] = vector
    return torch.tensor([value for value, _, _ in found]).double(), torch.from_numpy(basis)


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
        # The eigenvalues of long thin graphs are too close together near 0. Such graphs are cheap to factorise, and
        # the inverse separates those eigenvalues.
        inverse = splu(((1 + SHIFT) * eye_array(size) - normalised).tocsc(), permc_spec="MMD_AT_PLUS_A")

        def solve(v: np.ndarray) -> np.ndarray:
            return _without(constant, inverse.solve(_without(constant, v)))

        values, basis = _lanczos(solve, size, vectors)
        values = 1 / values - SHIFT
    order = np.argsort(values)
    return values[order], basis[:, order]


def _lanczos(product: Callable[[np.ndarray], np.ndarray], size: int, vectors: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest eigenvalues, and their vectors, of a symmetric matrix known by its products with vectors."""
    # A random start has a component along every eigenvector; a constant one would miss antisymmetric ones.
    random = np.random.default_rng(0)
    start = random.standard_normal(size)
    operator = LinearOperator((size, size), matvec=lambda v: product(v.ravel()), dtype=np.float64)
    basis = min(size - 1, 4 * vectors + 20)
    return eigsh(operator, vectors, which="LA", v0=start, ncv=basis, maxiter=RESTARTS, tol=1e-12, rng=random)


def _without(direction: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return vector - direction * (direction @ vector)
