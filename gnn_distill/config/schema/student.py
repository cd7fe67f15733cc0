"""Config keys of students."""

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from gnn_distill.config.schema.fields import choice, number


@dataclass
class StudentConfig:
    """Keys of a Transformer student; `name` is its module in gnn_distill.models.students."""

    name: str = MISSING
    """The student's module, with a dot in its name one of your own."""
    hidden_channels: int = number(64, low=1)
    """Width of every layer; num_heads must divide it."""
    num_layers: int = number(4, low=1)
    """Transformer layers."""
    num_heads: int = number(4, low=1)
    """Attention heads."""
    ffn_ratio: float = number(2.0, low=0.01)
    """transformer, graphormer, nagphormer: width of the feed-forward block over hidden_channels (in gps it is 2)."""
    dropout: float = number(0.0, low=0.0, high=0.999)
    """Dropout on each block's output and in the head."""
    attention_dropout: float = number(0.0, low=0.0, high=0.999)
    """Dropout on attention weights."""
    readout: str = choice("token", "token", "mean", "sum")
    """How node states become the graph state; token: a learned node that attends to all."""
    local: str = choice("gine", "gine", "gin", "gcn", "gat", "sage", "none")
    """gps, sgformer, polynormer: message passing of every layer; gine and gat read edge features; none: gps only."""
    norm: str = choice("batch", "batch", "layer", "none")
    """gps: normalisation in every layer; sgformer, polynormer: that of the local layers."""
    global_layers: int = number(1, low=1)
    """sgformer, polynormer: layers of global attention, beside or after the num_layers local ones."""
    graph_weight: float = number(0.5, low=0.0, high=1.0)
    """sgformer: share of the local layers in the output; the rest is attention's."""
    beta: float = number(0.9, low=0.0, high=1.0)
    """polynormer: share of a layer's output that is not gated, at the start."""
    global_residual: bool = True
    """polynormer: add each global layer's input to its output, instead of training the local layers alone at first."""
    hops: int = number(7, low=1)
    """nagphormer: tokens of a node beside its own, one a hop."""
    kwargs: Any = None
    """Keys of your own, for a student of your own; null: none."""
