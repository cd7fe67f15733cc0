"""The attention of a GAT teacher, as it is kept for the training graphs."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.packed import gather_ranges


@dataclass
class Attention:
    """A GAT teacher's weights of edges, and of the nodes themselves, in its last layer."""

    edges: Float[Tensor, " edges"]
    loops: Float[Tensor, " nodes"]
    edge_ptr: Int[Tensor, " rows+1"]

    def of(self, batch: GraphBatch, rows: Tensor, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of the edges between the rows of a batch, and of these rows' nodes themselves."""
        edges = gather_ranges(self.edge_ptr, rows)
        if batch.outputs is not None:
            edges = edges[batch.joins_rows.cpu()]
        return self.edges[edges], self.loops[nodes]
