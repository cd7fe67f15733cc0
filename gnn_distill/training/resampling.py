"""Metrics of resampled examples: a metric as a function of how often each example is drawn."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gnn_distill.data.task import TaskSpec

Draws = Float[np.ndarray, "resamples examples"]
"""How often each example is in each resample."""
Values = Float[np.ndarray, " resamples"]
Resampled = Callable[[Draws], Values]


def resampled(
    spec: TaskSpec, name: str, logits: Float[Tensor, "examples outputs"], y: Float[Tensor, "examples targets"]
) -> Resampled:
    """`Metrics.measure` of these outputs as a function of draws: all ones give the metric itself, up to rounding.

    A target without a value in a resample, such as a ROC-AUC with one class, is left out of its mean over targets.
    """
    if spec.kind == "regression":
        logits, y = spec.in_original_units(logits), y.double()
    targets: list[tuple[np.ndarray, Resampled]] = []
    for target in range(y.size(1)):
        present = ~y[:, target].isnan()
        if present.any():
            outputs = logits if spec.kind == "multiclass" else logits[:, target]
            kept = present.numpy().nonzero()[0]
            targets.append((kept, MEASURES[name](outputs[present], y[present, target])))

    def measure(draws: Draws) -> Values:
        values = np.stack([of_target(draws[:, kept]) for kept, of_target in targets])
        count = np.isfinite(values).sum(axis=0)
        with np.errstate(invalid="ignore"):
            return np.nansum(values, axis=0) / np.where(count, count, np.nan)

    return measure


def correct(logits: Tensor, y: Float[Tensor, " examples"]) -> np.ndarray:
    """Which examples are classified as they are labelled, as `accuracy` has it."""
    return (_predicted(logits) == y.long()).numpy()


def _predicted(logits: Tensor) -> Tensor:
    """Classes of logits [N, C]; of single ones, of class 1 against 0, class 1 above 0."""
    return logits.argmax(1) if logits.dim() == 2 else (logits > 0).long()


def _mean(values: np.ndarray) -> Resampled:
    return lambda draws: _ratio(draws @ values, draws.sum(axis=1))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return above / np.where(below > 0, below, np.nan)


def _accuracy(logits: Tensor, y: Tensor) -> Resampled:
    return _mean(correct(logits, y).astype(float))


def _counts(logits: Tensor, y: Tensor) -> Callable[[Draws], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """By class: examples of it that are predicted as it, that are of it, that are predicted as it."""
    classes = logits.size(1) if logits.dim() == 2 else 2
    labels, predicted = (np.eye(classes)[values.long().numpy()] for values in (y, _predicted(logits)))
    return lambda draws: (draws @ (labels * predicted), draws @ labels, draws @ predicted)


def _macro_f1(logits: Tensor, y: Tensor) -> Resampled:
    counts = _counts(logits, y)

    def measure(draws: Draws) -> Values:
        hits, labelled, predicted = counts(draws)
        return np.nanmean(_ratio(2 * hits, labelled + predicted), axis=1)

    return measure


def _balanced_accuracy(logits: Tensor, y: Tensor) -> Resampled:
    counts = _counts(logits, y)

    def measure(draws: Draws) -> Values:
        hits, labelled, _ = counts(draws)
        return np.nanmean(_ratio(hits, labelled), axis=1)

    return measure


def _by_threshold(logits: Tensor, y: Tensor) -> Callable[[Draws], tuple[np.ndarray, np.ndarray]]:
    """Positive and negative examples with each of the distinct outputs, from the highest."""
    order = torch.argsort(logits, descending=True, stable=True)
    outputs, positive = logits[order].numpy(), y[order].numpy() == 1
    starts = np.flatnonzero(np.r_[True, np.diff(outputs) != 0])
    order = order.numpy()

    def split(draws: Draws) -> tuple[np.ndarray, np.ndarray]:
        sorted_draws = draws[:, order]
        return tuple(np.add.reduceat(sorted_draws * which, starts, axis=1) for which in (positive, ~positive))

    return split


def _roc_auc(logits: Tensor, y: Tensor) -> Resampled:
    split = _by_threshold(logits, y)

    def measure(draws: Draws) -> Values:
        positive, negative = split(draws)
        below = negative.sum(axis=1, keepdims=True) - negative.cumsum(axis=1) + negative / 2
        return _ratio((positive * below).sum(axis=1), positive.sum(axis=1) * negative.sum(axis=1))

    return measure


def _average_precision(logits: Tensor, y: Tensor) -> Resampled:
    split = _by_threshold(logits, y)

    def measure(draws: Draws) -> Values:
        positive, negative = split(draws)
        hits, misses = positive.cumsum(axis=1), negative.cumsum(axis=1)
        precision = np.nan_to_num(_ratio(hits, hits + misses))
        found = _ratio((positive * precision).sum(axis=1), positive.sum(axis=1))
        return np.where(negative.sum(axis=1) > 0, found, np.nan)

    return measure


def _errors(prediction: Tensor, y: Tensor) -> np.ndarray:
    return (prediction - y).numpy()


MEASURES: dict[str, Callable[[Tensor, Tensor], Resampled]] = {
    "accuracy": _accuracy,
    "macro_f1": _macro_f1,
    "balanced_accuracy": _balanced_accuracy,
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "mae": lambda prediction, y: _mean(np.abs(_errors(prediction, y))),
    "rmse": lambda prediction, y: lambda draws: np.sqrt(_mean(_errors(prediction, y) ** 2)(draws)),
    "log10_mse": lambda prediction, y: (
        lambda draws: np.log10(np.maximum(_mean(_errors(prediction, y) ** 2)(draws), np.finfo(float).tiny))
    ),
}
"""The same metrics as those of `Metrics`, of one target: predictions and labels, none missing."""
