"""The backbone of all GNN teachers."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.batching import ADJACENCY, GraphBatch
from gnn_distill.data.derived import Derived
from gnn_distill.data.sparse_matrix import SparseMatrix
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.layers.encoders import FeatureEncoder, StructuralEncoder
from gnn_distill.models.layers.heads import Output, readout
from gnn_distill.models.layers.norms import NORMS
from gnn_distill.models.layers.sparse_sums import GCN_EDGES, WeightedEdges
from gnn_distill.models.representations import Representations

JUMPS: dict[str, Callable[[Sequence[Tensor]], Tensor]] = {
    "last": lambda states: states[-1],
    "cat": lambda states: torch.cat(list(states), dim=1),
    "max": lambda states: torch.stack(list(states)).amax(dim=0),
    "sum": lambda states: torch.stack(list(states)).sum(dim=0),
}


def teacher_encoding(config: TeacherConfig) -> EncodingConfig:
    """The structural encodings that a teacher reads, which its batches must contain."""
    return EncodingConfig(rwse=config.rwse, lap_pe=config.lap_pe)


class GNN(nn.Module):
    """Message passing between an encoder and a head: h^l = dropout(relu(norm(conv(h^{l-1})))) (+ h^{l-1}).

    `conv()` makes one convolution, which is called with (x, edge_index, edge states or None). Options:

    - ffn: h^l ← norm(h^l + W₂·dropout(relu(W₁·h^l))) (GNN+, Luo et al. 2025).
    - virtual_node v of each graph: h^{l-1} ← h^{l-1} + v, and after the layer v ← v + mlp(v + Σ_i h_i^l)
      (Gilmer et al. 2017; Hu et al. 2020); at node level the mean instead of the sum, since graphs are large.
    - jumping_knowledge (Xu et al. 2018): the last state, which head and readout read, is the concatenation,
      maximum or sum of all layers' states.
    - rwse, lap_pe: linear maps of structural encodings, added to the input.
    - matrix: a kind of `GraphBatch.adjacency` that the convolution takes in place of edges, in batches that are parts
      of a graph.
    - input_dropout: dropout of features; for categorical features, of the channels of their embeddings.
    """

    updates_edges = False
    """Whether edges have states that change from layer to layer."""

    def __init__(
        self,
        config: TeacherConfig,
        spec: TaskSpec,
        conv: Callable[[], nn.Module],
        uses_edges: bool,
        matrix: str | None = None,
    ) -> None:
        super().__init__()
        self.matrix = matrix
        channels, layers = config.hidden_channels, config.num_layers
        self.residual = config.residual
        self.join = JUMPS[config.jumping_knowledge]
        last = channels * layers if config.jumping_knowledge == "cat" else channels
        self.state_channels = (*(channels,) * (layers - 1), last)
        self.graph_channels = last
        self.input_dropout = nn.Dropout(config.input_dropout)
        self.encoder = FeatureEncoder(spec.node_features, channels)
        self.structure = StructuralEncoder(teacher_encoding(config), channels)
        edges = uses_edges and spec.edge_features is not None
        self.edge_encoder = FeatureEncoder(spec.edge_features, channels) if edges else None
        self.convs = nn.ModuleList(conv() for _ in range(layers))
        self.norms = nn.ModuleList(NORMS[config.norm](channels) for _ in range(layers))
        self.dropout = nn.Dropout(config.dropout)
        self.ffns = nn.ModuleList(FeedForward(config) for _ in range(layers if config.ffn else 0))
        self.virtual = None
        if config.virtual_node:
            self.pooling = "sum" if spec.level == "graph" else "mean"
            self.virtual = nn.Parameter(torch.zeros(channels))
            self.virtual_mlps = nn.ModuleList(perceptron(channels) for _ in range(layers - 1))
        self.output = Output(last, spec, config.readout, config.dropout)

    @property
    def reads_edges(self) -> bool:
        """Whether edge features change the output."""
        return self.edge_encoder is not None

    def forward(self, batch: GraphBatch) -> Representations:
        if batch.states:
            return self.output(batch.states, batch, already_rows=True)
        x = self.initial(batch)
        edges, between = self.encode_edges(batch), self.between(batch)
        virtual = None if self.virtual is None else self.virtual.expand(batch.num_graphs, -1)
        states, more = [], {}
        for layer in range(len(self.norms)):
            if virtual is not None:
                x = x + virtual[batch.batch]
            out, edges, more = self.convolve(layer, x, between, edges)
            x = self.update(layer, x, out)
            states.append(x)
            if virtual is not None and layer < len(self.norms) - 1:
                pooled = readout(self.pooling, x, batch.batch, batch.num_graphs)
                virtual = virtual + self.virtual_mlps[layer](virtual + pooled)
        return self.output([*states[:-1], self.join(states)], batch, **more)

    def initial(self, batch: GraphBatch) -> Tensor:
        """h^0 [node, channel]."""
        return self.structure(self.encode_nodes(batch.x), batch)

    def between(self, batch: GraphBatch) -> Tensor | WeightedEdges | SparseMatrix:
        """What convolutions read of edges: of a part of a graph a sparse matrix, where they take one."""
        (found,) = self.derives(batch) or (lambda batch: batch.edge_index,)
        return found(batch)

    def derives(self, batch: GraphBatch) -> tuple[Derived, ...]:
        """What is found in a batch where it is made."""
        if self.matrix is not None and batch.degree is not None:
            return (ADJACENCY[self.matrix],)
        return (GCN_EDGES,) if self.matrix == "gcn" else ()

    def update(self, layer: int, x: Tensor, out: Tensor) -> Tensor:
        """h^l from h^{l-1} and its convolution, row by row."""
        out = self.dropout(self.norms[layer](out).relu())
        x = x + out if self.residual else out
        return self.ffns[layer](x) if self.ffns else x

    def encode_nodes(self, x: Tensor) -> Tensor:
        """Hidden states [node, channel] from the features."""
        encoder, drop = self.encoder, self.input_dropout
        if encoder.linear is None:
            return drop(encoder(x))
        if x.layout == torch.sparse_csr:  # zeros need not be dropped
            kept = drop(x.values())
            x = torch.sparse_csr_tensor(x.crow_indices(), x.col_indices(), kept, x.shape, check_invariants=False)
            return encoder(x)
        return encoder.linear(drop(encoder.scaled(x)))

    def encode_edges(self, batch: GraphBatch) -> Tensor | None:
        """Edge states [edge, channel] from the features; None without features or if the convolution ignores them."""
        return None if self.edge_encoder is None else self.edge_encoder(batch.edge_attr)

    def convolve(
        self, layer: int, x: Tensor, edge_index: Tensor | WeightedEdges | SparseMatrix, edges: Tensor | None
    ) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
        """New node states, the edge states for the next layer, and further fields of Representations.

        edge_index: or the sparse matrix `matrix`.
        """
        return self.convs[layer](x, edge_index, edges), edges, {}


class FeedForward(nn.Module):
    """norm(h + dropout(W₂·dropout(relu(W₁·h)))), twice as wide inside."""

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__()
        self.mlp = perceptron(config.hidden_channels, config.dropout)
        self.norm = NORMS[config.norm](config.hidden_channels)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.dropout(self.mlp(x)))


def perceptron(channels: int, dropout: float = 0.0) -> nn.Sequential:
    """Two layers, twice as wide inside."""
    return nn.Sequential(
        nn.Linear(channels, 2 * channels), nn.ReLU(), nn.Dropout(dropout), nn.Linear(2 * channels, channels)
    )
