"""Polynormer (Deng et al. 2024): gated local layers, then gated linear attention."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch_geometric.nn.attention import PolynormerAttention
from torch_geometric.utils import to_dense_batch

from gnn_distill.config.capabilities import Capabilities
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.layers.heads import Output
from gnn_distill.models.layers.linear_attention import linear_attention
from gnn_distill.models.layers.message_passing import Inputs, local_layer
from gnn_distill.models.layers.norms import NORMS
from gnn_distill.models.representations import Representations

CAPABILITIES = Capabilities(dense_pairs=False, attends_pairs=False, reads_bias=False, has_token=False, needs_local=True)


class GlobalAttention(PolynormerAttention):
    """dropout(relu(W·(norm(a_i) ⊙ (W_h·h_i + β)))), a_i = Σ_j (σ(k_i)·σ(k_j))·v_j / Σ_j σ(k_i)·σ(k_j).

    Keys serve as queries and β is learned, as in the source. The sums are the graph's own; PyG counts padding in the
    denominator, keeps β fixed, and fails for more than one head. As in PyG the maps to k and v have no biases and every
    layer has its own W; in the source they have, and all layers share W.
    """

    def __init__(self, channels: int, num_heads: int, beta: float, dropout: float) -> None:
        super().__init__(channels, num_heads, channels // num_heads, dropout=dropout)
        self.beta = nn.Parameter(torch.full((channels,), beta))

    def forward(
        self, x: Float[Tensor, "graph node channel"], mask: Bool[Tensor, "graph node"]
    ) -> Float[Tensor, "graph node channel"]:
        # PyG's order of channels: heads last.
        k, v = (values.unflatten(-1, (-1, self.heads)).mT for values in (self.k(x).sigmoid(), self.v(x)))
        numerator, denominator = linear_attention(k, k, v, mask)
        attended = (numerator / (denominator + 1e-6)).mT.flatten(2)
        return self.dropout(self.lin_out(self.lns(attended) * (self.h_lins(x) + self.beta)).relu())


class Polynormer(nn.Module):
    """Local layers x ← (1 − β)·norm(h ⊙ x') + β·x', then global attention on norm(Σ_l x^l).

    x' = dropout(relu(norm(local(x) + W·x))) and h = relu(W_h·x): each layer doubles the degree of a polynomial in the
    inputs. Node states are those after each of the num_layers local and then of the global_layers global layers. Ours
    differs from the source: it trains the local layers alone first, with their own head; here all train jointly,
    and global layers add their input (global_residual), so that the head reads the local ones from the start. The norm
    in x' is PyG's; β is learned directly, where the source by default learns its logit; the source drops raw
    features, too; the local layer may be another than GAT. See GlobalAttention for further differences.
    """

    def __init__(self, config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> None:
        super().__init__()
        channels, depth, beta, dropout = config.hidden_channels, config.num_layers, config.beta, config.dropout
        self.state_channels = (channels,) * (depth + config.global_layers)
        self.graph_channels = channels
        self.global_residual = config.global_residual
        self.inputs = Inputs(config, encoding, spec)
        self.dropout = nn.Dropout(dropout)
        self.h_lins = nn.ModuleList(nn.Linear(channels, channels) for _ in range(depth))
        self.local_convs = nn.ModuleList(local_layer(config, spec) for _ in range(depth))
        self.lins = nn.ModuleList(nn.Linear(channels, channels) for _ in range(depth))
        self.post_bns = nn.ModuleList(NORMS[config.norm](channels) for _ in range(depth))
        self.lns = nn.ModuleList(nn.LayerNorm(channels) for _ in range(depth))
        self.betas = nn.ParameterList(torch.full((channels,), beta) for _ in range(depth))
        self.ln = nn.LayerNorm(channels)
        self.global_attn = nn.ModuleList(
            GlobalAttention(channels, config.num_heads, beta, dropout) for _ in range(config.global_layers)
        )
        self.output = Output(channels, spec, config.readout, dropout)

    @property
    def reads_edges(self) -> bool:
        """Whether edge features change the output."""
        return self.inputs.edges is not None

    def forward(self, batch: GraphBatch, attention_layers: frozenset[int] = frozenset()) -> Representations:
        """Representations of a batch; there are no attention logits."""
        x, edges = self.inputs(batch)
        states = []
        layers = zip(self.h_lins, self.local_convs, self.lins, self.post_bns, self.lns, self.betas, strict=True)
        for gate, conv, linear, inner, norm, beta in layers:
            h = gate(x).relu()
            x = conv(x, batch.edge_index, **edges) + linear(x)
            x = self.dropout(inner(x).relu())
            x = torch.lerp(norm(h * x), x, beta)
            states.append(x)
        x = self.ln(sum(states))
        x, mask = to_dense_batch(x, batch.batch, max_num_nodes=batch.max_nodes, batch_size=batch.num_graphs)
        for attention in self.global_attn:
            out = attention(x, mask)
            x = x + out if self.global_residual else out
            states.append(x.flatten(0, 1).index_select(0, batch.dense_index))
        return self.output(states, batch)


def build(config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> Polynormer:
    """`num_layers` of gated local message passing, then `global_layers` of gated linear attention."""
    return Polynormer(config, encoding, spec)
