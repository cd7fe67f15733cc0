"""Feature alignment: the student's projected states match the teacher's standardised ones."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig
from gnn_distill.data.batching import ROW_WALK
from gnn_distill.losses.contrast import contrast
from gnn_distill.losses.prepare import prepare, unit
from gnn_distill.losses.projectors import Projectors
from gnn_distill.losses.rows import (
    PooledRows,
    RowLoss,
    Rows,
    graph_rows,
    head_rows,
    node_rows,
    patch_rows,
    subgraph_rows,
)
from gnn_distill.losses.term import MeanLoss, Term
from gnn_distill.losses.whole_batch import each_row, sample_rows
from gnn_distill.models.layers.projection import States


def align_mse(student: States, teacher: States) -> Float[Tensor, ""]:
    """Mean over rows and dimensions of (φ(h_S) − h_T)² (FitNet, Romero et al. 2015)."""
    return F.mse_loss(*prepare(student, teacher))


def align_cosine(student: States, teacher: States) -> Float[Tensor, ""]:
    """Mean over rows of 1 − cos(φ(h_S), h_T)."""
    return (1 - F.cosine_similarity(*prepare(student, teacher), dim=-1, eps=1e-6)).mean()


def align_cka(
    student: Float[Tensor, "row student_channel"], teacher: Float[Tensor, "row teacher_channel"]
) -> Float[Tensor, ""]:
    """1 − HSIC(h_S, h_T) / √(HSIC(h_S, h_S)·HSIC(h_T, h_T)), with the unbiased HSIC of linear kernels.

    n·(n − 3)·HSIC(X, Y) = ‖XᵀY‖² − n/(n−2)·Σ_i ‖x_i‖²‖y_i‖² + Σ_i ‖x_i‖²·Σ_i ‖y_i‖² / ((n−1)(n−2)) for centred rows:
    debiased CKA (Song et al. 2012; Kornblith et al. 2019) in feature space, O(n·d²). Widths may differ, so no
    projection is needed, and rotations of the states cost nothing. Zero, without a gradient, for fewer than four
    rows or a self-HSIC of at most 1e-8. For all nodes of a batch together: within a small graph it is mostly noise.
    """
    student, teacher = prepare(student, teacher)
    if len(student) < 4:
        return student.sum() * 0.0
    x, y = (states - states.mean(dim=0) for states in (student, teacher))
    of_student, of_teacher = _hsic(x, x), _hsic(y, y)
    varies = (of_student > 1e-8) & (of_teacher > 1e-8)
    scale = of_student.where(varies, 1.0).sqrt() * of_teacher.where(varies, 1.0).sqrt()
    return (1 - _hsic(x, y) / scale) * varies


def infonce(student: States, teacher: States, temperature: float = 0.1) -> Float[Tensor, ""]:
    """Mean over rows i of −log softmax_j (cos(φ(h_S,i), h_T,j)/τ) at j = i (van den Oord et al. 2018).

    Every other row of the teacher is a negative, so the rows of a large batch are sampled by the caller: it takes
    memory for all pairs. A perfect student is not at zero.
    """
    student, teacher = prepare(student, teacher)
    logits = unit(student) @ unit(teacher).T / temperature
    return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


MEASURES = {"mse": align_mse, "cosine": align_cosine, "cka": align_cka}
OF_EACH_ROW = ("mse", "cosine")
"""Measures that are means over rows, each for itself; the others relate the rows of a batch."""
CONTRASTS = {"infonce": infonce, "contrast": contrast}
"""Measures that form all pairs of rows."""


def teacher_layer(student_layer: int, student_layers: int, teacher_layers: int) -> int:
    """⌈l·L_T/L_S⌉: the teacher layer (from 1) that student layer l (from 1) is aligned to."""
    return -(-student_layer * teacher_layers // student_layers)


def alignment_terms(projectors: Projectors, loss: LossConfig, align: AlignmentConfig) -> Iterator[Term]:
    """`align_node`, `align_subgraph`, `align_graph` and `align_contrast`."""
    measure, ramp = measure_of(align), loss.schedule.align
    units = each_row if align.measure in OF_EACH_ROW else None
    for scale, rows_of in (("node", _node_rows), ("subgraph", _subgraph_rows), ("graph", _graph_rows)):
        if weight := getattr(align.weights, scale):
            losses = [RowLoss(rows, measure, units=units) for rows in rows_of(projectors, align)]
            yield Term(f"align_{scale}", weight, ramp, MeanLoss(losses))
    if weight := align.weights.contrast:
        rows = node_rows(projectors, "align_contrast", align.projection, samples=align.samples)
        yield Term("align_contrast", weight, ramp, RowLoss(rows, partial(contrast, temperature=align.temperature)))


def measure_of(align: AlignmentConfig) -> Callable[[States, States], Float[Tensor, ""]]:
    """The measure between rows; a contrast takes at most `samples` of them."""
    if align.measure in MEASURES:
        return MEASURES[align.measure]
    measure = CONTRASTS[align.measure]

    def contrast_of_samples(student: States, teacher: States) -> Float[Tensor, ""]:
        picked = sample_rows(len(student), align.samples, student.device)
        return measure(student[picked], teacher[picked], align.temperature)

    return contrast_of_samples


def _node_rows(projectors: Projectors, align: AlignmentConfig) -> list[Rows]:
    """Last layer to last layer, or all student layers l, each to teacher layer ⌈l·L_T/L_S⌉."""
    depth = projectors.student_last
    pairs = []
    for layer in range(1, depth + 1) if align.layers else [depth]:
        if layer == depth and align.reuse_head:
            pairs.append(head_rows(projectors))
            continue
        layers = (layer, teacher_layer(layer, depth, projectors.last))
        pairs.append(node_rows(projectors, f"align_node{layer}", _kind(align, align.projection), layers))
    return pairs


def _subgraph_rows(projectors: Projectors, align: AlignmentConfig) -> list[Rows]:
    """Means over subgraphs; at node level those over ego networks are weighted by walks of `radius` steps.

    Of a student whose tokens are patches: their states.
    """
    if align.source == "patch":
        return [patch_rows(projectors, "align_subgraph", _kind(align, align.projection))]
    # A map of its own with a hidden layer: a linear one commutes with the mean, and would only repeat `node`.
    name, kind = "align_subgraph", _kind(align, "mlp")
    if projectors.level == "node" and align.source == "ego":
        # Two products with the edges are faster than one with all balls.
        return [PooledRows(node_rows(projectors, name, kind), ROW_WALK, times=align.radius)]
    return [subgraph_rows(projectors, name, kind, align.source, align)]


def _graph_rows(projectors: Projectors, align: AlignmentConfig) -> list[Rows]:
    """Graph states; at node level prototypes of the labelled classes, or of clusters."""
    kind = _kind(align, align.projection)
    return [graph_rows(projectors, "align_graph", kind, align, among=align.prototypes)]


def _kind(align: AlignmentConfig, kind: str) -> str | None:
    """The kind of projection; none for CKA, which compares states of any widths: a map could only spoil it."""
    return None if align.measure == "cka" else kind


def _hsic(x: Float[Tensor, "row left"], y: Float[Tensor, "row right"]) -> Float[Tensor, ""]:
    rows = len(x)
    left, right = x.square().sum(dim=1), y.square().sum(dim=1)
    total = (x.T @ y).square().sum() - rows / (rows - 2) * (left * right).sum()
    total = total + left.sum() * right.sum() / ((rows - 1) * (rows - 2))
    return total / (rows * (rows - 3))
