"""Alignment at three scales: nodes, subgraphs, whole graphs."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.alignment import MEASURES, infonce, teacher_layer
from gnn_distill.losses.projectors import Projectors, TeacherRows, Term
from gnn_distill.losses.rows import Rows, graph_rows, node_rows, pooled, predicting_rows, sample_rows
from gnn_distill.losses.task import TaskLoss
from gnn_distill.models.representations import Representations


def alignment_terms(
    projectors: Projectors, task_loss: TaskLoss, loss: LossConfig, align: AlignmentConfig
) -> Iterator[Term]:
    """`align_node`, `align_subgraph` and `align_graph`."""
    measure, ramp = measure_of(align), loss.schedule.align
    for scale, make in (("node", _nodes), ("subgraph", _subgraphs), ("graph", _graphs)):
        if weight := getattr(align.weights, scale):
            yield Term(f"align_{scale}", weight, ramp, _mean(measure, make(projectors, task_loss, align)))


def measure_of(align: AlignmentConfig) -> Callable[[Tensor, Tensor], Tensor]:
    """The measure between rows; a contrast takes at most `samples` of them."""
    if align.measure != "infonce":
        return MEASURES[align.measure]

    def sampled(student: Tensor, teacher: Tensor) -> Tensor:
        picked = sample_rows(len(student), align.samples, student.device)
        return infonce(student[picked], teacher[picked], align.temperature)

    return sampled


def _mean(measure: Callable[[Tensor, Tensor], Tensor], pairs: list[Rows]) -> Callable:
    """The mean over pairs of layers of how well their rows match."""

    def loss(out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Tensor:
        return torch.stack([measure(*rows(out, batch, teacher)) for rows in pairs]).mean()

    return loss


def _map(align: AlignmentConfig, kind: str) -> str | None:
    """CKA compares states of any widths; a map could only spoil it."""
    return None if align.measure == "cka" else kind


def _nodes(projectors: Projectors, task_loss: TaskLoss, align: AlignmentConfig) -> list[Rows]:
    """Last layer to last layer, or all student layers l, each to teacher layer ⌈l·L_T/L_S⌉."""
    depth = len(projectors.student.states)
    pairs = []
    for layer in range(1, depth + 1) if align.layers else [depth]:
        if layer == depth and align.reuse_head:
            pairs.append(predicting_rows(projectors))
            continue
        layers = (layer, teacher_layer(layer, depth, projectors.last))
        pairs.append(node_rows(projectors, f"align_node{layer}", _map(align, align.projection), layers))
    return pairs


def _subgraphs(projectors: Projectors, task_loss: TaskLoss, align: AlignmentConfig) -> list[Rows]:
    """Means over subgraphs; at node level those over ego networks are weighted by walks of `radius` steps."""
    # A map of its own with a hidden layer: a linear one commutes with the mean, and would only repeat `node`.
    rows = node_rows(projectors, "align_subgraph", _map(align, "mlp"))
    if projectors.level == "node" and align.source == "ego":
        # Two products with the edges are quicker than one with all balls.
        return [pooled(rows, lambda batch: batch.row_walk, times=align.radius)]
    return [pooled(rows, projectors.operator(align.source, align))]


def _graphs(projectors: Projectors, task_loss: TaskLoss, align: AlignmentConfig) -> list[Rows]:
    """Graph states; at node level prototypes of the labelled classes, or of clusters."""
    kind = _map(align, align.projection)
    return [graph_rows(projectors, task_loss, "align_graph", kind, align, among=align.prototypes)]
