"""Cross-fitted linear probes: ridge regressions in closed form, from one Gram matrix a fold."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

LAMBDAS = 10.0 ** np.arange(-4, 4)
"""Choices of the penalty, in hundredths of the number of rows."""


@dataclass(frozen=True)
class Moments:
    """Sums over the rows of each fold f: X'X, X'Y, ΣX, ΣY, ΣY² and their number; sums of them are those of unions."""

    xx: Float[np.ndarray, "folds columns columns"]
    xy: Float[np.ndarray, "folds columns targets"]
    x: Float[np.ndarray, "folds columns"]
    y: Float[np.ndarray, "folds targets"]
    yy: Float[np.ndarray, "folds targets"]
    rows: Float[np.ndarray, " folds"]

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, fold: Int[np.ndarray, " rows"], folds: int) -> "Moments":
        """Those of X [row, column] and Y [row, target]."""
        parts = [(x[fold == f], y[fold == f]) for f in range(folds)]
        return cls(
            xx=np.stack([a.T @ a for a, _ in parts]),
            xy=np.stack([a.T @ b for a, b in parts]),
            x=np.stack([a.sum(0) for a, _ in parts]),
            y=np.stack([b.sum(0) for _, b in parts]),
            yy=np.stack([(b**2).sum(0) for _, b in parts]),
            rows=np.array([float(len(a)) for a, _ in parts]),
        )

    def without(self, *left_out: int) -> "Ridge":
        """The ridge regressions of all folds but these."""
        kept = [f for f in range(len(self.rows)) if f not in left_out]
        rows = self.rows[kept].sum()
        x, y = self.x[kept].sum(0) / rows, self.y[kept].sum(0) / rows
        xx = self.xx[kept].sum(0) - rows * np.outer(x, x)
        xy = self.xy[kept].sum(0) - rows * np.outer(x, y)
        values, vectors = np.linalg.eigh(xx)
        return Ridge(values.clip(min=0), vectors, vectors.T @ xy, x, y, rows)


@dataclass(frozen=True)
class Ridge:
    """w = (Xc'Xc + α I)⁻¹ Xc'Yc and b = ȳ − w'x̄ for any α, from the eigenvectors of Xc'Xc; c: centred, so the
    intercept is not penalised."""

    values: Float[np.ndarray, " columns"]
    vectors: Float[np.ndarray, "columns columns"]
    projected: Float[np.ndarray, "columns targets"]
    x_mean: Float[np.ndarray, " columns"]
    y_mean: Float[np.ndarray, " targets"]
    rows: float

    def weights(self, penalty: float) -> Float[np.ndarray, "columns targets"]:
        """w for α = penalty · rows / 100."""
        return self.vectors @ (self.projected / (self.values + penalty * self.rows / 100)[:, None])

    def error(self, penalty: float, moments: Moments, fold: int) -> Float[np.ndarray, " targets"]:
        """Σ (y − ŷ)² over the rows of one fold, from its moments alone."""
        w = self.weights(penalty)
        b = self.y_mean - self.x_mean @ w
        xy, xx, x, y = moments.xy[fold], moments.xx[fold], moments.x[fold], moments.y[fold]
        fitted = (w * (xx @ w)).sum(0) + 2 * b * (x @ w) + moments.rows[fold] * b**2
        return moments.yy[fold] - 2 * ((w * xy).sum(0) + b * y) + fitted


def standardised(x: np.ndarray) -> Float[np.ndarray, "rows columns"]:
    """Columns of mean 0 and standard deviation 1, in float64; constant ones are dropped."""
    x = x.astype(np.float64)
    std = x.std(0)
    kept = std > 1e-9 * np.maximum(np.abs(x).max(0, initial=0), 1e-300)
    return (x[:, kept] - x[:, kept].mean(0)) / std[kept]


def cross_fitted(
    x: Float[np.ndarray, "rows columns"],
    y: Float[np.ndarray, "rows targets"],
    fold: Int[np.ndarray, " rows"],
    fitted: Bool[np.ndarray, " rows"] | None = None,
) -> Float[np.ndarray, "rows targets"]:
    """Predictions of every row by a ridge that saw neither its fold, nor chose its penalty on it.

    The penalty of fold f and each target is the one of LAMBDAS with the smallest error over the other folds v, each
    predicted without f and v; then the ridge is fitted again without f. Deterministic. x: standardised columns.
    fitted: rows that ridges may be fitted to; others are only predicted. Predictions stay in the range of the targets
    that a ridge was fitted to: states of untrained networks have outliers, one of which would outweigh all else.
    """
    folds = int(fold.max()) + 1
    if not x.shape[1]:
        x = np.zeros((len(x), 1))
    rows = slice(None) if fitted is None else fitted
    y = y.astype(np.float64)
    moments = Moments.of(x[rows], y[rows], fold[rows], folds)
    errors = np.zeros((folds, len(LAMBDAS), y.shape[1]))
    for f in range(folds):
        for v in range(f):
            ridge = moments.without(f, v)
            for number, penalty in enumerate(LAMBDAS):
                errors[f, number] += ridge.error(penalty, moments, v)
                errors[v, number] += ridge.error(penalty, moments, f)
    predicted = np.zeros_like(y)
    for f in range(folds):
        best, ridge, here = errors[f].argmin(0), moments.without(f), fold == f
        for number in np.unique(best):
            chosen = best == number
            w = ridge.weights(LAMBDAS[number])[:, chosen]
            seen = y[rows][fold[rows] != f][:, chosen]
            values = x[here] @ w + ridge.y_mean[chosen] - ridge.x_mean @ w
            predicted[np.ix_(here, chosen)] = values.clip(seen.min(0), seen.max(0))
    return predicted


def balanced_folds(sizes: Int[np.ndarray, " units"], folds: int, seed: int) -> Int[np.ndarray, " units"]:
    """A fold of every unit, stratified by size: of each `folds` units in order of size one goes to each fold."""
    random = np.random.default_rng(seed)
    order = np.lexsort((random.random(len(sizes)), sizes))
    fold = np.empty(len(sizes), dtype=np.int64)
    for start in range(0, len(order), folds):
        few = order[start : start + folds]
        fold[few] = random.permutation(folds)[: len(few)]
    return fold


def auroc(score: Float[np.ndarray, " rows"], label: Bool[np.ndarray, " rows"]) -> float:
    """P(score of a positive > score of a negative) + ½ P(equal); NaN without both classes (Mann & Whitney 1947)."""
    from scipy.stats import rankdata

    positive, negative = int(label.sum()), int((~label).sum())
    if not positive or not negative:
        return float("nan")
    return float((rankdata(score)[label].sum() - positive * (positive + 1) / 2) / (positive * negative))
