"""Graph attention networks: GATv2 (Brody et al. 2022), and the original (Veličković et al. 2018)."""

from torch import Tensor
from torch_geometric.nn import GATConv, GATv2Conv

from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.gnn_backbone import GNN

VERSIONS = {"v1": GATConv, "v2": GATv2Conv}


def build(config: TeacherConfig, spec: TaskSpec) -> GNN:
    """h_i ← ‖_heads Σ_{j∈N(i)∪{i}} α_ij·W·h_j, with α_i· a softmax of the scores s_ij.

    v2: s_ij = aᵀ·leaky_relu(W_t·h_i + W·h_j + W_e·e_ji); v1: leaky_relu(aᵀ·[W·h_i ‖ W·h_j ‖ W_e·e_ji]). e is omitted
    if edges have no features; the self-loop of a node has the mean over its incoming edges.
    Ours differs from the source: heads are concatenated in the last layer, too, since a separate head follows.
    """
    channels = config.hidden_channels
    edge_channels = None if spec.edge_features is None else channels

    def conv() -> GATConv | GATv2Conv:
        return VERSIONS[config.gat_version](
            channels, channels // config.heads, config.heads, dropout=config.attention_dropout, edge_dim=edge_channels
        )

    return GAT(config, spec, conv, uses_edges=True)


class GAT(GNN):
    """A GNN that returns, outside training, the attention of its last layer."""

    def convolve(
        self, layer: int, x: Tensor, edge_index: Tensor, edges: Tensor | None
    ) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
        if self.training or layer < len(self.convs) - 1:  # dropout distorts it, and no loss of the teacher reads it
            return super().convolve(layer, x, edge_index, edges)
        out, (_, weights) = self.convs[layer](x, edge_index, edges, return_attention_weights=True)
        weights = weights.mean(dim=1)
        # PyG removes the self-loops of the graph and appends one for every node.
        between = edge_index[0] != edge_index[1]
        num_between = len(weights) - len(x)
        edge_attention = weights.new_zeros(edge_index.size(1)).masked_scatter(between, weights[:num_between])
        return out, edges, {"edge_attention": edge_attention, "self_attention": weights[num_between:]}
