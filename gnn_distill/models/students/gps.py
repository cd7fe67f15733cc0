"""GPS (Rampášek et al. 2022): message passing and full attention side by side in every layer."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import GPSConv

from gnn_distill.config.capabilities import Capabilities
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.layers.heads import Output
from gnn_distill.models.layers.message_passing import Inputs, local_layer
from gnn_distill.models.layers.norms import NORMS
from gnn_distill.models.layers.padding import to_padded, to_rows
from gnn_distill.models.representations import Representations

CAPABILITIES = Capabilities(reads_bias=False, has_token=False)


class Attention(nn.MultiheadAttention):
    """PyTorch's multi-head attention, by a kernel that does not store all pairs, in evaluation mode either.

    PyTorch's own fast path there stores them, and takes seven times as long for 4,000 nodes.
    """

    def forward(
        self,
        query: Float[Tensor, "graph node channel"],
        key: Tensor,
        value: Tensor,
        key_padding_mask: Bool[Tensor, "graph node"],
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "graph node channel"], None]:
        q, k, v = self.projected(query)
        # A single graph is not padded, and without a mask the kernel is faster.
        mask = ~key_padding_mask[:, None, None, :] if query.size(0) > 1 else None
        dropout = self.dropout if self.training else 0.0
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        return self.out_proj(out.transpose(1, 2).flatten(2)), None

    def logits(self, x: Float[Tensor, "node channel"], batch: GraphBatch) -> Float[Tensor, "graph head query key"]:
        """q·kᵀ/√d, the lowest finite number for padding keys."""
        q, k, _ = self.projected(to_padded(x, batch))
        logits = q @ k.mT * q.size(-1) ** -0.5
        return logits.masked_fill(~batch.mask[:, None, None, :], torch.finfo(logits.dtype).min)

    def projected(self, x: Float[Tensor, "graph node channel"]) -> Float[Tensor, "3 graph head node part"]:
        """Queries, keys and values."""
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        return qkv.unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)


class GPS(nn.Module):
    """h ← norm(u + mlp(u)), u = norm(h + local(h)) + norm(h + attention(h)), by PyG's GPSConv.

    Without a local layer (local=none) u = norm(h + attention(h)). Norms are batch norms, as in the source, or others.
    Attention is per graph; the structure it sees is in the node encodings. Ours differs from the source: edge states
    are encoded once and not updated, there is no choice of linear attention (PyG's counts padding as nodes), and with
    local=gat there are neither self-loops nor a bias (the source has both).
    """

    def __init__(self, config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> None:
        super().__init__()
        channels = config.hidden_channels
        self.state_channels = (channels,) * config.num_layers
        self.graph_channels = channels
        self.inputs = Inputs(config, encoding, spec)
        self.layers = nn.ModuleList(gps_layer(config, spec) for _ in range(config.num_layers))
        self.output = Output(channels, spec, config.readout, config.dropout)

    @property
    def reads_edges(self) -> bool:
        """Whether edge features change the output."""
        return self.inputs.edges is not None

    def forward(self, batch: GraphBatch, attention_layers: frozenset[int] = frozenset()) -> Representations:
        """Representations of a batch, with attention logits of `attention_layers` (counted from 1)."""
        x, edges = self.inputs(batch)
        states, attention = [], {}
        for number, layer in enumerate(self.layers, start=1):
            if number in attention_layers:
                attention[number] = layer.attn.logits(x, batch)
            x = layer(x, batch, edges)
            states.append(x)
        return self.output(states, batch, attention=attention)


class GPSLayer(GPSConv):
    """PyG's layer on nodes whose places in the padded form are known: PyG finds them in every layer and step."""

    def forward(
        self, x: Float[Tensor, "node channel"], batch: GraphBatch, edges: dict[str, Any]
    ) -> Float[Tensor, "node channel"]:
        parts = [] if self.conv is None else [self.norm1(x + self._dropped(self.conv(x, **edges)))]
        attended = to_padded(x, batch)
        attended, _ = self.attn(attended, attended, attended, key_padding_mask=~batch.mask, need_weights=False)
        parts.append(self.norm2(x + self._dropped(to_rows(attended, batch))))
        out = sum(parts)
        return self.norm3(out + self.mlp(out))

    def _dropped(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


def gps_layer(config: StudentConfig, spec: TaskSpec) -> GPSLayer:
    """PyG's layer with our attention, and without norm1 if there is no local layer."""
    channels, heads = config.hidden_channels, config.num_heads
    layer = GPSLayer(channels, local_layer(config, spec), heads, config.dropout, norm=None)
    layer.attn = Attention(channels, heads, config.attention_dropout, batch_first=True)
    layer.norm1, layer.norm2, layer.norm3 = (NORMS[config.norm](channels) for _ in range(3))
    if layer.conv is None:
        layer.norm1 = None
    return layer


def build(config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> GPS:
    """Layers of `student.local` message passing in parallel with multi-head attention, any node encoding."""
    return GPS(config, encoding, spec)
