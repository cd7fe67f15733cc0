"""Feature alignment: the student's projected states match the teacher's standardised ones."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from gnn_distill.losses.prepare import prepare, unit
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
    own, its = _hsic(x, x), _hsic(y, y)
    varies = (own > 1e-8) & (its > 1e-8)
    scale = own.where(varies, 1.0).sqrt() * its.where(varies, 1.0).sqrt()
    return (1 - _hsic(x, y) / scale) * varies


def infonce(student: States, teacher: States, temperature: float = 0.1) -> Float[Tensor, ""]:
    """Mean over rows i of −log softmax_j (cos(φ(h_S,i), h_T,j)/τ) at j = i (van den Oord et al. 2018).

    Every other row of the teacher is a negative, so the rows of a large batch are sampled by the caller: it takes
    memory for all pairs. A perfect student is not at zero.
    """
    student, teacher = prepare(student, teacher)
    logits = unit(student) @ unit(teacher).T / temperature
    return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


MEASURES = {"mse": align_mse, "cosine": align_cosine, "cka": align_cka, "infonce": infonce}


def _hsic(x: Float[Tensor, "row left"], y: Float[Tensor, "row right"]) -> Float[Tensor, ""]:
    rows = len(x)
    left, right = x.square().sum(dim=1), y.square().sum(dim=1)
    total = (x.T @ y).square().sum() - rows / (rows - 2) * (left * right).sum()
    total = total + left.sum() * right.sum() / ((rows - 1) * (rows - 2))
    return total / (rows * (rows - 3))


def teacher_layer(student_layer: int, student_layers: int, teacher_layers: int) -> int:
    """⌈l·L_T/L_S⌉: the teacher layer (from 1) that student layer l (from 1) is aligned to."""
    return -(-student_layer * teacher_layers // student_layers)
