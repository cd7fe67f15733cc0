"""Graph ViT (He et al. 2023): a Transformer whose tokens are parts of the graph, encoded by a small GNN."""

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor, nn

from gnn_distill.config.capabilities import Capabilities
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.derived import Derived
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.layers.encoders import FeatureEncoder, StructuralEncoder
from gnn_distill.models.layers.message_passing import local_layer, reads_edges
from gnn_distill.models.layers.norms import NORMS
from gnn_distill.models.layers.sparse_sums import PATCH_GCN_EDGES
from gnn_distill.models.representations import Representations
from gnn_distill.models.transformer_backbone import Transformer

CAPABILITIES = Capabilities(
    dense_pairs=False, attends_pairs=False, reads_bias=False, needs_local=True, node_states=False, reads_patches=True
)


class GraphViT(Transformer):
    """A Transformer over patches p: z_p = mean over the members of p of their states after `gnn_layers` local layers.

    A member is a node within one patch: x ← x + dropout(relu(norm(local(x)))), x⁰ = features + node encodings, along
    the edges inside the patch, so that a node in two patches has a state in each. The encoding of patches is that of
    random walks between them; attention is biased by hop distances between them, as in Graphormer. The graph state
    is the mean or sum of the last patch states, or a token's. There are no node states.
    Ours differs from the source: patches need not come from METIS, and are the same in every epoch; the source
    multiplies attention by the matrix of shared nodes (or does not use it), and lets members of different patches
    exchange their states, and patches return theirs to their members, between the local layers. Two patches are
    neighbours where an edge joins the parts that they grew from, so that this is defined for patches that do not grow.
    """

    def __init__(self, config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> None:
        of_patches = {"degree": False, "spd": True, "edge": False, "edge_hops": 0, "lap_pe": 0}
        super().__init__(config, replace(encoding, rwse=config.patch_walk, **of_patches), spec)
        channels, depth = config.hidden_channels, config.gnn_layers
        self.state_channels = ()
        self.node_structure = StructuralEncoder(encoding, channels)
        self.edges = FeatureEncoder(spec.edge_features, channels) if depth and reads_edges(config, spec) else None
        self.convs = nn.ModuleList(local_layer(config, spec) for _ in range(depth))
        self.norms = nn.ModuleList(NORMS[config.norm](channels) for _ in range(depth))
        self.weighted = depth > 0 and config.local == "gcn"

    @property
    def reads_edges(self) -> bool:
        """Whether edge features change the output."""
        return self.edges is not None

    def forward(self, batch: GraphBatch, attention_layers: frozenset[int] = frozenset()) -> Representations:
        """Representations of a batch, without node states; attention between patches is none between nodes."""
        patches = batch.patches
        x = patches.means(self.members(batch))
        out = self.output_of(self.dropout(self.structure(x, patches.graph)), patches.graph)
        return replace(out, nodes=(), patches=out.nodes[-1])

    def derives(self, batch: GraphBatch) -> tuple[Derived, ...]:
        """What is found in a batch where it is made."""
        return (PATCH_GCN_EDGES,) if self.weighted else ()

    def members(self, batch: GraphBatch) -> Float[Tensor, "member channel"]:
        """States of the members of all patches."""
        patches, edges = batch.patches, {}
        x = self.dropout(self.node_structure(self.features(batch.x), batch)).index_select(0, patches.members)
        if self.edges is not None:
            edges["edge_attr"] = self.edges(batch.edge_attr).index_select(0, patches.edges)
        edges["edge_index"] = PATCH_GCN_EDGES(batch) if self.weighted else patches.edge_index
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x + self.dropout(norm(conv(x, **edges)).relu())
        return x


def build(config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> GraphViT:
    """`gnn_layers` of `student.local` message passing in the patches, `num_layers` of attention between them."""
    return GraphViT(config, encoding, spec)
