"""Batches of graphs, of one graph and of some of its nodes, with both sides' states and all that terms may read."""

from dataclasses import replace
from functools import cached_property
from itertools import pairwise

import pair_reference as pairs
import torch
from objective_cases import (
    DEAD,
    STUDENT_CHANNELS,
    STUDENT_LAYERS,
    TEACHER_CHANNELS,
    WIDTHS,
    FoundStructure,
    draw_states,
    make_moments,
    random_tensor,
)
from small_tasks import encode, make_graphs, make_node_task, make_spec, preset
from torch import Tensor
from worlds import World

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig
from gnn_distill.data.batching import collate
from gnn_distill.data.subgraphs.bisection import bisected
from gnn_distill.data.subgraphs.node_sets import communities
from gnn_distill.data.subgraphs.subgraphs import batch_walks, compute_subgraphs
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.projectors import TeacherShape
from gnn_distill.losses.task import TaskLoss
from gnn_distill.losses.term import TeacherRows
from gnn_distill.models.representations import Representations

HEADS, WALK, MEDIAN = 4, 3, 1.7
GRAPHS = tuple(range(8))
LEVELS = ("graph", "node", "some")
"""Graphs; all nodes of one graph; some of its nodes."""


class Scene:
    """A batch with random states on both sides, the objective of a case, and the rows that references read."""

    def __init__(self, level: str, loss: LossConfig, align: AlignmentConfig, some: bool = False) -> None:
        self.level, self.loss, self.align = level, loss, align
        if level == "graph":
            self.spec = make_spec()
            self.packed, ids = make_graphs(self.spec), torch.tensor(GRAPHS)
        else:
            task = make_node_task()
            self.spec, self.packed, ids = task.spec, task.graphs, torch.tensor([0])
        student = preset("student", "graphvit", patches="bisection", num_patches=3) if align.source == "patch" else None
        batch = collate(self.packed, encode(self.packed, EncodingConfig(spd=True), student), ids)
        if level == "node":
            batch = replace(batch, labelled=torch.arange(3, 15))
        if some:  # every second node, in another order
            outputs = torch.arange(1, 40, 2).flip(0)
            batch = replace(batch, outputs=outputs, y=batch.y[outputs])
        self.batch = batch
        self.out, self.teacher = self._student(), self._teacher()
        moments = {layer: make_moments(layer) for layer in (1, 2)}
        self.shape = TeacherShape(2, moments, make_moments(3), draw_states, lambda _: MEDIAN)
        self.structure = FoundStructure(self.packed, among=torch.arange(len(self.packed.x)))
        torch.manual_seed(0)
        self.objective = Objective(TaskLoss(self.spec), loss, align, self.shape, WIDTHS, self.structure)

    def _student(self) -> Representations:
        batch = self.batch
        rows, graphs = len(batch.wanted(batch.node_rows)), batch.num_graphs
        nodes = tuple(random_tensor(rows, STUDENT_CHANNELS, seed=n).requires_grad_() for n in range(STUDENT_LAYERS))
        graph = random_tensor(graphs, STUDENT_CHANNELS, seed=10).requires_grad_()
        lowest = torch.finfo(torch.float32).min
        size = batch.max_nodes
        attention = {
            layer: random_tensor(graphs, HEADS, size, size, seed=60 + layer)
            .masked_fill(~batch.mask[:, None, None], lowest)
            .requires_grad_()
            for layer in range(1, STUDENT_LAYERS + 1)
        }
        examples = graphs if self.level == "graph" else rows
        projected = random_tensor(rows, TEACHER_CHANNELS - 1, seed=70).requires_grad_()
        logits = random_tensor(examples, self.spec.num_outputs, seed=11).requires_grad_()
        patches = None
        if batch.patches is not None:
            patches = random_tensor(len(batch.patches.graph.batch), STUDENT_CHANNELS, seed=80).requires_grad_()
        return Representations(logits, nodes, graph, attention, projected, patches=patches)

    def _teacher(self) -> TeacherRows:
        batch = self.batch
        rows = len(batch.wanted(batch.node_rows))
        states = {layer: random_tensor(rows, TEACHER_CHANNELS, seed=20 + layer) for layer in (1, 2)}
        edges = torch.rand(batch.row_edges.size(1), generator=torch.Generator().manual_seed(1))
        loops = torch.rand(rows, generator=torch.Generator().manual_seed(2))
        total = loops.index_add(0, batch.row_edges[1], edges)
        graph = random_tensor(batch.num_graphs, TEACHER_CHANNELS, seed=30)
        examples = batch.num_graphs if self.level == "graph" else rows
        logits = random_tensor(examples, self.spec.num_outputs, seed=31)
        attention = edges / total[batch.row_edges[1]], loops / total
        tensors = [logits, graph, *states.values(), *attention]
        for tensor in tensors:
            tensor.requires_grad_()
        return TeacherRows(logits, states, graph, *attention)

    def read(self) -> TeacherRows:
        """Of the teacher what the objective requires, and nothing else."""
        requires, teacher = self.objective.requires, self.teacher
        return TeacherRows(
            teacher.logits if requires.logits else None,
            {layer: teacher.nodes[layer] for layer in requires.layers},
            teacher.graph if requires.graph else None,
            teacher.edge_attention if requires.attention else None,
            teacher.self_attention if requires.attention else None,
        )

    @cached_property
    def world(self) -> World:
        """The wanted nodes and the edges among them as the references have them."""
        batch = self.batch
        sizes = [len(batch.wanted(batch.node_rows))] if self.level == "node" else batch.ptr.diff().tolist()
        label = communities(self.packed, 0)[batch.wanted(batch.node_rows)]
        walks = batch_walks(self.structure.walks(WALK), batch)
        attention = [
            weights.detach().double() for weights in (self.teacher.edge_attention, self.teacher.self_attention)
        ]
        return World(sizes, batch.row_edges, *attention, label, walks, batch)

    def projected(self, name: str, states: Tensor | None = None) -> Tensor:
        """A term's map of the last node states."""
        states = self.out.nodes[-1] if states is None else states
        return self.objective.projectors.projections[name](states).detach().double()

    @property
    def student(self) -> Tensor:
        return self.out.nodes[-1].detach().double()

    @property
    def raw(self) -> Tensor:
        return self.teacher.nodes[2].detach().double()

    @property
    def standardised(self) -> Tensor:
        """The teacher's last node states, standardised."""
        return standard(self.teacher.nodes[2], 2)

    def units(self, raw: bool, name: str = "") -> tuple[Tensor, Tensor]:
        """Graphs, or nodes for them."""
        if self.level == "graph":
            student, teacher = self.out.graph, self.teacher.graph.detach()
            teacher = teacher.double() if raw else standard(teacher, 3)
        else:
            student, teacher = self.out.nodes[-1], self.raw if raw else self.standardised
        return self.projected(name, student) if name else student.detach().double(), teacher

    def prototypes(self, among: str, *sides: Tensor) -> list[Tensor]:
        """Means by the classes of the labelled rows, or by clusters."""
        if among == "clusters":
            return [pairs.group_means(side, self.world.cluster) for side in sides]
        rows = self.batch.labelled
        label = self.batch.y[rows, 0]
        return [pairs.group_means(side[rows], label) for side in sides]

    def patch_means(self, side: Tensor) -> Tensor:
        """Means over parts by bisection and their neighbours."""
        cut, edges = bisected(self.packed, 3), self.packed.global_edge_index.T.tolist()
        means = []
        for first, last in pairwise(self.packed.node_ptr[: len(GRAPHS) + 1].tolist()):
            for number in range(int(cut[first:last].max()) + 1):
                part = {node for node in range(first, last) if cut[node] == number}
                grown = part | {b for a, b in edges if a in part} | {a for a, b in edges if b in part}
                means.append(side[sorted(grown)].mean(dim=0))
        return torch.stack(means)

    def subgraph_means(self, source: str, *sides: Tensor) -> list[Tensor]:
        """Means over the wanted members of each subgraph, by loops; empty ones are left out."""
        keys = {key: getattr(self.align, key) for key in ("radius", "walk_length", "max_members")}
        found = compute_subgraphs(self.packed, source, **keys)
        means: list[list[Tensor]] = [[] for _ in sides]
        wanted = self.batch.wanted(self.batch.node_rows).tolist()
        for graph in self.batch.graph_ids.tolist():
            start = int(self.packed.node_ptr[graph])
            for number in range(found.subgraph_ptr[graph], found.subgraph_ptr[graph + 1]):
                members = found.members[found.member_ptr[number] : found.member_ptr[number + 1]].tolist()
                if found.centred and start + number - int(found.subgraph_ptr[graph]) not in wanted:
                    continue
                rows = [wanted.index(start + node) for node in members if start + node in wanted]
                if rows:
                    for values, side in zip(means, sides, strict=True):
                        values.append(side[rows].mean(dim=0))
        return [torch.stack(values) for values in means]


def standard(states: Tensor, moments: int) -> Tensor:
    """Standardised, without the dead dimension."""
    mean, std = make_moments(moments)
    alive = [channel for channel in range(TEACHER_CHANNELS) if channel != DEAD]
    return ((states.detach() - mean) / std)[:, alive].double()
