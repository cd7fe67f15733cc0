"""Graphormer (Ying et al. 2021): degree encoding, hop-distance and edge bias, graph token."""

from gnn_distill.data.task import TaskSpec
from gnn_distill.models.transformer import Transformer
from gnn_distill.schema.encoding import EncodingConfig
from gnn_distill.schema.student import StudentConfig


def build(config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> Transformer:
    """A Transformer with a hop-distance bias in every layer.

    Ours differs from the source: bias tables start at a small scale, unreachable pairs have an entry of their
    own, and the edge bias reads the edge that joins a pair, not the whole shortest path.
    """
    return Transformer(config, encoding, spec)
