"""A model of PyG's GPSConv with full attention, after PyG's example `graph_gps.py`."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.nn import GINConv, GINEConv, GPSConv, global_add_pool

from gnn_distill.data.task import TaskSpec


@dataclass
class GPSShape:
    """Width and depth; GPSConv's feed-forward block is always twice as wide as the rest."""

    channels: int = 80
    num_layers: int = 12
    num_heads: int = 8
    walk_steps: int = 20
    """Random-walk encodings added to the input."""
    dropout: float = 0.0
    """After message passing and attention, and in the feed-forward block."""
    attention_dropout: float = 0.1
    local: bool = True
    """Message passing beside attention (GINE; GIN without edge features), or attention alone."""


class GPS(nn.Module):
    """Embeddings and random walks, GPSConv layers with batch normalisation, a sum over nodes, a perceptron."""

    def __init__(self, shape: GPSShape, spec: TaskSpec) -> None:
        super().__init__()
        channels, features = shape.channels, spec.node_features
        self.tables = self.linear = None
        if features.kind == "categorical":
            self.tables = nn.ModuleList(nn.Embedding(size, channels) for size in features.sizes)
        else:
            self.linear = nn.Linear(features.width, channels)
        self.walks, self.walk_norm = nn.Linear(shape.walk_steps, channels), nn.BatchNorm1d(shape.walk_steps)
        reads_edges = shape.local and spec.edge_features is not None
        self.edge = nn.Embedding(spec.edge_features.sizes[0], channels) if reads_edges else None
        self.layers = nn.ModuleList(self._layer(shape) for _ in range(shape.num_layers))
        self.head = nn.Sequential(
            nn.Linear(channels, channels // 2),
            nn.ReLU(),
            nn.Linear(channels // 2, channels // 4),
            nn.ReLU(),
            nn.Linear(channels // 4, spec.num_outputs),
        )

    def _layer(self, shape: GPSShape) -> GPSConv:
        channels, conv = shape.channels, None
        if shape.local:
            mlp = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels))
            conv = GINConv(mlp) if self.edge is None else GINEConv(mlp)
        attention = {"dropout": shape.attention_dropout}
        return GPSConv(channels, conv, shape.num_heads, shape.dropout, attn_kwargs=attention)

    def forward(self, data: Batch) -> Float[Tensor, "graph output"]:
        """Logits."""
        x = self.encoded(data.x) + self.walks(self.walk_norm(data.pe))
        more = {} if self.edge is None else {"edge_attr": self.edge(data.edge_attr)}
        for layer in self.layers:
            x = layer(x, data.edge_index, data.batch, **more)
        return self.head(global_add_pool(x, data.batch))

    def encoded(self, x: Tensor) -> Float[Tensor, "node channel"]:
        """The sum of one embedding a column, or a linear map."""
        if self.tables is None:
            return self.linear(x)
        return torch.stack([table(x[:, column]) for column, table in enumerate(self.tables)]).sum(dim=0)
