"""Graph isomorphism network (Xu et al. 2019); with edge features GINE (Hu et al. 2020)."""

from torch import nn
from torch_geometric.nn import GINConv, GINEConv

from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.gnn_backbone import GNN
from gnn_distill.models.layers.norms import BatchNorm
from gnn_distill.models.layers.sparse_sums import MatrixGINConv


def build(config: TeacherConfig, spec: TaskSpec) -> GNN:
    """h_i ← mlp((1 + ε)·h_i + Σ_{j∈N(i)} h_j), or Σ relu(h_j + e_ji) if edges have features."""
    channels = config.hidden_channels
    edges = spec.edge_features is not None

    def conv() -> GINConv:
        mlp = nn.Sequential(
            nn.Linear(channels, channels), BatchNorm(channels), nn.ReLU(), nn.Linear(channels, channels)
        )
        return (GINEConv if edges else MatrixGINConv)(mlp, train_eps=config.train_eps)

    return GNN(config, spec, conv, uses_edges=True, matrix=None if edges else "sum")
