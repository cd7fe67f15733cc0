"""NAGphormer (Chen et al. 2023): a Transformer over the hops of each node."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from gnn_distill.config.capabilities import Capabilities
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.derived import Derived
from gnn_distill.data.sparse_matrix import SparseMatrix
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.layers.encoders import FeatureEncoder, StructuralEncoder
from gnn_distill.models.layers.heads import Output
from gnn_distill.models.representations import Representations
from gnn_distill.models.transformer_backbone import TransformerLayer

CAPABILITIES = Capabilities(
    dense_pairs=False, attends_pairs=False, reads_bias=False, has_token=False, mini_batches=True, reads_hops=True
)


class NAGphormer(nn.Module):
    """Tokens z_i^k = (Â^k·h)_i, k = 0..hops, of node i attend only to each other; then z_i^0 + Σ_{k≥1} α_k·z_i^k.

    Â = D̃^{-1/2}·(A + I)·D̃^{-1/2}, h = features + encodings, α = softmax_k(w·z_i^k). The state after a layer is z_i^0,
    after the last one the readout. A node needs only its own tokens, so that any part of a graph's nodes can be a
    batch. Ours differs from the source: hops are computed from the projected features and their encodings, in every
    step, so that nothing of hops × nodes × features is ever stored, and encodings are trained with the rest:
    Â^k·(X·W + b), where the source, which joins the encodings to X, has Â^k·X·W + b; in parts of a large graph the same
    is computed from stored Â^k·X and Â^k·1, without encodings, and with a dropout of its own for every hop; α does not
    read z_i^0, whose contribution is equal for all k and cancels in the softmax; and the source's head has a hidden
    layer of half the width at node level, too.
    """

    reads_edges = False

    def derives(self, batch: GraphBatch) -> tuple[Derived, ...]:
        """What is found in a batch where it is made."""
        return (HOP,) if batch.hops is None else ()

    def __init__(self, config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> None:
        super().__init__()
        channels = config.hidden_channels
        self.state_channels = (channels,) * config.num_layers
        self.graph_channels = channels
        self.hops = config.hops
        self.features = FeatureEncoder(spec.node_features, channels)
        self.structure = StructuralEncoder(encoding, channels)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(channels)
        self.score = nn.Linear(channels, 1, bias=False)
        self.output = Output(channels, spec, config.readout, config.dropout)

    def forward(self, batch: GraphBatch, attention_layers: frozenset[int] = frozenset()) -> Representations:
        """Representations of a batch; nodes do not attend to nodes, so there are no attention logits."""
        h = self.dropout(self.structure(self.features(batch.x), batch))
        if batch.hops is None:
            tokens = hop_tokens(h, batch, self.hops)
        else:
            further = self.dropout(self.features.of_sums(batch.wanted(batch.hops)))
            tokens = torch.cat([batch.wanted(h).unsqueeze(1), further], dim=1)
        states = []
        for layer in self.layers:
            tokens, _ = layer(tokens, None)
            states.append(tokens[:, 0])
        tokens = self.norm(tokens)
        hops = tokens[:, 1:]
        states[-1] = tokens[:, 0] + (self.score(hops).softmax(dim=1) * hops).sum(dim=1)
        return self.output(states, batch, already_rows=True)


def _hop(batch: GraphBatch) -> SparseMatrix:
    """Â: parallel edges add up, and loops of the graph become the one that every node has."""
    nodes = len(batch.node_rows)
    edge_index, weight = gcn_norm(batch.edge_index, num_nodes=nodes, dtype=torch.float)
    matrix = torch.sparse_coo_tensor(edge_index.flip(0), weight, (nodes, nodes), check_invariants=False).coalesce()
    return SparseMatrix.of(*matrix.indices(), matrix.values(), (nodes, nodes))


HOP = Derived("hop", _hop)


def hop_tokens(h: Float[Tensor, "node channel"], batch: GraphBatch, hops: int) -> Float[Tensor, "row hop channel"]:
    """Rows of h, Â·h, ..., Â^hops·h for `outputs` of the batch: only two full matrices exist at a time."""
    if torch.compiler.is_exporting():  # programs have neither sparse matrices nor sizes that depend on values
        return batch.wanted(_hop_sums(h, batch.edge_index, hops))
    adjacency = HOP(batch)
    tokens = [batch.wanted(h)]
    for _ in range(hops):
        h = adjacency @ h
        tokens.append(batch.wanted(h))
    return torch.stack(tokens, dim=1)


def _hop_sums(
    h: Float[Tensor, "node channel"], edge_index: Int[Tensor, "2 edges"], hops: int
) -> Float[Tensor, "node hop channel"]:
    """The same by sums over edges, which stores a message of each; a loop of the graph weighs 0, that of Â 1/d̃."""
    source, target = edge_index
    joins = (source != target).to(h.dtype)
    scale = h.new_ones(h.size(0)).index_add(0, target, joins).rsqrt()
    weight = (joins * scale[source] * scale[target]).unsqueeze(1)
    states = [h]
    for _ in range(hops):
        h = (scale**2).unsqueeze(1) * h + torch.zeros_like(h).index_add(0, target, weight * h[source])
        states.append(h)
    return torch.stack(states, dim=1)


def build(config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> NAGphormer:
    """Attention among `hops` + 1 tokens of each node, any node encoding."""
    return NAGphormer(config, encoding, spec)
