"""An attention bias for the small graphs."""

import torch
from small_tasks import make_spec

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.models.layers.encoders import AttentionBias

HEADS = 2


def make_bias(token: bool, encoding: EncodingConfig) -> AttentionBias:
    torch.manual_seed(0)
    return AttentionBias(encoding, make_spec(edges="categorical").edge_features, HEADS, token)
