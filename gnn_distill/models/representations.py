"""What every model returns."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor


@dataclass
class Representations:
    """Outputs and hidden states of one batch; node states contain only real nodes, in PyG's flat order."""

    logits: Float[Tensor, "example output"]
    """One row per graph (per node at node level); regression: standardised predictions."""
    nodes: tuple[Float[Tensor, "row channel"], ...]
    """Node states after layer 1, 2, ..., L; at node level of the nodes in `outputs` of the batch. Empty for students
    without a token for each node."""
    graph: Float[Tensor, "graph channel"]
    """The graph state that the head reads."""
    attention: dict[int, Float[Tensor, "graph head query key"]] = field(default_factory=dict)
    """Masked attention logits of the requested layers (counted from 1), without the graph token."""
    projected: Float[Tensor, "row channel"] | None = None
    """Students that reuse their teacher's head: last node states in its width, standardised."""
    edge_attention: Float[Tensor, "edge"] | None = None
    """GAT teachers: the weight of each edge of the batch in the last layer, mean over heads."""
    self_attention: Float[Tensor, "node"] | None = None
    """GAT teachers: the weight of each node for itself in that layer."""
    patches: Float[Tensor, "patch channel"] | None = None
    """Students whose tokens are the patches of the batch: their last states, as wide as the graph state."""
