"""Graphormer (Ying et al. 2021): degree encoding, hop-distance and edge bias, graph token."""

from gnn_distill.config.capabilities import Capabilities
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.transformer_backbone import Transformer

CAPABILITIES = Capabilities(needs_distances=True, few_shapes=True)


def build(config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> Transformer:
    """A Transformer with a hop-distance bias in every layer.

    Edges are read as `encoding` says: edge_hops is the source's encoding, of the edges along a shortest path; edge, the
    default, reads the edge that joins a pair. Further differences from the source: distances are capped at max_spd,
    the graph token has an entry for each direction, the bias may be a multiple of its tables (bias_gain), layers
    normalise before attention as in the paper (its code may do so after), and the head is that of all students here.
    """
    return Transformer(config, encoding, spec)
