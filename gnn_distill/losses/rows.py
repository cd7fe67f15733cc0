"""Which rows of the student's states a term compares with which of the teacher's."""

from collections.abc import Callable

import torch
from torch import Tensor

from gnn_distill.config.schema.objective import AlignmentConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.projectors import Projectors, Target, TeacherRows
from gnn_distill.losses.prototypes import class_means
from gnn_distill.losses.task import TaskLoss
from gnn_distill.models.representations import Representations

Rows = Callable[[Representations, GraphBatch, TeacherRows], tuple[Tensor, Tensor]]
"""Both sides' rows of a batch, the student's projected."""


def node_rows(
    projectors: Projectors,
    name: str,
    projection: str | None,
    layers: tuple[int, int] | None = None,
    raw: bool = False,
    samples: int = 0,
) -> Rows:
    """Node states after two layers, the student's and the teacher's (counted from 1; None: the last of each).

    `samples`: at most so many nodes, drawn anew in every step; 0: all.
    """
    layer, teacher_layer = layers or (len(projectors.student.states), projectors.last)
    target, channels = projectors.nodes(teacher_layer, raw), projectors.student.states[layer - 1]
    return _rows(projectors, name, projection, target, channels, lambda out: out.nodes[layer - 1], samples)


def graph_rows(
    projectors: Projectors,
    task_loss: TaskLoss,
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
    if projectors.level == "graph":
        target, channels = projectors.graphs(raw), projectors.student.graph
        return _rows(projectors, name, projection, target, channels, lambda out: out.graph, samples)
    if among == "nodes":
        return node_rows(projectors, name, projection, raw=raw, samples=samples)
    nodes = node_rows(projectors, name, projection, raw=raw)
    if among == "clusters":
        return pooled(nodes, projectors.operator("cluster", align))

    def classes(out: Representations, batch: GraphBatch, teacher: TeacherRows) -> tuple[Tensor, Tensor]:
        label = task_loss.classes(batch.examples(batch.y))
        student, states = (batch.examples(rows) for rows in nodes(out, batch, teacher))
        return class_means(student, label), class_means(states, label)

    return classes


def predicting_rows(projectors: Projectors, raw: bool = False) -> Rows:
    """Last node states of a student that predicts by its teacher's head: as it hands them to that head."""
    target = projectors.nodes(projectors.last, raw)

    def rows(out: Representations, batch: GraphBatch, teacher: TeacherRows) -> tuple[Tensor, Tensor]:
        return projectors.restore(projectors.last, out.projected) if raw else out.projected, target.read(teacher)

    return rows


def pooled(rows: Rows, operator: Callable[[GraphBatch], Tensor], times: int = 1) -> Rows:
    """Means of both sides' rows by a sparse row-stochastic matrix, applied so many times."""

    def means(out: Representations, batch: GraphBatch, teacher: TeacherRows) -> tuple[Tensor, Tensor]:
        student, states = rows(out, batch, teacher)
        matrix = operator(batch)
        for _ in range(times):
            student, states = matrix @ student, matrix @ states
        return student, states

    return means


def sample_rows(rows: int, most: int, device: torch.device) -> Tensor:
    """Which of so many rows a step takes: at most `most`, at random."""
    return torch.randperm(rows, device=device)[:most]


def _rows(
    projectors: Projectors,
    name: str,
    projection: str | None,
    target: Target,
    channels: int,
    states: Callable[[Representations], Tensor],
    samples: int = 0,
) -> Rows:
    project = projectors.project(name, projection, channels, target)

    def rows(out: Representations, batch: GraphBatch, teacher: TeacherRows) -> tuple[Tensor, Tensor]:
        student, teacher = states(out), target.read(teacher)
        if samples:
            picked = sample_rows(len(student), samples, student.device)
            student, teacher = student[picked], teacher[picked]
        return project(student), teacher

    return rows
