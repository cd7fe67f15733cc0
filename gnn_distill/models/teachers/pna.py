"""Principal neighbourhood aggregation (Corso et al. 2020)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.nn.aggr import MultiAggregation

from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.gnn_backbone import GNN

AGGREGATORS = ["mean", "min", "max", "std"]
NUM_SCALERS = 3


def build(config: TeacherConfig, spec: TaskSpec) -> GNN:
    """h_i ← W·[h_i ‖ S ⊗ {mean, min, max, std}_{j∈N(i)} m_ji], with m_ji = W_t·h_i + W_s·h_j + W_e·e_ji."""
    channels, edges = config.hidden_channels, spec.edge_features is not None
    return GNN(config, spec, lambda: PNAConv(channels, spec.log_degree, edges), uses_edges=True)


class PNAConv(nn.Module):
    """Four aggregators, each scaled by 1, by log(d + 1)/δ and by δ/log(d + 1).

    d is the in-degree of a node, δ = `log_degree` the mean of log(d + 1) over the training split. e is omitted if
    edges have no features; without neighbours all aggregates are 0.
    Ours differs from the source: one tower, and linear maps of the parts of messages, summed on nodes, instead of
    one map of their concatenation on edges, which is equivalent at a lower cost.
    """

    def __init__(self, channels: int, log_degree: float, edges: bool) -> None:
        super().__init__()
        self.log_degree = log_degree
        self.source = nn.Linear(channels, channels, bias=False)
        self.target = nn.Linear(channels, channels)
        self.edge = nn.Linear(channels, channels, bias=False) if edges else None
        self.aggregate = MultiAggregation(AGGREGATORS)
        self.update = nn.Linear((1 + NUM_SCALERS * len(AGGREGATORS)) * channels, channels)

    def forward(
        self,
        x: Float[Tensor, "node channel"],
        edge_index: Int[Tensor, "2 edge"],
        edges: Float[Tensor, "edge channel"] | None,
    ) -> Float[Tensor, "node channel"]:
        source, target = edge_index
        messages = self.source(x)[source] + self.target(x)[target]
        if edges is not None:
            messages = messages + self.edge(edges)
        found = self.aggregate(messages, target, dim_size=len(x))
        degree = target.new_zeros(len(x)).index_add(0, target, torch.ones_like(target)).clamp(min=1)
        scale = ((degree + 1).log() / self.log_degree).to(found.dtype)[:, None]
        return self.update(torch.cat([x, found, found * scale, found / scale], dim=1))
