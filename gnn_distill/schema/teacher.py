"""Config keys of teachers."""

from dataclasses import dataclass

from omegaconf import MISSING

from gnn_distill.schema.fields import choice, number


@dataclass
class TeacherConfig:
    """Keys of a GNN teacher; `name` is its module in gnn_distill.models.teachers, or none."""

    name: str = MISSING
    """The teacher's module; none: no teacher, the student learns alone."""
    hidden_channels: int = number(64, low=1)
    """Width of every layer."""
    num_layers: int = number(4, low=1)
    """Message-passing layers."""
    dropout: float = number(0.0, low=0.0, high=0.999)
    """Dropout after every layer and in the head."""
    norm: str = choice("batch", "batch", "layer", "none")
    """Normalisation after every convolution."""
    residual: bool = False
    """Add each layer's input to its output."""
    readout: str = choice("sum", "sum", "mean", "max")
    """How node states become the graph state."""
    virtual_node: bool = False
    """A node joined to all others, updated after every layer."""
    train_eps: bool = True
    """GIN: learn the weight of the centre node."""
    control: str = choice("none", "none", "untrained")
    """untrained: states come from a randomly initialised teacher (logits stay the trained one's)."""
