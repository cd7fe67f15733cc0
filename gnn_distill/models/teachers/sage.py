"""GraphSAGE (Hamilton et al. 2017)."""

from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.gnn_backbone import GNN
from gnn_distill.models.layers.sparse_sums import MatrixSAGEConv


def build(config: TeacherConfig, spec: TaskSpec) -> GNN:
    """h_i ← W₁·h_i + W₂·mean_{j∈N(i)} h_j; edge features are ignored.

    Ours differs from the source: neighbours are sampled with trainer.sampler=neighbor alone, and states are not scaled
    to length one.
    """
    channels = config.hidden_channels
    return GNN(config, spec, lambda: MatrixSAGEConv(channels, channels), uses_edges=False, matrix="mean")
