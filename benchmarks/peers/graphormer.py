"""A textbook Graphormer (Ying et al. 2021) for PyG batches, after the recipe of GraphGPS (Rampášek et al. 2022).

Its steps are kept, slow ones too: nodes go to the padded form and back in every layer, `nn.MultiheadAttention` takes
the bias as a float mask and hands out its weights, and the bias of all pairs is formed by `to_dense_adj`. Own code.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.data import Batch
from torch_geometric.utils import to_dense_adj, to_dense_batch

from gnn_distill.data.task import TaskSpec


@dataclass
class GraphormerShape:
    """Defaults are those of GraphGPS for ZINC."""

    channels: int = 80
    num_layers: int = 12
    num_heads: int = 8
    distance: int = 20
    """Types of distances; the last hop told apart is distance - 1."""
    hops: int = 20
    """Edges read along a path."""
    max_degree: int = 64
    dropout: float = 0.0
    """After attention, and after the feed-forward block."""
    attention_dropout: float = 0.1
    mlp_dropout: float = 0.1
    """Inside the feed-forward block."""
    input_dropout: float = 0.1
    ffn_ratio: float = 1.0


class Bias(nn.Module):
    """b_h(i, j) = spatial_h[type(i, j)] + Σ_n (W_n · edge[t_n])_h / max(1, type(i, j)); with the graph token its own.

    t_n is the type of the n-th edge on a path from i to j, 0 after its end: that type's embedding counts there.
    """

    def __init__(self, shape: GraphormerShape, edge_types: int) -> None:
        super().__init__()
        heads = shape.num_heads
        self.spatial = nn.Embedding(shape.distance + 1, heads)
        self.edge = nn.Embedding(edge_types, heads) if edge_types else None
        self.hop = nn.Parameter(torch.empty(shape.hops, heads, heads)) if edge_types else None
        self.token = nn.Parameter(torch.empty(1, heads, 1))
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.02)

    def forward(self, data: Batch) -> Float[Tensor, "graph*head query key"]:
        dense = to_dense_adj(data.graph_index, data.batch, self.spatial(data.spatial_types))
        bias = dense.permute(0, 3, 1, 2)
        if self.edge is not None:
            bias = bias + self.along_paths(data)
        bias = F.pad(bias, (1, 0, 1, 0))
        bias[:, :, 1:, 0] = self.token
        bias[:, :, 0, :] = self.token
        return bias.flatten(0, 1)

    def along_paths(self, data: Batch) -> Float[Tensor, "graph head query key"]:
        """The second term."""
        values = to_dense_adj(data.graph_index, data.batch, self.edge(data.shortest_path_types))
        lengths = to_dense_adj(data.graph_index, data.batch, data.spatial_types).float().clamp(min=1.0)
        graphs, size, _, hops, heads = values.shape
        # One matrix product a hop: [hop, pair, head] x [hop, head, head].
        values = torch.bmm(values.permute(3, 0, 1, 2, 4).reshape(hops, -1, heads), self.hop)
        values = values.view(hops, graphs, size, size, heads).permute(1, 2, 3, 0, 4).sum(dim=3)
        return values.permute(0, 3, 1, 2) / lengths.unsqueeze(1)


class Layer(nn.Module):
    """x ← x + attention(norm(x)); x ← x + mlp(norm(x)), on nodes laid end to end."""

    def __init__(self, shape: GraphormerShape) -> None:
        super().__init__()
        channels, hidden = shape.channels, round(shape.channels * shape.ffn_ratio)
        self.norm = nn.LayerNorm(channels)
        self.attention = nn.MultiheadAttention(channels, shape.num_heads, shape.attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(shape.dropout)
        self.mlp = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, hidden),
            nn.GELU(),
            nn.Dropout(shape.mlp_dropout),
            nn.Linear(hidden, channels),
            nn.Dropout(shape.dropout),
        )

    def forward(self, x: Tensor, batch: Tensor, bias: Tensor) -> Tensor:
        dense, real = to_dense_batch(self.norm(x), batch)
        attended, _ = self.attention(dense, dense, dense, ~real, attn_mask=bias)
        x = x + self.dropout(attended[real])
        return x + self.mlp(x)


class Graphormer(nn.Module):
    """Node, degree and pair encodings, a graph token first in every graph, layers, and a linear map of the token."""

    def __init__(self, shape: GraphormerShape, spec: TaskSpec, paths: bool) -> None:
        super().__init__()
        channels, features = shape.channels, spec.node_features
        self.tables = self.linear = None
        if features.kind == "categorical":
            self.tables = nn.ModuleList(nn.Embedding(size, channels) for size in features.sizes)
        else:
            self.linear = nn.Linear(features.width, channels)
        self.in_degree, self.out_degree = (nn.Embedding(shape.max_degree, channels) for _ in range(2))
        self.token = nn.Parameter(torch.empty(1, channels))
        for weight in (self.in_degree.weight, self.out_degree.weight, self.token):
            nn.init.normal_(weight, std=0.02)
        self.input_dropout = nn.Dropout(shape.input_dropout)
        self.bias = Bias(shape, spec.edge_features.sizes[0] if paths else 0)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_layers))
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, spec.num_outputs)

    def forward(self, data: Batch) -> Float[Tensor, "graph output"]:
        """Logits."""
        return self.head(self.states(data)[0])

    def states(self, data: Batch) -> tuple[Float[Tensor, "graph channel"], Float[Tensor, "node channel"]]:
        """Normalised states of the tokens and of the nodes after the last layer."""
        bias = self.bias(data)
        x = self.encoded(data.x) + self.in_degree(data.in_degrees) + self.out_degree(data.out_degrees)
        tokens = len(data.batch.unique())
        graph = torch.cat([torch.arange(tokens, device=x.device), data.batch])
        graph, order = torch.sort(graph, stable=True)
        x = self.input_dropout(torch.cat([self.token.repeat_interleave(tokens, 0), x])[order])
        for layer in self.layers:
            x = layer(x, graph, bias)
        x, is_token = self.norm(x), order < tokens
        return x[is_token], x[~is_token]

    def encoded(self, x: Tensor) -> Float[Tensor, "node channel"]:
        """The sum of one embedding a column, or a linear map."""
        if self.tables is None:
            return self.linear(x)
        return sum(table(x[:, column]) for column, table in enumerate(self.tables))
