"""Gated graph convolutional network with edge states (Bresson & Laurent 2017; Dwivedi et al. 2023)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.gnn_backbone import GNN
from gnn_distill.models.layers.norms import NORMS


def build(config: TeacherConfig, spec: TaskSpec) -> "GatedGCN":
    """h_i ← U·h_i + Σ_{j∈N(i)} η_ji ⊙ V·h_j, with η_ji = σ(ê_ji) / (Σ_{k∈N(i)} σ(ê_ki) + ε), ε = 1e-6."""
    return GatedGCN(config, spec)


class GatedGCN(GNN):
    """A GNN whose edges have states, too: ê^l = A·h_i + B·h_j + C·e^{l-1}, e^l = dropout(relu(norm(ê^l))) (+ e^{l-1}).

    e^0 are the features of the edge, or a learned constant without features. Norm, dropout and residual are those of
    the node states. Ours differs from the source (Dwivedi et al. 2023): dropout is applied before the input is added,
    as in the code of GPS, and not after; C has no bias, since A and B have; the last edge states are not computed.
    """

    updates_edges = True

    def __init__(self, config: TeacherConfig, spec: TaskSpec) -> None:
        channels = config.hidden_channels
        super().__init__(config, spec, lambda: GatedGCNConv(channels), uses_edges=True)
        self.constant = nn.Parameter(torch.randn(channels)) if spec.edge_features is None else None
        # No layer reads the last edge states.
        self.edge_norms = nn.ModuleList(NORMS[config.norm](channels) for _ in range(config.num_layers - 1))

    def encode_edges(self, batch: GraphBatch) -> Tensor:
        if self.constant is None:
            return super().encode_edges(batch)
        return self.constant.expand(batch.edge_index.size(1), -1)

    def convolve(
        self, layer: int, x: Tensor, edge_index: Tensor, edges: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        out, new = self.convs[layer](x, edge_index, edges)
        if layer < len(self.edge_norms):
            new = self.dropout(self.edge_norms[layer](new).relu())
            edges = edges + new if self.residual else new
        return out, edges, {}


class GatedGCNConv(nn.Module):
    """U·h_i + Σ_j η_ji ⊙ V·h_j and the edge states ê before norm and activation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.nodes = nn.Linear(channels, 4 * channels)  # U, V, A, B
        self.edges = nn.Linear(channels, channels, bias=False)  # C

    def forward(
        self,
        x: Float[Tensor, "node channel"],
        edge_index: Int[Tensor, "2 edge"],
        edges: Float[Tensor, "edge channel"],
    ) -> tuple[Float[Tensor, "node channel"], Float[Tensor, "edge channel"]]:
        source, target = edge_index
        own, value, from_target, from_source = self.nodes(x).chunk(4, dim=1)
        edges = from_target[target] + from_source[source] + self.edges(edges)
        gates = edges.sigmoid()
        total = torch.zeros_like(own).index_add(0, target, gates)
        mixed = torch.zeros_like(own).index_add(0, target, gates * value[source])
        return own + mixed / (total + 1e-6), edges
