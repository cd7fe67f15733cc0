"""Thresholds equal a count in plain Python, and regions hold the truth as often as they promise."""

import math
from fractions import Fraction

import numpy as np
import pytest
from small_tasks import make_spec

from gnn_distill.analysis.conformal import calibrate, class_sets, intervals, likelihoods, threshold
from gnn_distill.errors import UserError


def counted(scores: list[float], coverage: str) -> float:
    """The smallest score that at least ⌈(n + 1)·coverage⌉ scores do not exceed, in exact arithmetic."""
    wanted = math.ceil((len(scores) + 1) * Fraction(coverage))
    fitting = [score for score in scores if sum(other <= score for other in scores) >= wanted]
    return min(fitting, default=math.inf)


@pytest.mark.parametrize("coverage", ["0.5", "0.7", "0.8", "0.9", "0.95"])
def test_thresholds_are_order_statistics(coverage: str) -> None:
    random = np.random.default_rng(0)
    for count in (*range(1, 45), 99, 199):
        scores = random.integers(0, 30, count) / 7  # with ties
        assert threshold(scores, float(coverage)) == counted(scores.tolist(), coverage), count


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_intervals_cover_what_is_exchangeable(coverage: float) -> None:
    random, spec, hits = np.random.default_rng(1), make_spec("regression"), []
    for _ in range(400):
        values = random.normal(size=(60, 2))
        labels = values + random.standard_t(3, size=(60, 2)) * [1.0, 5.0]
        low, high = intervals(calibrate(spec, values[:40], labels[:40], coverage), values[40:])
        hits.append(((low <= labels[40:]) & (labels[40:] <= high)).mean(axis=0))
    # The mean over calibration sets lies in [coverage, coverage + 1/41].
    mean = np.mean(hits, axis=0)
    assert (mean > coverage - 0.015).all()
    assert (mean < coverage + 1 / 41 + 0.015).all()


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_sets_cover_what_is_exchangeable(kind: str) -> None:
    random, spec, hits, sizes = np.random.default_rng(2), make_spec(kind), [], []
    for _ in range(400):
        if kind == "multiclass":
            outputs = random.dirichlet([0.5] * 3, size=80)
            labels = np.array([[random.choice(3, p=row)] for row in outputs], dtype=float)
        else:
            outputs = random.uniform(size=(80, spec.num_outputs))
            labels = (random.uniform(size=outputs.shape) < outputs).astype(float)
        members = class_sets(spec, calibrate(spec, outputs[:40], labels[:40], 0.8), outputs[40:])
        hits.append(np.take_along_axis(members, labels[40:, :, None].astype(int), axis=2).mean())
        sizes.append(members.mean())
    assert 0.785 < np.mean(hits) < 0.8 + 1 / 41 + 0.015
    assert np.mean(sizes) < 0.9  # not everything is in every set


def test_missing_labels_are_left_out_and_targets_are_calibrated_apart() -> None:
    spec = make_spec("regression")
    values, labels = np.zeros((12, 2)), np.stack([np.arange(12.0), 10 * np.arange(12.0)], axis=1)
    labels[3:, 1] = np.nan
    made = calibrate(spec, values, labels, 0.5)
    assert made.thresholds.tolist() == [threshold(np.arange(12.0), 0.5), 10.0]
    assert made.labels == 3


def test_too_few_labels_are_told() -> None:
    spec = make_spec("regression")
    with pytest.raises(UserError, match=r"coverage=0\.9: needs 9 labels of 'a' in the validation part, which has 8"):
        calibrate(spec, np.zeros((8, 2)), np.ones((8, 2)), 0.9)
    assert calibrate(spec, np.zeros((9, 2)), np.ones((9, 2)), 0.9).thresholds.tolist() == [1.0, 1.0]


def test_a_probability_of_two_classes_is_that_of_class_one() -> None:
    assert likelihoods(make_spec(), np.array([[0.2]])).tolist() == [[[0.8, 0.2]]]
