"""Config keys of teachers."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from gnn_distill.config.schema.fields import choice, number


@dataclass
class TeacherConfig:
    """Keys of a GNN teacher; `name` is its module in gnn_distill.models.teachers, or none."""

    name: str = MISSING
    """The teacher's module, with a dot in its name one of your own; none: the student learns alone."""
    hidden_channels: int = number(64, low=1)
    """Width of every layer."""
    num_layers: int = number(4, low=1)
    """Message-passing layers."""
    dropout: float = number(0.0, low=0.0, high=0.999)
    """Dropout after every layer and in the head."""
    input_dropout: float = number(0.0, low=0.0, high=0.999)
    """Dropout on the node features, before anything reads them."""
    norm: str = choice("batch", "batch", "layer", "none")
    """Normalisation after every convolution."""
    residual: bool = True
    """Add each layer's input to its output."""
    ffn: bool = False
    """A feed-forward block after every convolution, with an addition of its own (GNN+)."""
    jumping_knowledge: str = choice("last", "last", "cat", "max", "sum")
    """The state that the head reads: the last layer's, or all layers' joined."""
    virtual_node: bool = False
    """A node joined to all others of its graph, updated after every layer."""
    rwse: int = number(0, low=0, high=1000)
    """Random-walk encoding as input: return probabilities after 1..rwse steps; 0: none."""
    lap_pe: int = number(0, low=0, high=1000)
    """Laplacian eigenvectors as input: so many; 0: none."""
    readout: str = choice("sum", "sum", "mean", "max")
    """How node states become the graph state."""
    train_eps: bool = True
    """GIN: learn the weight of the centre node."""
    heads: int = number(4, low=1)
    """GAT: attention heads; they must divide hidden_channels."""
    gat_version: str = choice("v2", "v2", "v1")
    """GAT: v2, whose ranking of neighbours depends on the node that looks; v1: the original."""
    attention_dropout: float = number(0.0, low=0.0, high=0.999)
    """GAT: dropout on attention weights."""
    control: str = choice("none", "none", "untrained", "shuffled", "self")
    """Whose states: untrained, a random GNN's; shuffled, another unit's. self: the teacher is the student's twin."""
    checkpoint: str | None = None
    """File of weights (.pt, .pth, .ckpt or .safetensors): the teacher is taken from it and never trained."""
    target: str | None = None
    """custom: import path of your module's class, my_package.MyGNN."""
    kwargs: Any = None
    """custom: arguments of that class; null: none."""
    node_states: list[str] = field(default_factory=list)
    """custom: paths of the submodules whose outputs are the node states; empty: all message-passing ones."""
    graph_state: str | None = None
    """custom: path of the submodule whose output is the graph state; null: the readout of the last node states."""
    outputs: str = choice("standardised", "standardised", "original", "logits", "probabilities")
    """custom: regression, standardised or original targets; of classes logits or probabilities, else found out."""
