"""Config keys of teachers, students and structural encodings."""

from dataclasses import dataclass

from omegaconf import MISSING

from gnn_distill.schema.fields import choice, number, positive


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


@dataclass
class EncodingConfig:
    """What a student is told about structure; 0 or false leaves one out."""

    degree: bool = False
    """Graphormer's centrality encoding: in- and out-degree embeddings added to the node features."""
    max_degree: int = number(64, low=1)
    """Degrees are capped here."""
    spd: bool = False
    """Graphormer's spatial encoding: a learned attention bias per hop distance and head."""
    max_spd: int = number(20, low=1, high=253)
    """Hop distances are capped here; unreachable pairs have a value of their own."""
    edge: bool = False
    """A learned attention bias per head from the features of the edge that joins a pair."""
    rwse: int = number(0, low=0)
    """Random-walk encoding: return probabilities after 1..rwse steps."""
    lap_pe: int = number(0, low=0)
    """Laplacian eigenvectors of the lap_pe smallest non-zero eigenvalues (random signs in training)."""
    bias_scale: float = number(0.02, low=0.0)
    """Standard deviation of the attention bias at the start."""
    bias_gain: float = positive(1.0)
    """The bias is so many times its tables: as if these had a learning rate of their own."""
