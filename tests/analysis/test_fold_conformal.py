"""CV+ against its definition in plain loops, and its coverage where examples are exchangeable."""

import math

import numpy as np
import pytest
from small_tasks import make_spec

from gnn_distill.analysis.fold_conformal import calibrate_folds, fold_intervals, fold_sets
from gnn_distill.errors import UserError

REGRESSION = make_spec("regression", target_names=("a", "b"))


def folds_of(random: np.random.Generator, sizes: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(random.normal(size=(size, 2)), random.normal(size=(size, 2))) for size in sizes]


def test_bounds_are_order_statistics_of_shifted_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gnn_distill.analysis.fold_conformal.MOST", 60)  # blocks of two rows
    random = np.random.default_rng(0)
    folds = folds_of(random, (9, 12, 7))
    folds[1][1][3, 0] = np.nan
    values = random.normal(size=(3, 5, 2))
    low, high = fold_intervals(calibrate_folds(REGRESSION, folds, 0.8), values)
    for row in range(5):
        for target in range(2):
            above, below = [], []
            for fold, (outputs, labels) in enumerate(folds):
                for said, label in zip(outputs[:, target], labels[:, target], strict=True):
                    if not math.isnan(label):
                        above.append(values[fold, row, target] + abs(label - said))
                        below.append(values[fold, row, target] - abs(label - said))
            rank = math.ceil((len(above) + 1) * 0.8)
            assert high[row, target] == sorted(above)[rank - 1]
            assert low[row, target] == sorted(below, reverse=True)[rank - 1]
    assert fold_intervals(calibrate_folds(REGRESSION, folds, 0.8), values[:, :0])[0].shape == (0, 2)


def test_sets_count_the_scores_below() -> None:
    spec, random = make_spec("multiclass", target_names=("x", "y", "z")), np.random.default_rng(1)
    folds = [(random.dirichlet(np.ones(3), size), random.integers(3, size=(size, 1)) * 1.0) for size in (8, 11)]
    new = random.dirichlet(np.ones(3), (2, 6))
    found = fold_sets(spec, calibrate_folds(spec, folds, 0.7), new)
    assert found.shape == (6, 1, 3)
    for row in range(6):
        for label in range(3):
            below = sum(
                1 - outputs[i, int(labels[i, 0])] < 1 - new[fold, row, label]
                for fold, (outputs, labels) in enumerate(folds)
                for i in range(len(labels))
            )
            assert found[row, 0, label] == (below < 0.7 * 20)


def test_the_truth_lies_inside_as_often_as_was_asked_for() -> None:
    random = np.random.default_rng(2)
    spec, inside = make_spec("regression", target_names=("a",)), []
    for _ in range(200):
        x, noise = random.normal(size=61), random.normal(size=61)
        y, part = 2 * x + noise, np.arange(60) % 5
        slopes = [np.polyfit(x[:60][part != fold], y[:60][part != fold], 1) for fold in range(5)]
        own = [np.polyval(slopes[fold], x[:60][part == fold]) for fold in range(5)]
        folds = [(said[:, None], y[:60][part == fold, None]) for fold, said in enumerate(own)]
        new = np.array([np.polyval(slope, x[60:]) for slope in slopes])[:, :, None]
        low, high = fold_intervals(calibrate_folds(spec, folds, 0.8), new)
        inside.append(low[0, 0] <= y[60] <= high[0, 0])
    assert 0.72 < np.mean(inside) < 0.88


def test_too_few_labels_are_told() -> None:
    folds = folds_of(np.random.default_rng(0), (3, 4))
    with pytest.raises(UserError, match=r"coverage=0\.9: needs 9 labels of 'a' in the test folds, which have 7"):
        calibrate_folds(REGRESSION, folds, 0.9)
