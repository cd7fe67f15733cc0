"""Config keys of students."""

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from gnn_distill.config.schema.fields import choice, common, number


@dataclass
class StudentConfig:
    """Keys of a Transformer student; `name` is its module in gnn_distill.models.students."""

    name: str = MISSING
    """The student's module; with a dot in its name, your own."""
    hidden_channels: int = common(number(64, low=1))
    """Width of every layer; num_heads must divide it."""
    num_layers: int = common(number(4, low=1))
    """Number of Transformer layers."""
    num_heads: int = number(4, low=1)
    """Number of attention heads."""
    ffn_ratio: float = number(2.0, low=0.01)
    """transformer, graphormer, nagphormer: width of the feed-forward block over hidden_channels (2 in gps)."""
    dropout: float = common(number(0.0, low=0.0, high=0.999))
    """Dropout on each block's output and in the head."""
    attention_dropout: float = number(0.0, low=0.0, high=0.999)
    """Dropout on attention weights."""
    readout: str = choice("token", "token", "mean", "sum")
    """How node states become the graph state; token: an extra learned node that attends to all."""
    local: str = choice("gine", "gine", "gin", "gcn", "gat", "sage", "none")
    """gps, sgformer, polynormer: message passing in every layer; graphvit: in its patches; gine and gat read edge
    features; none: gps only."""
    norm: str = choice("batch", "batch", "layer", "none")
    """gps: normalisation in every layer; sgformer, polynormer, graphvit: in the local layers."""
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
    patches: str = choice("louvain", "louvain", "brics", "bisection")
    """graphvit: how a graph is cut into its patches: Louvain communities, BRICS fragments of molecules, or num_patches
    parts of about equal size."""
    num_patches: int = number(8, low=1)
    """graphvit, patches=bisection: number of patches of a graph; smaller graphs have one per node."""
    patch_hops: int = number(1, low=0)
    """graphvit: number of hops by which every patch grows into its neighbours."""
    patch_walk: int = number(8, low=0)
    """graphvit: steps of the random walk between patches that is their encoding; 0: none."""
    gnn_layers: int = number(4, low=0)
    """graphvit: layers of message passing inside each patch; 0: patches are means of node features and encodings."""
    kwargs: Any = None
    """Further keys for a student of your own; null: none."""
