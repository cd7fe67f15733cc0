"""From node states to the graph state, and from there to logits."""

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.nn import global_add_pool, global_max_pool, global_mean_pool

READOUTS = {"sum": global_add_pool, "mean": global_mean_pool, "max": global_max_pool}


def readout(
    kind: str, nodes: Float[Tensor, "node channel"], batch: Int[Tensor, "node"], num_graphs: int
) -> Float[Tensor, "graph channel"]:
    """Sum, mean or maximum of each graph's node states."""
    return READOUTS[kind](nodes, batch, num_graphs)


class Head(nn.Sequential):
    """Two-layer perceptron: W₂·dropout(relu(W₁·g + b₁)) + b₂."""

    def __init__(self, channels: int, num_outputs: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(channels, channels),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(channels, num_outputs),
        )
