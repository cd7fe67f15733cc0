"""CV+: intervals and sets calibrated on the test folds of a cross-validation, each predicted by its own fold's models.

Barber, Candès, Ramdas & Tibshirani (2021), Predictive inference with the jackknife+; for classes Romano, Sesia & Candès
(2020). Of n examples, R_i is the score of example i by the models of the fold that tests it, which have not seen it. Of
new x these models say μ_i(x): the upper bound is the ⌈(n + 1)·coverage⌉-th smallest μ_i(x) + R_i, the lower one its
mirror image; a class is in the set if fewer than (n + 1)·coverage scores are below its own. Of exchangeable examples
the truth lies inside with a probability of 2·coverage - 1 at least (less a term of the order of folds / n), and in
practice of about coverage.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from gnn_distill.analysis.conformal import ROUNDING, likelihoods, scores_of
from gnn_distill.data.task import TaskSpec
from gnn_distill.errors import refuse

MOST = 4_000_000
"""Numbers that are compared at a time: rows times examples."""
Fold = tuple[Float[np.ndarray, "examples outputs"], Float[np.ndarray, "examples targets"]]
"""What the models of a fold say of the examples that it tests, and their labels."""


@dataclass(frozen=True)
class FoldCalibration:
    """Sorted scores by target and fold."""

    coverage: float
    scores: list[list[Float[np.ndarray, " examples"]]]

    @property
    def labels(self) -> int:
        """The smallest number of labels of a target."""
        return min(sum(map(len, folds)) for folds in self.scores)


def calibrate_folds(spec: TaskSpec, folds: Sequence[Fold], coverage: float) -> FoldCalibration:
    """The scores of every target. Raises UserError where labels are too few for this coverage."""
    scores = []
    for target, name in enumerate(spec.target_names[: folds[0][1].shape[1]]):
        scores.append([np.sort(scores_of(spec, outputs, labels, target)) for outputs, labels in folds])
        if _rank(scores[-1], coverage) > (count := sum(map(len, scores[-1]))):
            least = math.ceil(coverage / (1 - coverage) - ROUNDING)
            why = f"needs {least} labels of '{name}' in the test folds, which have {count}. Choose less."
            raise refuse("coverage", coverage, why)
    return FoldCalibration(coverage, scores)


def fold_intervals(
    calibration: FoldCalibration, values: Float[np.ndarray, "folds rows targets"]
) -> tuple[Float[np.ndarray, "rows targets"], Float[np.ndarray, "rows targets"]]:
    """Lower and upper bounds for new examples. values: what the models of each fold say of them."""
    high = [_upper(calibration, target, values[:, :, target]) for target in range(values.shape[2])]
    low = [-_upper(calibration, target, -values[:, :, target]) for target in range(values.shape[2])]
    return np.stack(low, axis=1), np.stack(high, axis=1)


def fold_sets(
    spec: TaskSpec, calibration: FoldCalibration, probabilities: Float[np.ndarray, "folds rows outputs"]
) -> Bool[np.ndarray, "rows targets classes"]:
    """Which classes are in the set of each target of new examples."""
    own = np.stack([1 - likelihoods(spec, one) for one in probabilities])
    sets = []
    for target, folds in enumerate(calibration.scores):
        below = sum(np.searchsorted(known, score) for known, score in zip(folds, own[:, :, target], strict=True))
        sets.append(below < (sum(map(len, folds)) + 1) * calibration.coverage - ROUNDING)
    return np.stack(sets, axis=1)


def _rank(folds: Sequence[np.ndarray], coverage: float) -> int:
    return math.ceil((sum(map(len, folds)) + 1) * coverage - ROUNDING)


def _upper(
    calibration: FoldCalibration, target: int, values: Float[np.ndarray, "folds rows"]
) -> Float[np.ndarray, " rows"]:
    folds = calibration.scores[target]
    rank = _rank(folds, calibration.coverage) - 1

    def bounds() -> Iterator[np.ndarray]:
        step = max(1, MOST // sum(map(len, folds)))
        for start in range(0, values.shape[1], step):
            part = values[:, start : start + step]
            reached = [one[:, None] + known for one, known in zip(part, folds, strict=True)]
            yield np.partition(np.concatenate(reached, axis=1), rank, axis=1)[:, rank]

    return np.concatenate([*bounds(), np.empty(0)])
