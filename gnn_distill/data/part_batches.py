"""Batches that are parts of one large graph, from its features and edges in memory or on disk."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.in_edges import InEdges, MappedGraph
from gnn_distill.data.loaders import sparse_where_worth
from gnn_distill.data.packed import gather_ranges, pointers
from gnn_distill.data.sampling import Nodes
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError

if TYPE_CHECKING:
    from gnn_distill.data.encodings.structural import StructuralEncodings

PER_NODE = ("in_degree", "out_degree", "rwse", "lap_pe", "hops")
"""Fields of a batch that are rows of its graph's encodings."""
Found = tuple[Nodes, np.ndarray, np.ndarray, np.ndarray | None]
"""Nodes, places of the edges' sources and targets among them, and the edges' columns, as `CSRSampler` gives them."""


class PartBatches:
    """Makes batches of some nodes of a task's graph and some edges between them.

    Raises UserError for tasks about many graphs, which come in batches anyway.
    """

    def __init__(self, task: GraphTask, encodings: "StructuralEncodings | None") -> None:
        graphs = task.graphs
        if task.split_by_graph or (len(graphs) > 1 and task.setting != "inductive"):
            raise UserError(
                f"trainer.sampler: {task.spec.name} is not one large graph, whose parts are read. Set "
                "trainer.sampler=full: its graphs come in batches anyway."
            )
        self.task, self.encodings, self.edges = task, encodings, InEdges.of(graphs)
        mapped, shifted = isinstance(graphs, MappedGraph), bool(task.spec.node_features.std)
        self._x = graphs.x if mapped or shifted else sparse_where_worth(graphs.x)

    def nodes_of(self, split: str) -> tuple[Nodes, Nodes]:
        """The nodes of a split, and all nodes of the graph that holds them, which are consecutive."""
        graphs, rows = self.task.graphs, getattr(self.task.splits, split)
        graph = int(graphs.graphs_of(rows[:1]))
        return rows.numpy(), np.arange(int(graphs.node_ptr[graph]), int(graphs.node_ptr[graph + 1]))

    def batch(
        self, found: Found, outputs: Tensor | None = None, labelled: Tensor | None = None, x: Tensor | None = None
    ) -> GraphBatch:
        """The nodes and edges as a batch; outputs and labelled as there; x: in place of their features."""
        nodes, source, target, edge = found
        attr = self.task.graphs.edge_attr
        return self._made(
            nodes,
            self._features(nodes) if x is None else x,
            torch.from_numpy(np.stack([source, target]).astype(np.int64)),
            None if attr is None else attr[torch.from_numpy(edge)],
            outputs,
            labelled,
            degree=torch.from_numpy(self.edges.degree[nodes]).long(),
        )

    def rows(self, nodes: Nodes, states: tuple[Tensor, ...]) -> GraphBatch:
        """A batch of nodes whose last states are known: neither features nor edges."""
        return self._made(nodes, torch.empty(len(nodes), 0), torch.empty(2, 0, dtype=torch.long), states=states)

    def _made(
        self,
        nodes: Nodes,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | None = None,
        outputs: Tensor | None = None,
        labelled: Tensor | None = None,
        **more: Tensor | tuple[Tensor, ...],
    ) -> GraphBatch:
        graphs, rows = self.task.graphs, torch.from_numpy(nodes).long()
        per_node = {name: getattr(self.encodings, name, None) for name in PER_NODE} if x.size(1) else {}
        more |= {name: values[rows] for name, values in per_node.items() if values is not None}
        count = len(rows)
        return GraphBatch(
            graph_ids=graphs.graphs_of(rows[:1]),
            x=x,
            edge_index=edge_index,
            edge_attr=edge_attr,
            batch=torch.zeros(count, dtype=torch.long),
            ptr=torch.tensor([0, count]),
            y=graphs.y[rows if outputs is None else rows[outputs]],
            node_rows=rows,
            max_nodes=count,
            dense_index=torch.arange(count),
            outputs=outputs,
            labelled=labelled,
            **more,
        )

    def _features(self, nodes: Nodes) -> Tensor:
        rows = torch.from_numpy(nodes).long()
        return sparse_rows(self._x, rows) if self._x.layout == torch.sparse_csr else self._x[rows]


def sparse_rows(x: Tensor, rows: Int[Tensor, " rows"]) -> Tensor:
    """x[rows] of a sparse CSR matrix, which PyTorch cannot index."""
    ptr = x.crow_indices()
    kept = gather_ranges(ptr, rows)
    shape = (len(rows), x.size(1))
    ptr = pointers(ptr.diff()[rows])
    return torch.sparse_csr_tensor(ptr, x.col_indices()[kept], x.values()[kept], shape, check_invariants=False)
