"""Config keys of students."""

from dataclasses import dataclass

from omegaconf import MISSING

from gnn_distill.schema.fields import choice, number


@dataclass
class StudentConfig:
    """Keys of a Transformer student; `name` is its module in gnn_distill.models.students."""

    name: str = MISSING
    """The student's module."""
    hidden_channels: int = number(64, low=1)
    """Width of every layer; num_heads must divide it."""
    num_layers: int = number(4, low=1)
    """Transformer layers."""
    num_heads: int = number(4, low=1)
    """Attention heads."""
    ffn_ratio: float = number(2.0, low=0.01)
    """Width of the feed-forward block over hidden_channels."""
    dropout: float = number(0.0, low=0.0, high=0.999)
    """Dropout on each block's output and in the head."""
    attention_dropout: float = number(0.0, low=0.0, high=0.999)
    """Dropout on attention weights."""
    readout: str = choice("token", "token", "mean", "sum")
    """How node states become the graph state; token: a learned node that attends to all."""
