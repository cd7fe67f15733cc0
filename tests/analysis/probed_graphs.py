"""Graphs and states for tests of probes."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from gnn_distill.analysis.held_out import HeldOut, held_out
from gnn_distill.analysis.levels import Levels, make_levels, rows_of
from gnn_distill.analysis.node_types import NodeTypes, node_types, one_hot
from gnn_distill.analysis.states import Subject
from gnn_distill.analysis.targets import Targets, make_targets
from gnn_distill.config.schema.data import FarMotifConfig, PathsConfig
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.probe import ProbeSettings
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.packed import pointers
from gnn_distill.data.sources.far_motif import load
from gnn_distill.data.task import GraphTask
from gnn_distill.models.representations import Representations

SETTINGS = ProbeSettings(hops=8, untrained=1, resamples=200, pairs=20)


class Known(nn.Module):
    """A model whose node states are given rows; its graph state is their mean."""

    reads_edges = False

    def __init__(self, rows: torch.Tensor) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, batch: GraphBatch) -> Representations:
        states = self.rows[batch.node_rows]
        graph = torch.zeros(batch.num_graphs, states.size(1)).index_add_(0, batch.batch, states)
        graph = graph / batch.ptr.diff()[:, None]
        return Representations(graph[:, :1], (states,), graph)


@dataclass
class Scene:
    task: GraphTask
    held: HeldOut
    types: NodeTypes
    targets: Targets

    def subject(self, states: np.ndarray, spd: bool = True) -> Subject:
        """A model with these node states; its twins have random ones."""
        rows = torch.from_numpy(np.asarray(states, dtype=np.float32))
        encoding = EncodingConfig(degree=spd, spd=spd)
        return Subject(Known(rows), encoding, lambda: Known(torch.randn(rows.shape)))

    def levels(self, subject: Subject, settings: ProbeSettings = SETTINGS) -> Levels:
        marks = one_hot(self.types, rows_of(self.task, self.held))
        return make_levels(self.task, self.held, self.targets, [subject], marks, settings)


def far_motif(graphs: int = 120) -> Scene:
    """Held-out graphs of far_motif with their targets."""
    half = max(graphs // 2, 10)
    task = load(FarMotifConfig(num_train=10, num_val=half, num_test=graphs - half), PathsConfig())
    return scene_of(task)


def scene_of(task: GraphTask) -> Scene:
    held, types = held_out(task), node_types(task, 4)
    rows = rows_of(task, held)
    return Scene(task, held, types, make_targets(held, types, rows, SETTINGS.hops, SETTINGS.pairs, 0, False))


def with_moved_nodes(task: GraphTask, order: Callable[[int], np.ndarray]) -> tuple[GraphTask, np.ndarray]:
    """The same graphs with their nodes in another order, and the new row of each old one."""
    graphs, place = task.graphs, np.empty(task.graphs.x.size(0), dtype=np.int64)
    edges = graphs.edge_index.clone()
    for graph in range(len(graphs)):
        first, last = graphs.node_ptr[graph : graph + 2].tolist()
        moved = order(last - first)
        place[first:last] = first + moved
        here = slice(*graphs.edge_ptr[graph : graph + 2].tolist())
        edges[:, here] = torch.from_numpy(moved)[graphs.edge_index[:, here]]
    x = torch.empty_like(graphs.x)
    x[place] = graphs.x
    truths = []
    for truth in task.node_truths:
        values = torch.empty_like(truth.values)
        values[place] = truth.values
        truths.append(replace(truth, values=values))
    moved_graphs = replace(graphs, x=x, edge_index=edges, node_ptr=pointers(graphs.num_nodes))
    return replace(task, graphs=moved_graphs, node_truths=tuple(truths)), place
