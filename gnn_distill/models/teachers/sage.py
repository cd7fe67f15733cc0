"""GraphSAGE (Hamilton et al. 2017)."""

from torch_geometric.nn import SAGEConv

from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.gnn_backbone import GNN


def build(config: TeacherConfig, spec: TaskSpec) -> GNN:
    """h_i ← W₁·h_i + W₂·mean_{j∈N(i)} h_j; edge features are ignored.

    Ours differs from the source: all neighbours are read, none are sampled, and states are not scaled to length one.
    """
    channels = config.hidden_channels
    return GNN(config, spec, lambda: SAGEConv(channels, channels), uses_edges=False)
