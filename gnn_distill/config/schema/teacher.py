"""Config keys of teachers."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from gnn_distill.config.schema.fields import choice, common, number


@dataclass
class TeacherConfig:
    """Keys of a GNN teacher; `name` is its module in gnn_distill.models.teachers, or none."""

    name: str = MISSING
    """The teacher's module; with a dot in its name, your own; none: the student learns from labels alone."""
    hidden_channels: int = common(number(64, low=1))
    """Width of every layer."""
    num_layers: int = common(number(4, low=1))
    """Number of message-passing layers."""
    dropout: float = number(0.0, low=0.0, high=0.999)
    """Dropout after every layer and in the head."""
    input_dropout: float = number(0.0, low=0.0, high=0.999)
    """Dropout on the node features, before the first layer."""
    norm: str = choice("batch", "batch", "layer", "none")
    """Normalisation after every convolution."""
    residual: bool = True
    """Add each layer's input to its output."""
    ffn: bool = False
    """A feed-forward block with its own residual connection after every convolution (GNN+)."""
    jumping_knowledge: str = choice("last", "last", "cat", "max", "sum")
    """Node states that the head reads: the last layer's, or all layers' combined."""
    virtual_node: bool = False
    """An extra node connected to all others of its graph, updated after every layer."""
    rwse: int = number(0, low=0, high=1000)
    """Random-walk encoding as input: return probabilities after 1..rwse steps; 0: none."""
    lap_pe: int = number(0, low=0, high=1000)
    """Number of Laplacian eigenvectors as input; 0: none."""
    readout: str = choice("sum", "sum", "mean", "max")
    """How node states become the graph state."""
    train_eps: bool = True
    """GIN: learn the weight of the centre node."""
    heads: int = number(4, low=1)
    """GAT: number of attention heads, which must divide hidden_channels."""
    gat_version: str = choice("v2", "v2", "v1")
    """GAT: v2, whose ranking of neighbours depends on the attending node, or v1, the original."""
    attention_dropout: float = number(0.0, low=0.0, high=0.999)
    """GAT: dropout on attention weights."""
    ensemble: int = number(1, low=1, high=100)
    """Number of teachers that differ in their seed alone, and teach together; the first is that of ensemble=1."""
    also: list[str] = field(default_factory=list)
    """Further kinds of teachers (modules), each with the keys of this one, that teach together with it."""
    control: str = common(choice("none", "none", "untrained", "shuffled", "self"))
    """Control: untrained, states of a random GNN; shuffled, of another graph or node; self, a twin of the student."""
    checkpoint: str | None = common(None)
    """File of weights (.pt, .pth, .ckpt or .safetensors) that the teacher takes instead of training."""
    outputs_file: str | None = None
    """file: NumPy archive (.npz) of outputs that were computed elsewhere: logits, and perhaps graph and ids."""
    target: str | None = None
    """custom: import path of your class, as in my_package.MyGNN."""
    kwargs: Any = None
    """custom: arguments of that class, by name; null: none."""
    node_states: list[str] = field(default_factory=list)
    """custom: paths of the submodules whose outputs are the node states; empty: all message-passing ones."""
    graph_state: str | None = None
    """custom: path of the submodule whose output is the graph state; null: the readout of the last node states."""
    outputs: str = choice("standardised", "standardised", "original", "logits", "probabilities")
    """custom, file: standardised or original targets for regression; logits or probabilities for classes, else detected
    (of a file refused where it may be either)."""
