"""Published distillation losses on predictions, as baselines."""

from jaxtyping import Float
from torch import Tensor

from gnn_distill.losses.prepare import prepare, unit

Predictions = Float[Tensor, "example output"]


def dist(student: Predictions, teacher: Predictions, kind: str, temperature: float = 1.0) -> Float[Tensor, ""]:
    """τ²·(mean over examples i of 1 − ρ(s_i·, t_i·) + mean over classes c of 1 − ρ(s_·c, t_·c)), ρ the correlation.

    DIST (Huang et al. 2022): s and t are the softmaxes of logits/τ, and Pearson's correlations compare how classes
    differ within an example and examples within a class. That of two classes is ±1 whatever their probabilities, so of
    fewer than three the second mean alone counts. This project's own: a binary label has σ(z/τ), a target its
    prediction without τ, and both the second mean alone, over labels or targets. Where the teacher varies by less than
    1e-6, there is no correlation: it is left out, and so is the second mean of a single example.
    """
    student, teacher = prepare(student, teacher)
    if kind == "regression":
        return _decorrelation(student.mT, teacher.mT)
    student, teacher = student / temperature, teacher / temperature
    if kind != "multiclass":
        return temperature**2 * _decorrelation(student.sigmoid().mT, teacher.sigmoid().mT)
    student, teacher = student.softmax(dim=-1), teacher.softmax(dim=-1)
    loss = _decorrelation(student.mT, teacher.mT)
    if student.size(1) > 2:
        loss = loss + _decorrelation(student, teacher)
    return temperature**2 * loss


def _decorrelation(student: Float[Tensor, "row column"], teacher: Float[Tensor, "row column"]) -> Float[Tensor, ""]:
    """Mean of 1 − ρ over the rows in which the teacher varies by more than 1e-6."""
    student, teacher = (values - values.mean(dim=1, keepdim=True) for values in (student, teacher))
    varies = teacher.norm(dim=1) > 1e-6
    correlation = (unit(student) * unit(teacher)).sum(dim=1)
    return ((1 - correlation) * varies).sum() / varies.sum().clamp(min=1)
