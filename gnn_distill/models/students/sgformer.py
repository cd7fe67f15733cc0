"""SGFormer (Wu et al. 2023): one or two layers of linear all-pair attention in parallel with a GNN."""

from math import ceil

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn.attention import SGFormerAttention
from torch_geometric.nn.models.sgformer import GraphModule, SGModule
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


class SimpleAttention(SGFormerAttention):
    """(n·v_i + Σ_j (q̃_i·k̃_j)·v_j) / (n + Σ_j q̃_i·k̃_j), q̃ and k̃ of unit length, mean over heads of full width.

    n and the sums are the graph's own; PyG counts padding in both. As in PyG every q and k has unit length; the
    source divides all of them by one norm of the whole matrix, which leaves about v_i plus the mean of v over n. As in
    PyG the maps to q, k and v have no biases; the source's have.
    """

    def forward(
        self, x: Float[Tensor, "graph node channel"], mask: Bool[Tensor, "graph node"]
    ) -> Float[Tensor, "graph node channel"]:
        q, k, v = (linear(x).unflatten(-1, (self.heads, -1)) for linear in (self.q, self.k, self.v))
        n = mask.sum(dim=1).view(-1, 1, 1, 1)
        numerator, denominator = linear_attention(F.normalize(q, dim=-1), F.normalize(k, dim=-1), v, mask)
        # The denominator is 0 if a query points away from all keys.
        return ((n * v + numerator) / (n + denominator).clamp(min=1e-6)).mean(dim=2)


class AttentionBranch(SGModule):
    """PyG's branch of h ← dropout(relu(norm((attention(h) + h) / 2))), within graphs, with the states of all layers."""

    def __init__(self, channels: int, num_layers: int, num_heads: int, dropout: float) -> None:
        super().__init__(channels, channels, num_layers, num_heads, dropout)
        self.attns = nn.ModuleList(SimpleAttention(channels, num_heads, channels) for _ in range(num_layers))

    def forward(self, x: Tensor, batch: GraphBatch) -> list[Float[Tensor, "node channel"]]:
        x, mask = to_dense_batch(x, batch.batch, max_num_nodes=batch.max_nodes, batch_size=batch.num_graphs)
        x = F.dropout(self.bns[0](self.fcs[0](x)).relu(), self.dropout, self.training)
        states = []
        for attention, norm in zip(self.attns, self.bns[1:], strict=True):
            x = F.dropout(norm((attention(x, mask) + x) / 2).relu(), self.dropout, self.training)
            states.append(x.flatten(0, 1).index_select(0, batch.dense_index))
        return states


class LocalBranch(GraphModule):
    """PyG's branch of h^l = h^0 + dropout(relu(norm(local(h^{l-1})))), any norm and local layer, with all states."""

    def __init__(self, config: StudentConfig, spec: TaskSpec) -> None:
        channels = config.hidden_channels
        super().__init__(channels, channels, config.num_layers, config.dropout)
        self.convs = nn.ModuleList(local_layer(config, spec) for _ in range(config.num_layers))
        self.bns = nn.ModuleList(NORMS[config.norm](channels) for _ in range(config.num_layers + 1))

    def forward(self, x: Tensor, batch: GraphBatch, edges: dict[str, Tensor]) -> list[Float[Tensor, "node channel"]]:
        x = first = F.dropout(self.bns[0](self.fcs[0](x)).relu(), self.dropout, self.training)
        states = []
        for conv, norm in zip(self.convs, self.bns[1:], strict=True):
            x = first + F.dropout(norm(conv(x, batch.edge_index, **edges)).relu(), self.dropout, self.training)
            states.append(x)
        return states


class SGFormer(nn.Module):
    """w·local branch + (1 − w)·attention branch, w = graph_weight, by PyG's sub-modules.

    The state after layer l of L mixes local layer l with attention layer ⌈l·L_attention/L⌉ in the same way, so the
    last one is that of the model. Ours differs from the source: features are encoded once for both branches, attention
    is PyG's, within the graphs of a batch (see SimpleAttention), and the local layer and its norm are
    configurable.
    """

    def __init__(self, config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> None:
        super().__init__()
        channels = config.hidden_channels
        self.state_channels = (channels,) * config.num_layers
        self.graph_channels = channels
        self.graph_weight = config.graph_weight
        self.inputs = Inputs(config, encoding, spec)
        self.trans_conv = AttentionBranch(channels, config.global_layers, config.num_heads, config.dropout)
        self.graph_conv = LocalBranch(config, spec)
        self.output = Output(channels, spec, config.readout, config.dropout)

    @property
    def reads_edges(self) -> bool:
        """Whether edge features change the output."""
        return self.inputs.edges is not None

    def forward(self, batch: GraphBatch, attention_layers: frozenset[int] = frozenset()) -> Representations:
        """Representations of a batch; there are no attention logits."""
        x, edges = self.inputs(batch)
        attended, local = self.trans_conv(x, batch), self.graph_conv(x, batch, edges)
        depth, weight = len(local), self.graph_weight
        states = [
            weight * state + (1 - weight) * attended[ceil(layer * len(attended) / depth) - 1]
            for layer, state in enumerate(local, start=1)
        ]
        return self.output(states, batch)


def build(config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> SGFormer:
    """`num_layers` of local message passing in parallel with `global_layers` of linear attention."""
    return SGFormer(config, encoding, spec)
