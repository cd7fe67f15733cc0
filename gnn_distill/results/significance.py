"""Tests, intervals and ranks over pairs of runs, as functions on arrays.

Functions import SciPy themselves: scipy.stats takes a second, and most tables need only scipy.special, some neither.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

CONFIDENCE = 0.95
"""Confidence level of all intervals."""
BOOTSTRAP_FROM = 10
"""Number of pairs from which on intervals are by bootstrap; with fewer, resampling underestimates the spread."""
RESAMPLES = 9_999
NOISE = 1e-12
"""Differences below this share of the values are rounding errors."""


class Outcome(NamedTuple):
    """A two-sided test of `mean difference = 0`; p is NaN if it is undefined."""

    test: str
    n: int
    statistic: float
    p: float


class Interval(NamedTuple):
    """A mean over n pairs and the bounds of its interval; NaN if there are none."""

    mean: float
    low: float
    high: float
    n: int


class Share(NamedTuple):
    """Share of the gap recovered and its bounds, NaN if there is no gap to recover; and the gap itself."""

    share: float
    low: float
    high: float
    gap: Interval


def differences(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    """a - b [n], free of rounding errors, so that equal differences are equal."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    scale = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0)) or 1.0
    grain = 10.0 ** np.floor(np.log10(scale)) * NOISE
    return np.round((a - b) / grain) * grain


def paired_t(d: np.ndarray) -> Outcome:
    """Student's t of differences d [n]: t = d̄ / √(s²/n), with n - 1 degrees of freedom."""
    return _t_test("paired_t", d, 1 / max(len(d), 1))


def corrected_t(d: np.ndarray, overlap: float) -> Outcome:
    """Student's t of differences d [k] between folds, whose training sets overlap.

    t = d̄ / √((1/k + overlap) s²), with k - 1 degrees of freedom; overlap = n_test / n_train, n_train without
    validation. Source: Nadeau & Bengio (2003), Inference for the generalization error.
    """
    return _t_test("corrected_t", d, 1 / max(len(d), 1) + overlap)


def wilcoxon(d: np.ndarray) -> Outcome:
    """Wilcoxon's signed-rank test of differences d [n], zeros left out.

    Exact up to 50 pairs, with ties among |d| up to 13; a normal approximation above.
    """
    kept = d[d != 0]
    if not len(kept):
        return Outcome("wilcoxon", len(d), 0.0, _p_of_constant(d))
    from scipy import stats

    result = stats.wilcoxon(kept)
    return Outcome("wilcoxon", len(d), float(result.statistic), float(result.pvalue))


TESTS: dict[str, Callable[[np.ndarray, float], Outcome]] = {
    "paired_t": lambda d, _: paired_t(d),
    "corrected_t": corrected_t,
    "wilcoxon": lambda d, _: wilcoxon(d),
}
"""Of differences [n] and the overlap n_test / n_train, by the name in a table's config."""


def smallest_p(test: str, n: int) -> float:
    """The smallest p-value that `test` can give with n pairs: 2^(1-n) for Wilcoxon's, any for t tests from n = 2."""
    if test == "wilcoxon":
        return min(1.0, 2.0 ** (1 - n))
    return 0.0 if n > 1 else 1.0


def smallest_effect(n: int, alpha: float, overlap: float = 0.0) -> float:
    """The smallest |d̄| / s for which a t test of n pairs gives p <= alpha."""
    return _quantile(n, 1 - alpha / 2) * float(np.sqrt(1 / n + overlap)) if n > 1 else np.inf


def holm(p: pd.Series) -> pd.Series:
    """p-values adjusted for all tests of a family: p_(i) → max over j <= i of min(1, (m - j + 1) p_(j)).

    A missing p stays missing, but counts: a planned comparison that was not made must not help the others.
    Source: Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    ascending = p.dropna().sort_values()
    factors = np.arange(len(p), len(p) - len(ascending), -1)
    return (ascending * factors).cummax().clip(upper=1.0).reindex(p.index)


def interval(d: np.ndarray, overlap: float = 0.0) -> Interval:
    """The mean of differences d [n] and its interval: by t, from 10 pairs on by bootstrap.

    With an overlap, of folds, by the corrected t whatever their number: a bootstrap treats folds as independent, and
    would contradict the test.
    """
    mean, n = float(d.mean()) if len(d) else np.nan, len(d)
    if n < 2 or _is_constant(d):
        return Interval(mean, np.nan, np.nan, n)
    if _resampled(n, overlap):
        return Interval(mean, *_bootstrap(np.mean, d), n)
    half = _quantile(n) * np.sqrt((1 / n + overlap) * d.var(ddof=1))
    return Interval(mean, float(mean - half), float(mean + half), n)


def gap_recovered(
    distilled: ArrayLike, alone: ArrayLike, teacher: ArrayLike, higher_is_better: bool, overlap: float = 0.0
) -> Share:
    """(distilled - alone) / (teacher - alone) as a ratio of means over pairs [n], if the gap's interval is above 0.

    Interval by Fieller's theorem, from 10 pairs on by bootstrap (with an overlap never, as in `interval`): all ρ for
    which ā - ρ b̄ is within its t interval of 0, where a are gains and b gaps. Source: Fieller (1954), Some problems
    in interval estimation.
    """
    sign = 1 if higher_is_better else -1
    a, b = sign * differences(distilled, alone), sign * differences(teacher, alone)
    gap = interval(b, overlap)
    if not gap.low > 0:
        return Share(np.nan, np.nan, np.nan, gap)
    share, n = float(a.mean() / b.mean()), len(a)
    if _resampled(n, overlap):
        ratio = lambda a, b, axis: a.mean(axis) / b.mean(axis)  # noqa: E731
        return Share(share, *_bootstrap(ratio, a, b), gap)
    (aa, ab), (_, bb) = np.cov(a, b) * (1 / n + overlap) * _quantile(n) ** 2
    # The roots of (b̄² - bb) ρ² - 2 (āb̄ - ab) ρ + (ā² - aa); the first factor is above 0 as the gap's interval is.
    square, half, rest = b.mean() ** 2 - bb, a.mean() * b.mean() - ab, a.mean() ** 2 - aa
    root = np.sqrt(max(half**2 - square * rest, 0.0))
    return Share(share, float((half - root) / square), float((half + root) / square), gap)


def average_ranks(means: pd.DataFrame, higher_is_better: pd.Series) -> pd.Series:
    """Mean rank of each row of `means` [rows, columns] over columns, 1 the best, ties shared; NaN for empty rows.

    Only columns in which no other row is missing count, since ranks among fewer are not the same ranks.
    Source: Demšar (2006), Statistical comparisons of classifiers over multiple data sets.
    """
    whole = means.dropna(how="all").dropna(axis=1)
    return whole.mul(np.where(higher_is_better[whole.columns], -1, 1)).rank().mean(axis=1).reindex(means.index)


def _t_test(name: str, d: np.ndarray, factor: float) -> Outcome:
    from scipy.special import stdtr

    n = len(d)
    if n < 2 or _is_constant(d):
        return Outcome(name, n, np.nan, _p_of_constant(d))
    t = d.mean() / np.sqrt(factor * d.var(ddof=1))
    return Outcome(name, n, float(t), float(2 * stdtr(n - 1, -abs(t))))


def _is_constant(d: np.ndarray) -> bool:
    return bool(np.ptp(d) == 0)


def _p_of_constant(d: np.ndarray) -> float:
    """1 if nothing differs, else undefined: pairs that differ by the same amount carry no more information than one."""
    return 1.0 if len(d) > 1 and not d.any() else np.nan


def _quantile(n: int, share: float = (1 + CONFIDENCE) / 2) -> float:
    """The quantile of Student's t with n - 1 degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, share))


def _resampled(n: int, overlap: float) -> bool:
    return n >= BOOTSTRAP_FROM and not overlap


def _bootstrap(statistic: Callable[..., float], *samples: np.ndarray) -> tuple[float, float]:
    """Bias-corrected and accelerated bounds, over resampled pairs, with a fixed seed."""
    from scipy import stats

    low, high = stats.bootstrap(
        samples, statistic, n_resamples=RESAMPLES, confidence_level=CONFIDENCE, paired=True, rng=0
    ).confidence_interval
    return float(low), float(high)
