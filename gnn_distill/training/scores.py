"""What a finished model's outputs score, beyond the metrics that training watches: by target and by class, too."""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gnn_distill.data.task import METRICS, TaskSpec
from gnn_distill.models.readable import readable
from gnn_distill.training.metrics import Metrics

BINS = 15
"""Of equal width, for the calibration error (Guo et al. 2017)."""

Scores = dict[str, Any]


def scores(spec: TaskSpec, logits: Float[Tensor, "examples outputs"], y: Float[Tensor, "examples targets"]) -> Scores:
    """All metrics of some outputs in plain types: `overall`, by target and, of one target, by class; None: no value.

    Overall values of several targets are means over those that have one, as in `Metrics`. Missing labels are left out.
    y: in original units, multi-class the number of the class.
    """
    kept = ~y.isnan().all(dim=1) & logits.isfinite().all(dim=1)
    logits, y = logits[kept], y[kept].double()
    metrics = Metrics(spec)
    names = sorted(METRICS[spec.kind], key=lambda name: name != spec.metric)
    watched = {name: metrics.by_target(name, logits, y) for name in names} if len(y) else {}
    columns = {
        target: _of_target(spec, {name: values[place] for name, values in watched.items()}, logits, y, place)
        for place, target in enumerate(_names(spec))
    }
    measured = [column for column in columns.values() if column["n"]]
    names = [name for name in next(iter(measured), {}) if name != "n"]
    found: Scores = {"overall": {name: _mean([column[name] for column in measured]) for name in names}}
    if len(columns) > 1:
        found["targets"] = columns
    if spec.kind in ("binary", "multiclass") and len(y):
        found["classes"] = _by_class(spec, readable(spec, logits), y[:, 0])
    return found


def _names(spec: TaskSpec) -> tuple[str, ...]:
    return ("",) if spec.kind == "multiclass" else spec.target_names


def _of_target(
    spec: TaskSpec, watched: Mapping[str, float], logits: Tensor, y: Tensor, place: int
) -> dict[str, float | None]:
    """The number of labels of a target, the metrics that training watches, and the further ones."""
    present = ~y[:, place].isnan()
    known, own = y[present], logits[present]
    if not len(known):
        return {"n": 0}
    values = dict(watched)
    outputs = readable(spec, own).double().numpy()
    outputs = outputs if spec.kind == "multiclass" else outputs[:, place]
    labels = known[:, place].numpy()
    for name, measure in FURTHER["regression" if spec.kind == "regression" else "classes"].items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of constants, for which there is no value
            values[name] = measure(outputs, labels)
    return {"n": len(known)} | {name: None if math.isnan(value) else float(value) for name, value in values.items()}


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _by_class(
    spec: TaskSpec, outputs: Float[Tensor, "examples outputs"], y: Float[Tensor, " examples"]
) -> dict[str, Mapping[str, float]]:
    """Of each class the number of examples, precision, recall and F1."""
    from sklearn.metrics import precision_recall_fscore_support

    numbers = list(range(len(spec.classes)))
    columns = precision_recall_fscore_support(y.numpy(), predicted(outputs.numpy()), labels=numbers, zero_division=0)
    rows = zip(spec.classes, *(column.tolist() for column in columns), strict=True)
    return {name: {"n": n, "precision": p, "recall": r, "f1": f1} for name, p, r, f1, n in rows}


def predicted(probabilities: Float[np.ndarray, "examples outputs"]) -> np.ndarray:
    """The likeliest class; of two, whose positive one alone is given, 1 above a half."""
    one = probabilities.ndim == 1 or probabilities.shape[1] == 1
    return (probabilities.reshape(-1) > 0.5).astype(int) if one else probabilities.argmax(1)


def _r2(values: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.metrics import r2_score

    return r2_score(labels, values) if len(labels) > 1 and np.ptp(labels) > 0 else math.nan


def _spearman(values: np.ndarray, labels: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(values, labels).statistic) if len(labels) > 1 else math.nan


def _mcc(probabilities: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.metrics import matthews_corrcoef

    return matthews_corrcoef(labels, predicted(probabilities)) if len(np.unique(labels)) > 1 else math.nan


def _brier(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean squared error of the probability of class 1; of several classes summed over them (Brier 1950)."""
    from sklearn.metrics import brier_score_loss

    classes = range(2 if probabilities.ndim == 1 else probabilities.shape[1])
    return brier_score_loss(labels.astype(int), probabilities, labels=list(classes))


def _calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Expected calibration error: the gap of confidence and accuracy, weighted by the examples of each bin.

    Of class 1 among two classes; of several that of the likeliest.
    """
    from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

    given, truth = torch.from_numpy(probabilities), torch.from_numpy(labels).long()
    if given.dim() == 1:
        return float(binary_calibration_error(given, truth, n_bins=BINS))
    return float(multiclass_calibration_error(given, truth, num_classes=given.size(1), n_bins=BINS))


FURTHER: dict[str, dict[str, Callable[[np.ndarray, np.ndarray], float]]] = {
    "regression": {"r2": _r2, "spearman": _spearman},
    "classes": {"mcc": _mcc, "brier": _brier, "calibration_error": _calibration_error},
}
"""Of one target: values in original units, or probabilities [N] or [N, C], and labels [N] to a number."""
