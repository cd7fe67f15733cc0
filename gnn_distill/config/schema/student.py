"""Config keys of students."""

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from gnn_distill.config.schema.fields import choice, number


@dataclass
class StudentConfig:
    """Keys of a Transformer student; `name` is its module in gnn_distill.models.students."""

    name: str = MISSING
    """The student's module; with a dot in its name, your own."""
    hidden_channels: int = number(64, low=1)
    """Width of every layer; num_heads must divide it."""
    num_layers: int = number(4, low=1)
    """Number of Transformer layers."""
    num_heads: int = number(4, low=1)
    """Number of attention heads."""
    ffn_ratio: float = number(2.0, low=0.01)
    """transformer, graphormer, nagphormer: width of the feed-forward block over hidden_channels (2 in gps)."""
    dropout: float = number(0.0, low=0.0, high=0.999)
    """Dropout on each block's output and in the head."""
    attention_dropout: float = number(0.0, low=0.0, high=0.999)
    """Dropout on attention weights."""
    readout: str = choice("token", "token", "mean", "sum")
    """How node states become the graph state; token: an extra learned node that attends to all."""
    local: str = choice("gine", "gine", "gin", "gcn", "gat", "sage", "none")
    """gps, sgformer, polynormer: message passing in every layer; gine and gat read edge features; none: gps only."""
    norm: str = choice("batch", "batch", "layer", "none")
    """gps: normalisation in every layer; sgformer, polynormer: in the local layers."""
    global_layers: int = number(1, low=1)
    """sgformer, polynormer: number of global attention layers, parallel to or after the num_layers local ones."""
    graph_weight: float = number(0.5, low=0.0, high=1.0)
    """sgformer: weight of the local layers in the output; attention has the rest."""
    beta: float = number(0.9, low=0.0, high=1.0)
    """polynormer: initial fraction of a layer's output that is not gated."""
    global_residual: bool = True
    """polynormer: add each global layer's input to its output, instead of training the local layers alone at first."""
    hops: int = number(7, low=1)
    """nagphormer: number of hops; a node has a token per hop and one for itself."""
    kwargs: Any = None
    """Further keys for a student of your own; null: none."""
