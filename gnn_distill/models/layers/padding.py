"""Between PyG's flat rows of nodes and the padded form [graph, node, ...], by indices that a batch already has."""

from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill.data.batching import GraphBatch


def pad(
    rows: Float[Tensor, "node channel"], dense_index: Int[Tensor, "node"], shape: tuple[int, int]
) -> Float[Tensor, "graph place channel"]:
    """Rows in the padded form of this shape, (graphs, places), zeros elsewhere; `dense_index`: as of GraphBatch."""
    graphs, places = shape
    return rows.new_zeros(graphs * places, rows.size(1)).index_copy(0, dense_index, rows).view(graphs, places, -1)


def to_padded(rows: Float[Tensor, "node channel"], batch: GraphBatch) -> Float[Tensor, "graph place channel"]:
    """The rows of all nodes, padded. PyG's `to_dense_batch` counts the nodes of graphs again."""
    return pad(rows, batch.dense_index, (batch.num_graphs, batch.max_nodes))


def to_rows(padded: Float[Tensor, "graph place channel"], batch: GraphBatch) -> Float[Tensor, "node channel"]:
    """The inverse: the rows of nodes, in their order."""
    return padded.flatten(0, 1).index_select(0, batch.dense_index)
