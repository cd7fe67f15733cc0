"""Macro terms: relations between whole graphs, and between nodes far and near; at node level on sampled nodes."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig, MacroConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.graph_lookups import LastValue
from gnn_distill.losses.macro import (
    bandwidths,
    distance_profile,
    distribution,
    graph_relation_cosine,
    graph_relation_pkt,
)
from gnn_distill.losses.prepare import pad
from gnn_distill.losses.projectors import Projectors, TeacherRows, Term
from gnn_distill.losses.rows import graph_rows, node_rows
from gnn_distill.losses.task import TaskLoss
from gnn_distill.models.representations import Representations

GRAPH_RELATIONS = {"cosine": graph_relation_cosine, "pkt": graph_relation_pkt}


def macro_terms(
    projectors: Projectors, task_loss: TaskLoss, loss: LossConfig, align: AlignmentConfig
) -> Iterator[Term]:
    """`macro_graph_relation`, `macro_distance_profile` and `macro_distribution`."""
    macro, ramp = loss.macro, loss.schedule.macro
    if weight := loss.weights.macro * macro.graph_relation:
        name, measure = "macro_graph_relation", GRAPH_RELATIONS[macro.measure]
        samples = macro.samples if projectors.level == "node" else 0
        rows = graph_rows(projectors, task_loss, name, macro.projection, align, macro.among, samples=samples)
        yield Term(name, weight, ramp, lambda *batch: measure(*rows(*batch)))
    if weight := loss.weights.macro * macro.distance_profile:
        yield Term("macro_distance_profile", weight, ramp, _profile(projectors, macro))
    if weight := loss.weights.macro * macro.distribution:
        yield Term("macro_distribution", weight, ramp, _distribution(projectors, macro))


def _profile(projectors: Projectors, macro: MacroConfig) -> Callable:
    """Between the nodes of each graph; at node level between anchors."""
    rows = node_rows(projectors, "macro_distance_profile", macro.projection)
    if projectors.level == "graph":
        projectors.reads.distances = True

        def profile(out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Tensor:
            student, states = _padded(rows(out, batch, teacher), batch)
            return distance_profile(student, states, batch.spd, batch.mask, macro.buckets)

        return profile
    here = LastValue(projectors.structure.anchors(macro.anchors).of)

    def between_anchors(out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Tensor:
        picked, spd = here(batch)
        student, states = (side[picked].unsqueeze(0) for side in rows(out, batch, teacher))
        return distance_profile(student, states, spd.unsqueeze(0), _all_of(picked), macro.buckets)

    return between_anchors


def _distribution(projectors: Projectors, macro: MacroConfig) -> Callable:
    """Between the node sets of each graph; at node level between the states of nodes drawn in each step."""
    node_level = projectors.level == "node"
    samples = macro.samples if node_level else 0
    rows = node_rows(projectors, "macro_distribution", macro.projection, samples=samples)
    sigmas = bandwidths(projectors.teacher.median_distance())

    def mmd(out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Tensor:
        student, states = rows(out, batch, teacher)
        widths = sigmas.to(student.device)
        if node_level:
            return distribution(student.unsqueeze(0), states.unsqueeze(0), _all_of(student[:, 0]), widths)
        return distribution(*_padded((student, states), batch), batch.mask, widths)

    return mmd


def _padded(sides: tuple[Tensor, Tensor], batch: GraphBatch) -> tuple[Tensor, Tensor]:
    student, states = (pad(side, batch.dense_index, batch.mask) for side in sides)
    return student, states


def _all_of(rows: Tensor) -> Tensor:
    """The mask of one graph that holds them all."""
    return torch.ones(1, len(rows), dtype=torch.bool, device=rows.device)
