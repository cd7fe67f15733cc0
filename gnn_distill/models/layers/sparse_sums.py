"""PyG's convolutions that take a sparse matrix of their weights (`GraphBatch.adjacency`) in place of edges.

A product with it stores no message of every edge: the same sums, in a different order of additions.
"""

from torch import Tensor
from torch_geometric.nn import GCNConv, GINConv, SAGEConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.derived import Derived
from gnn_distill.data.sparse_matrix import SparseMatrix

WeightedEdges = tuple[Tensor, Tensor]
"""Edges with loops, [2, edges], and a weight of each, as PyG's GCNConv makes them in every forward pass."""


def _normalised(batch: GraphBatch) -> WeightedEdges:
    # size, since len() would fix the number of nodes in exported programs
    return gcn_norm(batch.edge_index, num_nodes=batch.node_rows.size(0))


GCN_EDGES = Derived("gcn_edges", _normalised)
"""Of the nodes of a batch."""
PATCH_GCN_EDGES = Derived(
    "patch_gcn_edges", lambda batch: gcn_norm(batch.patches.edge_index, num_nodes=len(batch.patches.members))
)
"""Of the members of its patches."""


class WeightedGCNConv(GCNConv):
    """PyG's GCNConv, of edges whose weights are known, or of plain ones: Σ_j w_ji·W·h_j + b."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, normalize=False)

    def forward(self, x: Tensor, edge_index: WeightedEdges | Tensor) -> Tensor:
        known = isinstance(edge_index, tuple)
        edges, weight = edge_index if known else gcn_norm(edge_index, num_nodes=x.size(0), dtype=x.dtype)
        return super().forward(x, edges, weight.to(x.dtype))


class MatrixGCNConv(WeightedGCNConv):
    """Â·W·h + b; the matrix has loops and is normalised, kind gcn."""

    def forward(self, x: Tensor, edge_index: WeightedEdges | Tensor | SparseMatrix, *others: None) -> Tensor:
        if not isinstance(edge_index, SparseMatrix):
            return super().forward(x, edge_index)
        return edge_index @ self.lin(x) + self.bias


class MatrixSAGEConv(SAGEConv):
    """W₁·h + W₂·D⁻¹A·h; the matrix is of kind mean."""

    def forward(self, x: Tensor, edge_index: Tensor | SparseMatrix, *others: None) -> Tensor:
        if not isinstance(edge_index, SparseMatrix):
            return super().forward(x, edge_index, *others)
        return self.lin_l(edge_index @ x) + self.lin_r(x)


class MatrixGINConv(GINConv):
    """mlp((1 + ε)·h + A·h); the matrix is of kind sum."""

    def forward(self, x: Tensor, edge_index: Tensor | SparseMatrix, *others: None) -> Tensor:
        if not isinstance(edge_index, SparseMatrix):
            return super().forward(x, edge_index, *others)
        return self.nn((1 + self.eps) * x + edge_index @ x)
