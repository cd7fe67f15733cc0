"""One graph as a sparse matrix, if it is too large for a dense one."""

import numpy as np
from scipy.sparse import csr_array, diags_array

from gnn_distill.data.packed import PackedGraphs


def sparse_adjacency(graphs: PackedGraphs, graph: int) -> csr_array:
    """Number of edges from row to column of the graph `graph`, [n, n] in float64."""
    size = int(graphs.num_nodes[graph])
    edges = graphs.edge_index[:, graphs.edge_ptr[graph] : graphs.edge_ptr[graph + 1]].numpy()
    return csr_array((np.ones(edges.shape[1]), tuple(edges)), shape=(size, size))  # parallel edges are summed


def without_directions(adjacency: csr_array) -> csr_array:
    """1 where two different nodes are joined in either direction."""
    joined = (adjacency + adjacency.T).tocsr()
    joined.setdiag(0)
    joined.eliminate_zeros()
    joined.data[:] = 1
    return joined


def symmetrically_normalised(adjacency: csr_array) -> csr_array:
    """D^-1/2 A D^-1/2, where D contains the row sums, at least 1."""
    scale = diags_array(np.maximum(adjacency.sum(1), 1) ** -0.5)
    return (scale @ adjacency @ scale).tocsr()
