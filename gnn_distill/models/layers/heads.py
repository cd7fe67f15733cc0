"""From node states to the Representations that every model returns."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.nn import global_add_pool, global_max_pool, global_mean_pool

from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.representations import Representations

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


class Output(nn.Module):
    """The end of every model: a head on the graph state, or at node level a linear map of every node's state.

    The graph state is a readout of the last node states, unless the model has its own (a token's). At node level
    it is their mean, which no head reads, and states and logits are only those of `outputs` of the batch.
    """

    def __init__(self, channels: int, spec: TaskSpec, kind: str, dropout: float) -> None:
        super().__init__()
        self.node_level = spec.level == "node"
        self.kind = "mean" if self.node_level or kind == "token" else kind
        outputs = spec.num_outputs
        self.head = nn.Linear(channels, outputs) if self.node_level else Head(channels, outputs, dropout)

    def forward(
        self,
        states: Sequence[Float[Tensor, "node channel"]],
        batch: GraphBatch,
        graph: Float[Tensor, "graph channel"] | None = None,
        already_rows: bool = False,
        **more: Any,
    ) -> Representations:
        """Representations from the node states after each layer; `more` are further fields of it.

        already_rows: the states are those of `outputs` of the batch, not of all nodes.
        """
        rows = tuple(states) if already_rows else tuple(batch.wanted(state) for state in states)
        if graph is None:
            graph_of = batch.wanted(batch.batch) if already_rows else batch.batch
            graph = readout(self.kind, states[-1], graph_of, batch.num_graphs)
        return Representations(self.head(rows[-1] if self.node_level else graph), rows, graph, **more)
