"""Graph convolutional network (Kipf & Welling 2017)."""

from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.gnn_backbone import GNN
from gnn_distill.models.layers.sparse_sums import MatrixGCNConv


def build(config: TeacherConfig, spec: TaskSpec) -> GNN:
    """h_i ← Σ_{j∈N(i)∪{i}} W·h_j / √(d̃_i·d̃_j); edge features are ignored."""
    channels = config.hidden_channels
    return GNN(config, spec, lambda: MatrixGCNConv(channels, channels), uses_edges=False, matrix="gcn")
