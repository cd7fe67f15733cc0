"""The backbone of all GNN teachers."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing

from gnn_distill.data.batching import StructureBatch
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.encoders import FeatureEncoder
from gnn_distill.models.heads import Output, readout
from gnn_distill.models.representations import Representations
from gnn_distill.schema.encoding import EncodingConfig
from gnn_distill.schema.teacher import TeacherConfig

Convolution = Callable[[Tensor, Tensor, Tensor | None], Tensor]
NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "none": lambda channels: nn.Identity()}


class GNN(nn.Module):
    """Message passing between an encoder and a head: h^l = dropout(relu(norm(conv(h^{l-1})))) (+ h^{l-1}).

    `conv()` makes one convolution that takes (x, edge_index, edge states or None). With a virtual node v:
    h^{l-1} ← h^{l-1} + v, and after the layer v ← v + mlp(v + Σ_i h_i^l) (Gilmer et al. 2017; Hu et al. 2020).
    """

    def __init__(
        self, config: TeacherConfig, spec: TaskSpec, conv: Callable[[], MessagePassing], uses_edges: bool
    ) -> None:
        super().__init__()
        channels = config.hidden_channels
        self.residual = config.residual
        self.state_channels = (channels,) * config.num_layers
        self.graph_channels = channels
        self.encoder = FeatureEncoder(spec.node_features, channels)
        edges = uses_edges and spec.edge_features is not None
        self.edge_encoder = FeatureEncoder(spec.edge_features, channels) if edges else None
        self.convs = nn.ModuleList(conv() for _ in range(config.num_layers))
        self.norms = nn.ModuleList(NORMS[config.norm](channels) for _ in range(config.num_layers))
        self.dropout = nn.Dropout(config.dropout)
        self.virtual = None
        if config.virtual_node:
            self.virtual = nn.Parameter(torch.zeros(channels))
            self.virtual_mlps = nn.ModuleList(
                nn.Sequential(nn.Linear(channels, 2 * channels), nn.ReLU(), nn.Linear(2 * channels, channels))
                for _ in range(config.num_layers - 1)
            )
        self.output = Output(channels, spec, config.readout, config.dropout)

    @property
    def reads_edges(self) -> bool:
        """Whether edge features change the output."""
        return self.edge_encoder is not None

    def forward(self, batch: StructureBatch) -> Representations:
        x = self.encoder(batch.x)
        edge_attr = self.edge_encoder(batch.edge_attr) if self.edge_encoder is not None else None
        virtual = None if self.virtual is None else self.virtual.expand(batch.num_graphs, -1)
        states = []
        for layer, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            if virtual is not None:
                x = x + virtual[batch.batch]
            out = conv(x, batch.edge_index) if edge_attr is None else conv(x, batch.edge_index, edge_attr)
            out = self.dropout(norm(out).relu())
            x = x + out if self.residual else out
            states.append(x)
            if virtual is not None and layer < len(self.convs) - 1:
                pooled = readout("sum", x, batch.batch, batch.num_graphs)
                virtual = virtual + self.virtual_mlps[layer](virtual + pooled)
        return self.output(states, batch)


def teacher_encoding(config: TeacherConfig) -> EncodingConfig:
    """The structural encodings that the teacher reads as input."""
    return EncodingConfig()
