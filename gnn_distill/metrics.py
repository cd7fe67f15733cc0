"""Metrics over a split, in original units."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from gnn_distill.data.task import METRICS, TaskSpec


class Metrics:
    """Collects outputs and labels batch by batch, and measures them together.

    Missing labels (NaN) are left out. Multi-label and regression metrics are means over targets; ROC-AUC and average
    precision over the targets that have both classes. A metric without a value is NaN.
    """

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self.logits: list[Tensor] = []
        self.y: list[Tensor] = []

    def update(self, logits: Float[Tensor, "batch outputs"], y: Float[Tensor, "batch targets"]) -> None:
        """Add a batch: the model's outputs (regression: standardised), and labels in original units."""
        self.logits.append(logits.detach().float().cpu())
        self.y.append(y.detach().float().cpu())

    def compute(self) -> dict[str, float]:
        """All metrics of the task's kind, the primary one first."""
        logits, y = torch.cat(self.logits), torch.cat(self.y)
        names = sorted(METRICS[self.spec.kind], key=lambda name: name != self.spec.metric)
        if not logits.isfinite().all():  # a model that has diverged has no score, however it would be ranked
            return dict.fromkeys(names, math.nan)
        return {name: self._measure(name, logits, y) for name in names}

    def _measure(self, name: str, logits: Tensor, y: Tensor) -> float:
        spec = self.spec
        if spec.kind == "regression":
            logits = spec.in_original_units(logits)
        if spec.kind == "multiclass":
            logits, measure = logits[:, None, :], {"accuracy": _accuracy, "macro_f1": _macro_f1}[name]
        else:
            measure = MEASURES[name]
        values = []
        for target in range(y.size(1)):
            present = ~y[:, target].isnan()
            if present.any():
                values.append(float(measure(logits[present, target], y[present, target])))
        values = [value for value in values if not math.isnan(value)]
        return sum(values) / len(values) if values else math.nan


def is_better(spec: TaskSpec, new: float, old: float) -> bool:
    """Whether `new` beats `old` in the primary metric; anything beats NaN, NaN beats nothing."""
    if math.isnan(new) or math.isnan(old):
        return not math.isnan(new)
    return new > old if spec.higher_is_better else new < old


def _classes(logits: Tensor) -> Tensor:
    """Logits of every class: [N, C]; a single logit is that of class 1 against 0."""
    return logits if logits.dim() == 2 else torch.stack([torch.zeros_like(logits), logits], dim=1)


def _accuracy(logits: Tensor, y: Tensor) -> Tensor:
    return (_classes(logits).argmax(1) == y.long()).float().mean()


def _macro_f1(logits: Tensor, y: Tensor) -> Tensor:
    """Mean of 2·hits / (labels + predictions) over the classes that occur among labels or predictions."""
    logits, y = _classes(logits), y.long()
    chosen, classes = logits.argmax(1), logits.size(1)
    hits = y[chosen == y].bincount(minlength=classes)
    both = y.bincount(minlength=classes) + chosen.bincount(minlength=classes)
    return (2 * hits[both > 0] / both[both > 0]).mean()


def _roc_auc(logits: Tensor, y: Tensor) -> Tensor:
    """Area under the share of positives found over the share of negatives taken for positives, by trapezoids."""
    found, wrong = _found_and_wrong(logits, y)
    return torch.trapezoid(found / found[-1], wrong / wrong[-1])  # 0 / 0, that is NaN, where a class is absent


def _average_precision(logits: Tensor, y: Tensor) -> Tensor:
    """Precision at each threshold, weighted by the positives it adds; NaN where a class is absent."""
    found, wrong = _found_and_wrong(logits, y)
    precision = found[1:] / (found[1:] + wrong[1:])
    return (found.diff() / found[-1] * precision).sum() if wrong[-1] > 0 else found.new_tensor(math.nan)


def _found_and_wrong(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """How many positives and negatives lie above each threshold, from none to all; equal logits go together."""
    logits, order = logits.sort(descending=True)
    last = torch.cat([logits.diff() != 0, torch.ones(1, dtype=torch.bool)]).nonzero().flatten()
    found = y[order].double().cumsum(0)[last]
    return torch.cat([found.new_zeros(1), found]), torch.cat([found.new_zeros(1), last + 1 - found])


def _mae(prediction: Tensor, y: Tensor) -> Tensor:
    return (prediction - y).abs().mean()


def _rmse(prediction: Tensor, y: Tensor) -> Tensor:
    return (prediction - y).square().mean().sqrt()


MEASURES = {
    "accuracy": _accuracy,
    "macro_f1": _macro_f1,
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "mae": _mae,
    "rmse": _rmse,
}
"""Of one target: predictions [N] and labels [N], none missing, to a number."""
