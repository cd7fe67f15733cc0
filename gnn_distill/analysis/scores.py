"""How well probes predict the targets of one level: errors by graph, so that they can be resampled."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array

from gnn_distill.analysis.ridge import auroc, cross_fitted, standardised
from gnn_distill.analysis.targets import Target

MOST_TOLD = 0.8
"""A target of which what is told explains more than this share is left out: nothing is left to learn."""
MOST_CONSTANT = 0.95
"""A target that is constant within more than this share of the graphs is left out."""


@dataclass(frozen=True)
class Level:
    """Targets of nodes, graphs or pairs, and how their probes are fitted and scored."""

    targets: list[Target]
    values: Float[np.ndarray, "rows targets"]
    """NaN where a row has none."""
    unit: Int[np.ndarray, " rows"]
    """The graph (or community) of each row."""
    units: int
    fold: Int[np.ndarray, " rows"]
    told: Float[np.ndarray, "rows columns"]
    """Standardised."""
    fitted: Bool[np.ndarray, " rows"]
    """Rows that probes may be fitted to."""
    scored: Bool[np.ndarray, " rows"]
    """Rows on which they are scored."""
    within: bool
    """Whether targets and errors are centred within their units, so that knowing a graph as a whole earns nothing."""


@dataclass(frozen=True)
class Scores:
    """Of one representation: squared errors and squared deviations of each target, by unit, and AUROC."""

    errors: Float[np.ndarray, "units targets"]
    spread: Float[np.ndarray, "units targets"]
    auroc: Float[np.ndarray, " targets"]
    """NaN for targets that are not 0 or 1."""

    def r2(self, weights: Float[np.ndarray, "resamples units"] | None = None) -> np.ndarray:
        """R² = 1 − Σ errors / Σ spread, [target]; of resampled units [resample, target]."""
        weights = np.ones((1, len(self.errors))) if weights is None else weights
        spread = weights @ self.spread
        with np.errstate(invalid="ignore", divide="ignore"):
            r2 = 1 - (weights @ self.errors) / np.where(spread > 0, spread, np.nan)
        return r2[0] if len(weights) == 1 else r2


def probe(level: Level, states: Float[np.ndarray, "rows columns"] | None) -> Scores:
    """Probe what is told and, beside it, states (None: nothing): cross-fitted ridges for all targets at once."""
    x = level.told if states is None else np.concatenate([level.told, standardised(states)], axis=1)
    shape = (level.units, len(level.targets))
    errors, spread, areas = np.zeros(shape), np.zeros(shape), np.full(shape[1], np.nan)
    for columns in alike(np.isnan(level.values)):
        rows = ~np.isnan(level.values[:, columns[0]])
        fitted, scored = rows & level.fitted, rows & level.scored
        if len(np.unique(level.fold[fitted])) < 3:  # nothing to choose a penalty on
            continue
        y = level.values[:, columns].astype(np.float64)
        predicted = np.full_like(y, np.nan)
        predicted[rows] = cross_fitted(x[rows], y[rows], level.fold[rows], fitted[rows])
        mean = mean_elsewhere(y, level.fold, fitted)
        for part, values in ((errors, y - predicted), (spread, y - mean)):
            part[:, columns] = sums_of_squares(values[scored], level.unit[scored], level.units, level.within)
        for place, column in enumerate(columns):
            if level.targets[column].binary:
                areas[column] = auroc(predicted[scored, place], y[scored, place] > 0.5)
    return Scores(errors, spread, areas)


def alike(missing: Bool[np.ndarray, "rows targets"]) -> Iterator[Int[np.ndarray, " some"]]:
    """Groups of targets whose values are missing in the same rows."""
    patterns: dict[bytes, list[int]] = {}
    for column in range(missing.shape[1]):
        patterns.setdefault(np.packbits(missing[:, column]).tobytes(), []).append(column)
    yield from (np.array(columns) for columns in patterns.values())


def mean_elsewhere(y: np.ndarray, fold: np.ndarray, fitted: np.ndarray) -> Float[np.ndarray, "rows targets"]:
    """For every row the mean of the fitted rows of all other folds: what one predicts without any state."""
    mean = np.zeros_like(y)
    for f in np.unique(fold):
        others = fitted & (fold != f)
        mean[fold == f] = y[others].mean(0) if others.any() else 0.0
    return mean


def sums_of_squares(values: np.ndarray, unit: np.ndarray, units: int, within: bool) -> np.ndarray:
    """Σ v² by unit, [unit, column]; `within`: of deviations from the unit's mean."""
    membership = csr_array((np.ones(len(unit)), (unit, np.arange(len(unit)))), shape=(units, len(unit)))
    sums, squares = membership @ values, membership @ values**2
    if within:
        counts = np.bincount(unit, minlength=units)[:, None]
        squares = squares - sums**2 / np.maximum(counts, 1)
    return squares.clip(min=0)


def why_left_out(level: Level, told: Scores) -> list[str]:
    """For every target why it is not probed: told, or constant; empty for the others."""
    share = told.r2()
    words = []
    for column, target in enumerate(level.targets):
        constant = constant_share(level, column, target)
        if constant > MOST_CONSTANT or not np.isfinite(share[column]):
            words.append(f"constant in {100 * min(constant, 1.0):.0f} % of the graphs")
        elif share[column] > MOST_TOLD:
            words.append(f"told: what models are given explains {100 * share[column]:.0f} % of it")
        else:
            words.append("")
    return words


def constant_share(level: Level, column: int, target: Target) -> float:
    """Share of units within which a target is constant; of a graph's targets the share of the commonest value."""
    y = level.values[:, column]
    rows = ~np.isnan(y) & level.scored
    if not rows.any():
        return 1.0
    if not level.within:
        return float(np.unique(y[rows], return_counts=True)[1].max() / rows.sum())
    low = np.full(level.units, np.inf)
    high = np.full(level.units, -np.inf)
    np.minimum.at(low, level.unit[rows], y[rows])
    np.maximum.at(high, level.unit[rows], y[rows])
    seen = high >= low
    return float((high[seen] == low[seen]).mean())
