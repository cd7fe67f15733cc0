"""Config keys of structural encodings."""

from dataclasses import dataclass

from gnn_distill.config.schema.fields import number, positive


@dataclass
class EncodingConfig:
    """Structural encodings that the student reads; 0 or false switches one off."""

    degree: bool = False
    """Graphormer's centrality encoding: in- and out-degree embeddings added to the node features."""
    max_degree: int = number(64, low=1)
    """Largest degree that counts; higher ones are set to it."""
    spd: bool = False
    """Graphormer's spatial encoding: a learned attention bias per hop distance and head."""
    max_spd: int = number(20, low=1, high=253)
    """Largest hop distance that counts; longer ones are set to it, unreachable pairs have their own value."""
    edge: bool = False
    """A learned attention bias per head from the features of the edge that joins a pair."""
    edge_hops: int = number(0, low=0)
    """Graphormer's edge encoding, a learned attention bias per head and hop: number of edges of a shortest path."""
    rwse: int = number(0, low=0, high=1000)
    """Random-walk encoding: return probabilities after 1..rwse steps; 0: none."""
    lap_pe: int = number(0, low=0, high=1000)
    """Number of Laplacian eigenvectors, of the smallest non-zero eigenvalues (random signs in training); 0: none."""
    bias_scale: float = number(0.02, low=0.0)
    """Standard deviation of the attention bias at initialisation."""
    bias_gain: float = positive(1.0)
    """Multiplier of the bias tables, equivalent to a larger learning rate for them."""
    bias_per_layer: bool = False
    """An attention bias of its own in every layer that has one; false: one for all layers, as in Graphormer."""
