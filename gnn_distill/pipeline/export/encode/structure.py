"""Structural encodings of one graph: hop distances, random walks, Laplacian eigenvectors."""

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

FARTHEST, UNREACHABLE = 254, 255
ZERO_EIGENVALUE, SAME_EIGENVALUE, TIE = 1e-9, 1e-8, 1e-6


def hop_distances(graph):
    """Edges on a shortest path from row to column; at most 254, 255 without a path."""
    size = len(graph["x"])
    hops = shortest_path(csr_array(_adjacency(graph, size)), method="D", unweighted=True)
    return np.where(np.isinf(hops), UNREACHABLE, np.minimum(hops, FARTHEST)).astype(np.uint8)


def walk_returns(graph, settings):
    """Return probabilities diag(R^k), k = 1, 2, …, of the random walk R = D^-1 A along edges."""
    walk = _adjacency(graph, len(graph["x"]))
    walk /= np.maximum(walk.sum(axis=1, keepdims=True), 1)
    power, found = walk, [walk.diagonal()]
    while len(found) < settings["rwse"]:
        power = power @ walk
        found.append(power.diagonal())
    return np.stack(found, axis=1)


def laplacian_eigenvectors(graph, settings):
    """Unit eigenvectors of I - D^-1/2 A D^-1/2, smallest eigenvalues above 0 first, in a basis free of the solver's."""
    size, vectors = len(graph["x"]), settings["lap_pe"]
    joined = _adjacency(graph, size) > 0
    joined = (joined | joined.T).astype(float)
    np.fill_diagonal(joined, 0)
    degree = joined.sum(axis=1)
    scale = 1 / np.sqrt(np.maximum(degree, 1))
    values, basis = np.linalg.eigh(np.diag((degree > 0).astype(float)) - scale[:, None] * joined * scale)
    first = int((values < ZERO_EIGENVALUE).sum())
    last = values[min(first + vectors - 1, size - 1)]
    stop = int((values <= last + SAME_EIGENVALUE).sum())  # the last eigenspace is complete
    values, basis = values[first:stop], basis[:, first:stop]
    colours = node_colours(graph).astype(float) if settings["level"] == "graph" else np.zeros(size)
    space = np.cumsum(np.diff(values, prepend=values[:1]) > SAME_EIGENVALUE)
    result = np.zeros((size, vectors))
    for column in range(min(vectors, len(values))):
        part = basis * (space == space[column])
        node = _first_largest([np.linalg.norm(part, axis=1), colours, *result[:, :column].T])
        row = part[node] / np.linalg.norm(part[node])
        result[:, column] = part @ row
        basis = basis - np.outer(part @ row, row)
    return result


def _first_largest(keys):
    """The index of the largest entry by the first key; ties are broken by the next keys, then by index."""
    tied = np.ones(len(keys[0]), dtype=bool)
    for key in keys:
        if tied.sum() == 1:
            break
        tied &= key >= key[tied].max() - TIE
    return int(tied.argmax())


def node_colours(graph, rounds=5):
    """Weisfeiler-Leman colours of nodes as 64-bit hashes, from their features."""
    (source, target), colour = graph["edge_index"], _hashed_rows(graph["x"])
    edge = 0 if graph.get("edge_attr") is None else _hashed_rows(graph["edge_attr"])
    for _ in range(rounds):
        gathered = colour * 6364136223846793005
        np.add.at(gathered, target, _scattered(colour[source] + edge))
        np.add.at(gathered, source, _scattered(colour[target] * -4658895280553007687 + edge))
        colour = _scattered(gathered)
    return colour


def _scattered(numbers):
    """The numbers spread over all of int64, as in splitmix64; products wrap around."""
    mixed = (numbers + 1) * -7046029254386353131
    mixed = (mixed ^ (mixed >> 30)) * -4658895280553007687
    mixed = (mixed ^ (mixed >> 27)) * -7723592293110705685
    return mixed ^ (mixed >> 31)


def _hashed_rows(values):
    if values.dtype == np.float32:
        values = (values + np.float32(0)).view(np.int32)  # bits; -0 + 0 is 0
    result = np.zeros(len(values), dtype=np.int64)
    for column in values.T.astype(np.int64):
        result = _scattered(result * 6364136223846793005 + column)
    return result


def _adjacency(graph, size):
    """Number of edges from row to column."""
    dense = np.zeros((size, size))
    np.add.at(dense, tuple(graph["edge_index"]), 1)
    return dense
