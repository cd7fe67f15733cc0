"""A perceptron on each node separately: the control that measures the value of structure."""

from torch import Tensor, nn

from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.gnn_backbone import GNN


class NodeLinear(nn.Linear):
    """W·h_i + b: a convolution without messages."""

    def forward(self, x: Tensor, edge_index: Tensor, edges: None) -> Tensor:
        return super().forward(x)


def build(config: TeacherConfig, spec: TaskSpec) -> GNN:
    """h_i ← W·h_i + b, then the same readout as all teachers.

    It ignores structure unless given by rwse, lap_pe or virtual_node.
    """
    channels = config.hidden_channels
    return GNN(config, spec, lambda: NodeLinear(channels, channels), uses_edges=False)
