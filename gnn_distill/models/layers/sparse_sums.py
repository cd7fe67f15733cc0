"""PyG's convolutions that take a sparse CSR matrix of their weights (`GraphBatch.adjacency`) in place of edges.

A product with it stores no message of every edge: the same sums, in a different order of additions.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.nn import GCNConv, GINConv, SAGEConv


def product(matrix: Float[Tensor, "node node"], x: Float[Tensor, "node channel"]) -> Float[Tensor, "node channel"]:
    """matrix · x in single precision, whatever the precision around it: CPUs have no sparse product in bf16."""
    with torch.autocast(x.device.type, enabled=False):
        return matrix @ x.float()


class MatrixGCNConv(GCNConv):
    """Â·W·h + b; the matrix has loops and is normalised, kind gcn."""

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        if edge_index.layout == torch.strided:
            return super().forward(x, edge_index, edge_weight)
        return product(edge_index, self.lin(x)) + self.bias


class MatrixSAGEConv(SAGEConv):
    """W₁·h + W₂·D⁻¹A·h; the matrix is of kind mean."""

    def forward(self, x: Tensor, edge_index: Tensor, *others: None) -> Tensor:
        if edge_index.layout == torch.strided:
            return super().forward(x, edge_index, *others)
        return self.lin_l(product(edge_index, x)) + self.lin_r(x)


class MatrixGINConv(GINConv):
    """mlp((1 + ε)·h + A·h); the matrix is of kind sum."""

    def forward(self, x: Tensor, edge_index: Tensor, *others: None) -> Tensor:
        if edge_index.layout == torch.strided:
            return super().forward(x, edge_index, *others)
        return self.nn((1 + self.eps) * x + product(edge_index, x))
