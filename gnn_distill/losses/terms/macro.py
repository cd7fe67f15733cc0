"""Macro terms: relations between whole graphs, and between nodes far and near; at node level on sampled nodes."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig, MacroConfig
from gnn_distill.data.batching import StructureBatch
from gnn_distill.losses.graph_lookups import Recent
from gnn_distill.losses.labels import Labels
from gnn_distill.losses.macro import (
    bandwidths,
    distance_profile,
    distribution,
    graph_relation_cosine,
    graph_relation_pkt,
)
from gnn_distill.losses.prepare import pad
from gnn_distill.losses.projectors import Bridge, TeacherRows, Term
from gnn_distill.losses.rows import graph_rows, node_rows
from gnn_distill.models.representations import Representations

GRAPH_RELATIONS = {"cosine": graph_relation_cosine, "pkt": graph_relation_pkt}


def macro_terms(bridge: Bridge, labels: Labels, loss: LossConfig, align: AlignmentConfig) -> Iterator[Term]:
    """`macro_graph_relation`, `macro_distance_profile` and `macro_distribution`."""
    macro, ramp = loss.macro, loss.schedule.macro
    if weight := loss.weights.macro * macro.graph_relation:
        name, measure = "macro_graph_relation", GRAPH_RELATIONS[macro.measure]
        samples = macro.samples if bridge.level == "node" else 0
        rows = graph_rows(bridge, labels, name, macro.projection, align, macro.among, samples=samples)
        yield Term(name, weight, ramp, lambda *batch: measure(*rows(*batch)))
    if weight := loss.weights.macro * macro.distance_profile:
        yield Term("macro_distance_profile", weight, ramp, _profile(bridge, macro))
    if weight := loss.weights.macro * macro.distribution:
        yield Term("macro_distribution", weight, ramp, _distribution(bridge, macro))


def _profile(bridge: Bridge, macro: MacroConfig) -> Callable:
    """Between the nodes of each graph; at node level between anchors."""
    rows = node_rows(bridge, "macro_distance_profile", macro.projection)
    if bridge.level == "graph":
        bridge.reads.distances = True

        def profile(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> Tensor:
            student, states = _padded(rows(out, batch, teacher), batch)
            return distance_profile(student, states, batch.spd, batch.mask, macro.buckets)

        return profile
    here = Recent(bridge.structure.anchors(macro.anchors).of)

    def between_anchors(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> Tensor:
        some, spd = here(batch)
        student, states = (side[some].unsqueeze(0) for side in rows(out, batch, teacher))
        return distance_profile(student, states, spd.unsqueeze(0), _all_of(some), macro.buckets)

    return between_anchors


def _distribution(bridge: Bridge, macro: MacroConfig) -> Callable:
    """Between the node sets of each graph; at node level between the states of nodes drawn in each step."""
    node_level = bridge.level == "node"
    samples = macro.samples if node_level else 0
    rows = node_rows(bridge, "macro_distribution", macro.projection, samples=samples)
    sigmas = bandwidths(bridge.teacher.median_distance())

    def mmd(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> Tensor:
        student, states = rows(out, batch, teacher)
        widths = sigmas.to(student.device)
        if node_level:
            return distribution(student.unsqueeze(0), states.unsqueeze(0), _all_of(student[:, 0]), widths)
        return distribution(*_padded((student, states), batch), batch.mask, widths)

    return mmd


def _padded(sides: tuple[Tensor, Tensor], batch: StructureBatch) -> tuple[Tensor, Tensor]:
    student, states = (pad(side, batch.dense_index, batch.mask) for side in sides)
    return student, states


def _all_of(rows: Tensor) -> Tensor:
    """The mask of one graph that holds them all."""
    return torch.ones(1, len(rows), dtype=torch.bool, device=rows.device)
