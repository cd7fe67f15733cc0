"""Split conformal prediction: intervals and sets that hold the truth with a chosen probability.

Vovk, Gammerman & Shafer (2005); Angelopoulos & Bates (2021). The scores of n labelled examples that took no part in
training give a threshold q: the ⌈(n + 1)·coverage⌉-th smallest. For a new example that is exchangeable with them, the
truth lies among the values with a score of q or less with a probability of at least `coverage`, averaged over
both. Targets are calibrated one by one.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from gnn_distill.data.task import TaskSpec
from gnn_distill.errors import refuse

ROUNDING = 1e-9
"""By which a product such as 0.7·10 may exceed the whole number that it is."""


def threshold(scores: Float[np.ndarray, " examples"], coverage: float) -> float:
    """The ⌈(n + 1)·coverage⌉-th smallest score; infinite if there are fewer."""
    rank = math.ceil((len(scores) + 1) * coverage - ROUNDING)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


@dataclass(frozen=True)
class Calibration:
    """Thresholds by target, and the smallest number of labels that they were taken from."""

    thresholds: Float[np.ndarray, " targets"]
    labels: int


def calibrate(
    spec: TaskSpec,
    outputs: Float[np.ndarray, "examples outputs"],
    labels: Float[np.ndarray, "examples targets"],
    coverage: float,
) -> Calibration:
    """The thresholds of each target; missing labels (NaN) are left out.

    Scores: |y - ŷ| in original units for a regression, so that intervals are equally wide; 1 - p(y) for classes (LAC,
    Sadinle, Lei & Wasserman 2019), the sets of the smallest mean size, which may be empty. outputs: probabilities, or
    values in original units.

    Raises:
        UserError: where labels are too few for this coverage.
    """
    found, counts = [], []
    for target, name in enumerate(spec.target_names[: labels.shape[1]]):
        scores = scores_of(spec, outputs, labels, target)
        found.append(threshold(scores, coverage))
        counts.append(len(scores))
        if math.isinf(found[-1]):
            least = math.ceil(coverage / (1 - coverage) - ROUNDING)
            of = "" if spec.kind == "multiclass" else f" of '{name}'"
            raise refuse(
                "coverage",
                coverage,
                f"needs {least} labels{of} in the validation part, which has {len(scores)}. Choose less.",
            )
    return Calibration(np.array(found), min(counts))


def scores_of(
    spec: TaskSpec,
    outputs: Float[np.ndarray, "examples outputs"],
    labels: Float[np.ndarray, "examples targets"],
    target: int,
) -> Float[np.ndarray, " known"]:
    """The scores of the examples whose label of this target is known: |y - ŷ|, or 1 - p(y)."""
    known = ~np.isnan(labels[:, target])
    truth = labels[known, target]
    if spec.kind == "regression":
        return np.abs(truth - outputs[known, target])
    return 1 - likelihoods(spec, outputs[known])[np.arange(len(truth)), target, truth.astype(int)]


def likelihoods(
    spec: TaskSpec, probabilities: Float[np.ndarray, "examples outputs"]
) -> Float[np.ndarray, "examples targets classes"]:
    """The probability of every class of every target; of a binary target p belongs to class 1."""
    if spec.kind == "multiclass":
        return probabilities[:, None, :]
    return np.stack([1 - probabilities, probabilities], axis=2)


def intervals(
    calibration: Calibration, values: Float[np.ndarray, "rows targets"]
) -> tuple[Float[np.ndarray, "rows targets"], Float[np.ndarray, "rows targets"]]:
    """Lower and upper bounds: ŷ ± q."""
    return values - calibration.thresholds, values + calibration.thresholds


def class_sets(
    spec: TaskSpec, calibration: Calibration, probabilities: Float[np.ndarray, "rows outputs"]
) -> Bool[np.ndarray, "rows targets classes"]:
    """Which classes are in the set of each target: those with 1 - p ≤ q."""
    return 1 - likelihoods(spec, probabilities) <= calibration.thresholds[None, :, None]
