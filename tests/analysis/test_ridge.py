"""Ridges from Gram matrices against scikit-learn, and folds."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from gnn_distill.analysis.ridge import LAMBDAS, Moments, auroc, balanced_folds, cross_fitted, standardised


def problem(rows: int = 240, columns: int = 7, targets: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns, targets of different noise, and the graph of each row."""
    random = np.random.default_rng(0)
    graph = np.sort(random.integers(0, 30, rows))
    x = standardised(random.standard_normal((rows, columns)) * [1, 10, 0.1, 1, 1, 1, 3] + graph[:, None] % 3)
    y = x[:, :targets] * [1, 0.2, 0] + random.standard_normal((rows, targets)) * [0.1, 1, 1] + 5
    return x, y, graph


def by_scikit_learn(x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """The same in loops, each ridge fitted to its rows."""
    predicted = np.zeros_like(y)
    for target in range(y.shape[1]):
        for f in range(fold.max() + 1):
            errors = []
            for penalty in LAMBDAS:
                error = 0.0
                for v in set(fold.tolist()) - {f}:
                    rows = (fold != f) & (fold != v)
                    ridge = Ridge(alpha=penalty * rows.sum() / 100).fit(x[rows], y[rows, target])
                    error += ((y[fold == v, target] - ridge.predict(x[fold == v])) ** 2).sum()
                errors.append(error)
            rows = fold != f
            ridge = Ridge(alpha=LAMBDAS[int(np.argmin(errors))] * rows.sum() / 100).fit(x[rows], y[rows, target])
            seen = y[rows, target]
            predicted[fold == f, target] = ridge.predict(x[fold == f]).clip(seen.min(), seen.max())
    return predicted


def test_cross_fitted_ridges_equal_those_of_scikit_learn() -> None:
    x, y, graph = problem()
    fold = np.zeros(len(x), dtype=int)
    for number, (_, test) in enumerate(GroupKFold(5).split(x, y, graph)):
        fold[test] = number
    np.testing.assert_allclose(cross_fitted(x, y, fold), by_scikit_learn(x, y, fold), rtol=0, atol=1e-8)


def test_an_outlier_is_not_extrapolated() -> None:
    x, y, graph = problem()
    x[0] *= 1e4
    predicted = cross_fitted(standardised(x), y, graph % 5)
    assert (predicted >= y.min(0)).all()
    assert (predicted <= y.max(0)).all()


def test_rows_that_ridges_may_not_be_fitted_to_are_only_predicted() -> None:
    x, y, graph = problem()
    fold, fitted = graph % 4, np.arange(len(x)) % 3 > 0
    spoilt = np.where(fitted[:, None], y, 1e6)
    np.testing.assert_allclose(cross_fitted(x, spoilt, fold, fitted), cross_fitted(x, y, fold, fitted))
    alone = cross_fitted(x[fitted], y[fitted], fold[fitted])
    np.testing.assert_allclose(cross_fitted(x, y, fold, fitted)[fitted], alone, atol=1e-9)


def test_errors_from_moments_are_those_of_the_rows() -> None:
    x, y, graph = problem()
    fold = graph % 4
    moments = Moments.of(x, y, fold, 4)
    ridge = moments.without(1, 2)
    for penalty in LAMBDAS:
        w = ridge.weights(penalty)
        predicted = (x - ridge.x_mean) @ w + ridge.y_mean
        direct = ((y - predicted)[fold == 2] ** 2).sum(0)
        np.testing.assert_allclose(ridge.error(penalty, moments, 2), direct, rtol=1e-9)


def test_a_probe_without_columns_predicts_the_mean_of_the_other_folds() -> None:
    _, y, graph = problem()
    fold = graph % 3
    predicted = cross_fitted(np.zeros((len(y), 0)), y, fold)
    for f in range(3):
        np.testing.assert_allclose(predicted[fold == f], np.broadcast_to(y[fold != f].mean(0), y[fold == f].shape))


def test_standardised_drops_constant_columns() -> None:
    x = standardised(np.array([[1.0, 5, 2], [2, 5, 2], [3, 5, 8]]))
    assert x.shape == (3, 2)
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-15)
    np.testing.assert_allclose(x.std(0), 1)


def test_folds_are_even_and_alike_in_size() -> None:
    sizes = np.random.default_rng(0).integers(5, 60, 203)
    fold = balanced_folds(sizes, 5, seed=0)
    counts = np.bincount(fold)
    assert counts.max() - counts.min() <= 1
    means = [sizes[fold == f].mean() for f in range(5)]
    assert max(means) - min(means) < 3
    assert (balanced_folds(sizes, 5, seed=0) == fold).all()
    assert (balanced_folds(sizes, 5, seed=1) != fold).any()


@pytest.mark.parametrize("distinct", [3, 1000])
def test_auroc_equals_that_of_scikit_learn(distinct: int) -> None:
    random = np.random.default_rng(0)
    score, label = random.integers(0, distinct, 200) / distinct, random.random(200) < 0.3
    assert auroc(score, label) == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    assert np.isnan(auroc(score, np.ones(200, dtype=bool)))
