"""The loss on the labels."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def task_loss(
    kind: str,
    logits: Float[Tensor, "example output"],
    y: Float[Tensor, "example target"],
    pos_weight: Float[Tensor, "output"] | None = None,
    label_smoothing: float = 0.0,
    absolute: bool = False,
) -> Float[Tensor, ""]:
    """Mean over examples (and labels) of cross-entropy, or of squared or absolute error; NaN labels are left out.

    Regression expects standardised targets. Zero, with a zero gradient, where a batch has no label at all.
    """
    if kind == "multiclass":
        if not len(y):
            return logits.sum() * 0.0
        return F.cross_entropy(logits, y[:, 0].long(), label_smoothing=label_smoothing)
    present = ~y.isnan()
    target = y.nan_to_num()
    if kind == "regression":
        error = (logits - target).abs() if absolute else (logits - target).square()
    else:
        smoothed = target * (1 - label_smoothing) + label_smoothing / 2
        error = F.binary_cross_entropy_with_logits(logits, smoothed, pos_weight=pos_weight, reduction="none")
    return (error * present).sum() / present.sum().clamp(min=1)


def balanced_pos_weight(y: Float[Tensor, "example target"]) -> Float[Tensor, "target"]:
    """Negatives over positives of each label; 1 where a label has only one class."""
    positives = (y == 1).sum(dim=0)
    negatives = (y == 0).sum(dim=0)
    return torch.where((positives > 0) & (negatives > 0), negatives / positives.clamp(min=1), 1.0)
