"""Plain Transformer: structure only through node encodings (random walks, Laplacian eigenvectors)."""

from gnn_distill.capabilities import Capabilities
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.transformer import Transformer
from gnn_distill.schema.encoding import EncodingConfig
from gnn_distill.schema.student import StudentConfig

CAPABILITIES = Capabilities(few_shapes=True)


def build(config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> Transformer:
    """Full attention over the nodes of each graph (Dwivedi & Bresson 2021), any encoding, any readout."""
    return Transformer(config, encoding, spec)
