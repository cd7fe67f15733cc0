"""Inputs and local layers shared by students with message passing."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.nn import GATConv, GINConv, GINEConv, MessagePassing, SAGEConv

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.derived import Derived
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.layers.encoders import FeatureEncoder, StructuralEncoder
from gnn_distill.models.layers.sparse_sums import GCN_EDGES, WeightedGCNConv

READ_EDGES = ("gine", "gat")


def reads_edges(config: StudentConfig, spec: TaskSpec) -> bool:
    """Whether there are edge features and the local layers read them."""
    return spec.edge_features is not None and config.local in READ_EDGES


def local_layer(config: StudentConfig, spec: TaskSpec) -> MessagePassing | None:
    """The layer `student.local`, or None; sums over the neighbours j of i, along edges j→i with states e.

    gin: mlp(h_i + Σ h_j) (Xu et al. 2019); gine: mlp(h_i + Σ relu(h_j + e_ji)) (Hu et al. 2020), gin for edges without
    features; gcn: Σ_{j or i} W·h_j/√(d̃_i·d̃_j) (Kipf & Welling 2017); sage: W₁·h_i + W₂·mean h_j (Hamilton et al.
    2017); gat: Σ α_ij·W·h_j with α from h_i, h_j and e_ji (Veličković et al. 2018), without loops and bias, as in
    Polynormer: all users of it add the node itself.
    """
    channels, heads, edges = config.hidden_channels, config.num_heads, reads_edges(config, spec)
    if config.local in ("gin", "gine"):
        mlp = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels))
        return (GINEConv if edges else GINConv)(mlp)
    if config.local == "gcn":
        return WeightedGCNConv(channels, channels)
    if config.local == "sage":
        return SAGEConv(channels, channels)
    if config.local == "gat":
        edge_dim = channels if edges else None
        return GATConv(channels, channels // heads, heads, add_self_loops=False, edge_dim=edge_dim, bias=False)
    return None


class Inputs(nn.Module):
    """The initial node states, dropout(features + structural encodings), and the edges for local layers."""

    def __init__(self, config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> None:
        super().__init__()
        channels = config.hidden_channels
        self.features = FeatureEncoder(spec.node_features, channels)
        self.structure = StructuralEncoder(encoding, channels)
        self.dropout = nn.Dropout(config.dropout)
        self.edges = FeatureEncoder(spec.edge_features, channels) if reads_edges(config, spec) else None
        self.weighted = config.local == "gcn"

    def derives(self, batch: GraphBatch) -> tuple[Derived, ...]:
        """What is found in a batch where it is made."""
        return (GCN_EDGES,) if self.weighted else ()

    def forward(self, batch: GraphBatch) -> tuple[Float[Tensor, "node channel"], dict[str, Any]]:
        """Node states, and further arguments of local layers: `edge_index` and, if they read it, `edge_attr`."""
        x = self.dropout(self.structure(self.features(batch.x), batch))
        edges = {"edge_index": GCN_EDGES(batch) if self.weighted else batch.edge_index}
        return x, edges if self.edges is None else {**edges, "edge_attr": self.edges(batch.edge_attr)}
