"""Which nodes of a run of nodes `gnn-distill explain` explains, and the graphs that hold them."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill.analysis.attribution import Asked
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import refuse


@dataclass(frozen=True)
class ChosenNodes:
    """Nodes that are explained, and the graphs that hold them."""

    graphs: PackedGraphs
    numbers: list[Int[np.ndarray, " nodes"]]
    """Of each graph the numbers of its nodes in the data."""
    of: list[tuple[int, int]]
    """Of each chosen node its graph, and its place there."""

    def asking(self, asked: Asked) -> Asked:
        """What is asked of rows of these nodes, of the nodes in their graphs."""
        graphs, places = torch.tensor(self.of).T
        return replace(asked, graphs=graphs, nodes=places)

    def rows(self, logits: Float[Tensor, "node output"]) -> Float[Tensor, "chosen output"]:
        """The chosen nodes' rows among those of all nodes of the graphs."""
        return logits[torch.tensor([int(self.graphs.node_ptr[graph]) + place for graph, place in self.of])]


def choose_nodes(task: GraphTask, given: list[int], limit: int) -> ChosenNodes:
    """The nodes with these numbers in the data, else the first test nodes, up to `limit`.

    Raises:
        UserError: for a number that no node has.
    """
    graphs = task.graphs
    numbers = torch.arange(len(graphs.x)) if task.nodes is None else task.nodes
    if given:
        count = int(numbers.max()) + 1
        if wrong := [number for number in given if not 0 <= number < count]:
            raise refuse("nodes", wrong[0], f"no such node. Those of {task.spec.name} are 0 to {count - 1}.")
        # Of an inductive run's copies of the graph the whole one, on which it was tested, comes first.
        rows = torch.tensor(list(dict.fromkeys(given)))
    else:
        rows = task.splits.test[:limit]
    held = graphs.graphs_of(rows.sort().values)
    owner = torch.searchsorted(graphs.node_ptr, rows, right=True) - 1
    place_of = {graph: place for place, graph in enumerate(held.tolist())}
    return ChosenNodes(
        graphs.select(held),
        [numbers[graphs.node_ptr[graph] : graphs.node_ptr[graph + 1]].numpy() for graph in held.tolist()],
        [(place_of[graph], int(row - graphs.node_ptr[graph])) for row, graph in zip(rows, owner.tolist(), strict=True)],
    )
