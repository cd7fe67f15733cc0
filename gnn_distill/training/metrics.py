"""Metrics over a split, in original units, computed by torchmetrics."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics.functional import mean_absolute_error, mean_squared_error
from torchmetrics.functional.classification import (
    binary_auroc,
    binary_average_precision,
    multiclass_accuracy,
    multiclass_f1_score,
    multiclass_recall,
)

from gnn_distill import ranks
from gnn_distill.data.task import METRICS, TaskSpec


class Metrics:
    """Collects outputs and labels batch by batch, and measures them together.

    Missing labels (NaN) are left out. Multi-label and regression metrics are means over targets; ROC-AUC and average
    precision over the targets that have both classes. A metric without a value is NaN. Errors are taken in float64.
    """

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self.logits: list[Tensor] = []
        self.y: list[Tensor] = []

    def update(self, logits: Float[Tensor, "batch outputs"], y: Float[Tensor, "batch targets"]) -> None:
        """Add a batch: the model's outputs (regression: standardised), and labels in original units."""
        self.logits.append(logits.detach().float())
        self.y.append(y.detach())

    def gather(self) -> None:
        """Take what all processes of a run have collected."""
        spec = self.spec
        logits = torch.cat(self.logits).cpu() if self.logits else torch.empty(0, spec.num_outputs)
        y = torch.cat(self.y).cpu().double() if self.y else torch.empty(0, spec.num_targets, dtype=torch.double)
        self.logits, self.y = [ranks.rows_of_all(logits)], [ranks.rows_of_all(y)]

    def compute(self) -> dict[str, float]:
        """All metrics of the task's kind, the primary one first."""
        logits, y = torch.cat(self.logits).cpu(), torch.cat(self.y).cpu()
        names = sorted(METRICS[self.spec.kind], key=lambda name: name != self.spec.metric)
        if not logits.isfinite().all():  # a model that has diverged has no score, however it would be ranked
            return dict.fromkeys(names, math.nan)
        return {name: self.measure(name, logits, y) for name in names}

    def measure(self, name: str, logits: Float[Tensor, "batch outputs"], y: Float[Tensor, "batch targets"]) -> float:
        """One metric of some finite outputs, collected or not."""
        values = [value for value in self.by_target(name, logits, y) if not math.isnan(value)]
        return sum(values) / len(values) if values else math.nan

    def by_target(
        self, name: str, logits: Float[Tensor, "batch outputs"], y: Float[Tensor, "batch targets"]
    ) -> list[float]:
        """One metric of each target; NaN for one without a label or a value."""
        spec = self.spec
        if spec.kind == "regression":
            logits, y = spec.in_original_units(logits), y.double()
        if spec.kind == "multiclass":
            logits = logits[:, None, :]
        values, measure = [], MEASURES[name]
        for target in range(y.size(1)):
            present = ~y[:, target].isnan()
            known = (logits[present, target], y[present, target])
            values.append(float(measure(*known)) if present.any() else math.nan)
        return values


def is_better(spec: TaskSpec, new: float, old: float) -> bool:
    """Whether `new` beats `old` in the primary metric; anything beats NaN, NaN beats nothing."""
    if math.isnan(new) or math.isnan(old):
        return not math.isnan(new)
    return new > old if spec.higher_is_better else new < old


def _classes(logits: Tensor) -> Tensor:
    """Logits of every class: [N, C]; a single logit is that of class 1 against 0."""
    return logits if logits.dim() == 2 else torch.stack([torch.zeros_like(logits), logits], dim=1)


def _accuracy(logits: Tensor, y: Tensor) -> Tensor:
    logits = _classes(logits)
    return multiclass_accuracy(logits.argmax(1), y.long(), num_classes=logits.size(1), average="micro")


def _macro_f1(logits: Tensor, y: Tensor) -> Tensor:
    """Mean over the classes that occur among labels or predictions."""
    logits = _classes(logits)
    return multiclass_f1_score(logits.argmax(1), y.long(), num_classes=logits.size(1), average="macro")


def _balanced_accuracy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean over the classes among the labels of the share of each that is predicted."""
    logits, y = _classes(logits), y.long()
    recall = multiclass_recall(logits.argmax(1), y, num_classes=logits.size(1), average="none")
    return recall[y.unique()].mean()


def _roc_auc(logits: Tensor, y: Tensor) -> Tensor:
    return binary_auroc(_ranks(logits), y.long()) if len(y.unique()) == 2 else torch.tensor(math.nan)


def _average_precision(logits: Tensor, y: Tensor) -> Tensor:
    return binary_average_precision(_ranks(logits), y.long()) if len(y.unique()) == 2 else torch.tensor(math.nan)


def _ranks(logits: Tensor) -> Tensor:
    """Ranks in [0, 1], ties kept: torchmetrics would squash logits by a sigmoid, whose float tails are ties."""
    _, rank = logits.unique(return_inverse=True)
    return rank.double() / len(logits)


def _log10_mse(prediction: Tensor, y: Tensor) -> Tensor:
    """Decimal logarithm of the mean squared error; of an error of 0 that of the smallest number, -307.7."""
    return mean_squared_error(prediction, y).clamp(min=torch.finfo(torch.double).tiny).log10()


def _rmse(prediction: Tensor, y: Tensor) -> Tensor:
    return mean_squared_error(prediction, y, squared=False)


MEASURES = {
    "accuracy": _accuracy,
    "macro_f1": _macro_f1,
    "balanced_accuracy": _balanced_accuracy,
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "mae": mean_absolute_error,
    "rmse": _rmse,
    "log10_mse": _log10_mse,
}
"""Of one target: predictions [N] ([N, C] of several classes) and labels [N], none missing, to a number."""
