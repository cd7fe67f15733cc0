"""Between PyG's flat rows of nodes and the padded form [graph, node, ...], by indices that a batch already has."""

from jaxtyping import Float
from torch import Tensor

from gnn_distill.data.batching import GraphBatch


def to_padded(rows: Float[Tensor, "node channel"], batch: GraphBatch) -> Float[Tensor, "graph place channel"]:
    """Rows in the padded form, zeros elsewhere. PyG's `to_dense_batch` counts the nodes of graphs again."""
    places = batch.num_graphs * batch.max_nodes
    padded = rows.new_zeros(places, rows.size(1)).index_copy(0, batch.dense_index, rows)
    return padded.view(batch.num_graphs, batch.max_nodes, -1)


def to_rows(padded: Float[Tensor, "graph place channel"], batch: GraphBatch) -> Float[Tensor, "node channel"]:
    """The inverse: the rows of nodes, in their order."""
    return padded.flatten(0, 1).index_select(0, batch.dense_index)
