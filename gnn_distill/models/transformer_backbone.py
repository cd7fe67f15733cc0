"""The Transformer shared by dense students."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.layers.dropout import Dropout
from gnn_distill.models.layers.encoders import AttentionBias, FeatureEncoder, StructuralEncoder
from gnn_distill.models.layers.heads import Output
from gnn_distill.models.layers.padding import to_padded
from gnn_distill.models.representations import Representations


class SelfAttention(nn.Module):
    """Multi-head attention with an additive bias: softmax(q·kᵀ/√d + bias)·v (Vaswani et al. 2017)."""

    def __init__(self, channels: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.weights_dropout = Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "graph node channel"], bias: Float[Tensor, "graph head node node"] | None, explicit: bool
    ) -> tuple[Float[Tensor, "graph node channel"], Float[Tensor, "graph head node node"] | None]:
        """The attended values, and the biased logits if `explicit`."""
        graphs, nodes, channels = x.shape
        q, k, v = self.qkv(x).view(graphs, nodes, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        logits = None
        # CPUs have no fused kernel for a learned bias: the fallback takes longer than the formula.
        if explicit or (bias is not None and bias.requires_grad and x.device.type == "cpu"):
            q = q * q.size(-1) ** -0.5
            # One fused product: bias + q·kᵀ/√d.
            logits = (
                q @ k.mT
                if bias is None
                else torch.baddbmm(bias.flatten(0, 1), q.flatten(0, 1), k.flatten(0, 1).mT).view_as(bias)
            )
            # In bfloat16 a softmax on a CPU takes ten times as long.
            weights = logits.softmax(dim=-1, dtype=torch.float32)
            out = self.weights_dropout(weights).to(v.dtype) @ v
        else:
            dropout = self.weights_dropout.p if self.training else 0.0
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=dropout)
        out = self.out(out.transpose(1, 2).reshape(graphs, nodes, channels))
        return out, logits if explicit else None


class TransformerLayer(nn.Module):
    """Pre-norm block: x ← x + attention(norm(x)); x ← x + ffn(norm(x)) (Xiong et al. 2020)."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        channels = config.hidden_channels
        hidden = max(1, round(channels * config.ffn_ratio))
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = SelfAttention(channels, config.num_heads, config.attention_dropout)
        self.ffn = nn.Sequential(
            nn.Linear(channels, hidden), nn.GELU(), Dropout(config.dropout), nn.Linear(hidden, channels)
        )
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, bias: Tensor | None, explicit: bool = False) -> tuple[Tensor, Tensor | None]:
        out, logits = self.attention(self.norm1(x), bias, explicit)
        x = x + self.dropout(out)
        return x + self.dropout(self.ffn(self.norm2(x))), logits


class Transformer(nn.Module):
    """Full attention over the nodes of each graph, with structure given by the chosen encodings.

    Node states are padded only inside: h^0 = features + structural encodings, scattered to [graph, node, channel];
    padding keys are masked in every layer, and padding rows are never read. The graph state is a learned token's
    (read by the head as in Graphormer), or the mean or sum of the node states; node-level tasks need no token.
    """

    def __init__(self, config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> None:
        super().__init__()
        channels = config.hidden_channels
        self.state_channels = (channels,) * config.num_layers
        self.graph_channels = channels
        self.features = FeatureEncoder(spec.node_features, channels)
        self.structure = StructuralEncoder(encoding, channels)
        self.dropout = Dropout(config.dropout)
        token = config.readout == "token" and spec.level == "graph"
        self.token = nn.Parameter(torch.randn(channels) * 0.02) if token else None
        self.biases = config.num_layers if encoding.bias_per_layer else 1
        self.bias = AttentionBias(encoding, spec.edge_features, self.biases * config.num_heads, token)
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(channels)
        self.output = Output(channels, spec, config.readout, config.dropout)

    @property
    def reads_edges(self) -> bool:
        """Whether edge features change the output."""
        return self.bias.reads_edges

    def forward(self, batch: GraphBatch, attention_layers: frozenset[int] = frozenset()) -> Representations:
        """Representations of a batch, with attention logits of `attention_layers` (counted from 1)."""
        x = self.dropout(self.structure(self.features(batch.x), batch))
        return self.output_of(x, batch, attention_layers)

    def output_of(
        self, x: Float[Tensor, "node channel"], batch: GraphBatch, attention_layers: frozenset[int] = frozenset()
    ) -> Representations:
        """Representations by the Transformer's layers from the initial states of its tokens, the nodes of `batch`."""
        dense = to_padded(x, batch)
        first = 0
        if self.token is not None:
            dense = torch.cat([self.token.expand(batch.num_graphs, 1, -1).to(dense.dtype), dense], dim=1)
            first = 1
        bias, biases = self.bias(batch), [None]
        if bias is not None:
            biases = bias.to(dense.dtype).chunk(self.biases, dim=1)
        places = batch.dense_index + first * (batch.batch + 1)
        states, attention = [], {}
        for number, layer in enumerate(self.layers, start=1):
            bias = biases[(number - 1) % len(biases)]
            dense, logits = layer(dense, bias, explicit=number in attention_layers)
            if number == len(self.layers):
                dense = self.norm(dense)
            states.append(dense.flatten(0, 1).index_select(0, places))
            if logits is not None:
                attention[number] = logits[:, :, first:, first:]
        graph = dense[:, 0] if self.token is not None else None
        return self.output(states, batch, graph, attention=attention)
