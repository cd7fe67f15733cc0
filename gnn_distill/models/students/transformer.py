"""Plain Transformer: structure only through node encodings (random walks, Laplacian eigenvectors)."""

from gnn_distill.config.capabilities import Capabilities
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.transformer_backbone import Transformer

CAPABILITIES = Capabilities(few_shapes=True)


def build(config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> Transformer:
    """Full attention over the nodes of each graph (Dwivedi & Bresson 2021), any encoding, any readout."""
    return Transformer(config, encoding, spec)
