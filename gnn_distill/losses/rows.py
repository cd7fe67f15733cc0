"""Which rows of the student's states a term compares with which of the teacher's."""

from collections.abc import Callable

import torch
from torch import Tensor

from gnn_distill.config.schema.objective import AlignmentConfig
from gnn_distill.data.batching import StructureBatch
from gnn_distill.losses.labels import Labels
from gnn_distill.losses.projectors import Bridge, Target, TeacherRows
from gnn_distill.losses.prototypes import class_means
from gnn_distill.models.representations import Representations

Rows = Callable[[Representations, StructureBatch, TeacherRows], tuple[Tensor, Tensor]]
"""Both sides' rows of a batch, the student's projected."""


def node_rows(
    bridge: Bridge,
    name: str,
    projection: str | None,
    layers: tuple[int, int] | None = None,
    raw: bool = False,
    samples: int = 0,
) -> Rows:
    """Node states after two layers, the student's and the teacher's (counted from 1; None: the last of each).

    `samples`: at most so many nodes, drawn anew in every step; 0: all.
    """
    mine, its = layers or (len(bridge.student.states), bridge.last)
    target, channels = bridge.nodes(its, raw), bridge.student.states[mine - 1]
    return _rows(bridge, name, projection, target, channels, lambda out: out.nodes[mine - 1], samples)


def graph_rows(
    bridge: Bridge,
    labels: Labels,
    name: str,
    projection: str | None,
    align: AlignmentConfig,
    among: str = "nodes",
    raw: bool = False,
    samples: int = 0,
) -> Rows:
    """Graph states; at node level, where there is one graph, what stands for graphs.

    These are nodes, or prototypes: means of the states of classes or clusters. `samples`: of graphs or nodes.
    """
    if bridge.level == "graph":
        target, channels = bridge.graphs(raw), bridge.student.graph
        return _rows(bridge, name, projection, target, channels, lambda out: out.graph, samples)
    if among == "nodes":
        return node_rows(bridge, name, projection, raw=raw, samples=samples)
    nodes = node_rows(bridge, name, projection, raw=raw)
    if among == "clusters":
        return pooled(nodes, bridge.operator("cluster", align))

    def classes(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> tuple[Tensor, Tensor]:
        label = labels.classes(batch.examples(batch.y))
        student, states = (batch.examples(rows) for rows in nodes(out, batch, teacher))
        return class_means(student, label), class_means(states, label)

    return classes


def predicting_rows(bridge: Bridge, raw: bool = False) -> Rows:
    """Last node states of a student that predicts by its teacher's head: as it hands them to that head."""
    target = bridge.nodes(bridge.last, raw)

    def rows(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> tuple[Tensor, Tensor]:
        return bridge.restore(bridge.last, out.projected) if raw else out.projected, target.read(teacher)

    return rows


def pooled(rows: Rows, operator: Callable[[StructureBatch], Tensor], times: int = 1) -> Rows:
    """Means of both sides' rows by a sparse row-stochastic matrix, applied so many times."""

    def means(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> tuple[Tensor, Tensor]:
        student, states = rows(out, batch, teacher)
        matrix = operator(batch)
        for _ in range(times):
            student, states = matrix @ student, matrix @ states
        return student, states

    return means


def drawn(rows: int, most: int, device: torch.device) -> Tensor:
    """Which of so many rows a step takes: at most `most`, at random."""
    return torch.randperm(rows, device=device)[:most]


def _rows(
    bridge: Bridge,
    name: str,
    projection: str | None,
    target: Target,
    channels: int,
    student: Callable[[Representations], Tensor],
    samples: int = 0,
) -> Rows:
    project = bridge.project(name, projection, channels, target)

    def rows(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> tuple[Tensor, Tensor]:
        mine, its = student(out), target.read(teacher)
        if samples:
            some = drawn(len(mine), samples, mine.device)
            mine, its = mine[some], its[some]
        return project(mine), its

    return rows
