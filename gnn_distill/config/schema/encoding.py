"""Config keys of structural encodings."""

from dataclasses import dataclass

from gnn_distill.config.schema.fields import number, positive


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
    edge_hops: int = number(0, low=0)
    """Graphormer's edge encoding: a learned attention bias per head and hop from so many edges of a shortest path."""
    rwse: int = number(0, low=0, high=1000)
    """Random-walk encoding: return probabilities after 1..rwse steps."""
    lap_pe: int = number(0, low=0, high=1000)
    """Laplacian eigenvectors of the lap_pe smallest non-zero eigenvalues (random signs in training)."""
    bias_scale: float = number(0.02, low=0.0)
    """Standard deviation of the attention bias at the start."""
    bias_gain: float = positive(1.0)
    """The bias is so many times its tables: as if these had a learning rate of their own."""
