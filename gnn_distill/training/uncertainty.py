"""How far the metrics of one run can be trusted: intervals, and tests of the difference of two models.

Both are about the examples that were drawn for the part that is measured, with the models as they are; how much other
seeds or splits would change is for several runs to tell.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill.data.task import TaskSpec
from gnn_distill.training.resampling import Draws, correct, resampled

CONFIDENCE = 0.95
MOST_RESAMPLES, FEWEST_RESAMPLES, MOST_DRAWS = 2_000, 400, 40_000_000
"""Resamples of a bootstrap; of more examples than 20,000 as few as keep the draws within bounds."""
CHUNK = 2_000_000
"""Draws that are in memory at a time."""
Z = 1.959963984540054
"""The quantile (1 + CONFIDENCE) / 2 of the normal distribution."""


@dataclass(frozen=True)
class Estimate:
    """A metric and its interval; bounds are NaN where there is none."""

    value: float
    low: float
    high: float
    n: int
    """Examples with a label; where examples of a graph belong together, the graphs that have any."""
    method: str
    """Wilson or bootstrap."""


@dataclass(frozen=True)
class Difference:
    """How far the model `first` is ahead of `second` on the same examples."""

    first: str
    second: str
    value: float
    """Positive where the first is better, whatever the metric."""
    low: float
    high: float
    p: float
    """Two-sided."""
    n: int
    test: str
    """McNemar or bootstrap."""
    first_only: int | None = None
    """McNemar: the examples that the first alone gets right."""
    second_only: int | None = None


@dataclass(frozen=True)
class Uncertainty:
    """Intervals by model, and differences, of one part of the data."""

    split: str
    unit: str
    """What was resampled: graph or node."""
    intervals: dict[str, Estimate]
    differences: tuple[Difference, ...]

    def as_json(self) -> dict[str, Any]:
        """In plain types; null where there is no number."""
        plain = asdict(self) | {"confidence": CONFIDENCE}
        plain["intervals"] = {name: _without_nan(one) for name, one in plain["intervals"].items()}
        return plain | {"differences": [_without_nan(one) for one in plain["differences"]]}


def estimate(
    spec: TaskSpec,
    split: str,
    logits: Mapping[str, Float[Tensor, "examples outputs"]],
    y: Float[Tensor, "examples targets"],
    pairs: Sequence[tuple[str, str]],
    owner: Int[Tensor, " examples"] | None = None,
) -> Uncertainty:
    """Intervals of the primary metric for every model, and tests for `pairs` of them.

    Accuracy of independent examples of one target: Wilson's interval and McNemar's exact test. Else bootstrap over
    examples: percentiles, and p = 2·min(share of resamples in which neither is ahead on one side), paired since all
    models are measured on the same resamples. owner: the graph of every example, if these are the nodes of many
    graphs; then graphs are resampled, since the nodes of a graph are alike. Models with outputs that are not finite
    have no interval.

    Sources: Wilson (1927); McNemar (1947); Efron and Tibshirani (1993), chapters 13 and 16.
    """
    known = ~y.isnan().all(dim=1)
    y, owner = y[known], None if owner is None else owner[known].unique(return_inverse=True)[1].numpy()
    unit = "graph" if owner is not None else spec.level
    logits = {name: values[known] for name, values in logits.items() if values[known].isfinite().all()}
    if not len(y) or not logits:
        return Uncertainty(split, unit, {}, ())
    measures = {name: resampled(spec, spec.metric, values, y) for name, values in logits.items()}
    whole = np.ones((1, len(y)))
    values = {name: float(measure(whole)[0]) for name, measure in measures.items()}
    drawn = {name: [] for name in measures}
    for draws in _resamples(len(y), owner):
        for name, measure in measures.items():
            drawn[name].append(measure(draws))
    samples = {name: np.concatenate(parts) for name, parts in drawn.items()}
    right = _right(spec, logits, y) if owner is None else {}
    n = len(y) if owner is None else int(owner.max()) + 1
    intervals = {
        name: Estimate(values[name], *wilson(int(right[name].sum()), n), n, "Wilson")
        if name in right
        else Estimate(values[name], *_percentiles(sample), n, "bootstrap")
        for name, sample in samples.items()
    }
    sign, made = 1 if spec.higher_is_better else -1, []
    for first, second in pairs:
        if {first, second} <= samples.keys():
            d = sign * (samples[first] - samples[second])
            ahead = sign * (values[first] - values[second])
            found = (first, second, ahead, *_percentiles(d))
            if right:
                only = [int((right[a] & ~right[b]).sum()) for a, b in ((first, second), (second, first))]
                made.append(Difference(*found, mcnemar(*only), n, "McNemar", *only))
            else:
                made.append(Difference(*found, _p_of(d, ahead), n, "bootstrap"))
    return Uncertainty(split, unit, intervals, tuple(made))


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's interval of a share p = hits/n: (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n)."""
    p, z = hits / n, Z**2 / n
    center, half = p + z / 2, Z * math.sqrt(p * (1 - p) / n + z / (4 * n))
    return max((center - half) / (1 + z), 0.0), min((center + half) / (1 + z), 1.0)


def mcnemar(first_only: int, second_only: int) -> float:
    """McNemar's exact test: 2·P(X ≤ the smaller count), X binomial with n = both counts and 1/2; at most 1."""
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(first_only, second_only), first_only + second_only, 0.5)))


def _resamples(examples: int, owner: np.ndarray | None) -> Iterator[Draws]:
    """Yields draws with replacement of examples, or of whole graphs, always the same ones."""
    random, size = np.random.default_rng(0), examples if owner is None else int(owner.max()) + 1
    left = min(max(MOST_DRAWS // examples, FEWEST_RESAMPLES), MOST_RESAMPLES)
    while left > 0:
        rows = min(left, max(CHUNK // examples, 1))
        picked = random.integers(size, size=(rows, size)) + size * np.arange(rows)[:, None]
        draws = np.bincount(picked.ravel(), minlength=rows * size).reshape(rows, size).astype(float)
        yield draws if owner is None else draws[:, owner]
        left -= rows


def _right(spec: TaskSpec, logits: Mapping[str, Tensor], y: Tensor) -> dict[str, np.ndarray]:
    """Which examples every model classifies rightly, where that is what the metric counts."""
    if spec.metric != "accuracy" or spec.num_targets > 1:
        return {}
    one = spec.kind == "multiclass"
    return {name: correct(values if one else values[:, 0], y[:, 0]) for name, values in logits.items()}


def _percentiles(sample: np.ndarray) -> tuple[float, float]:
    if not np.isfinite(sample).any():
        return math.nan, math.nan
    low, high = np.nanquantile(sample, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _p_of(d: np.ndarray, ahead: float) -> float:
    """Two-sided p of a paired bootstrap; at least 2/(resamples + 1), 1 where two models never differ."""
    d = d[np.isfinite(d)]
    if not len(d) or math.isnan(ahead):
        return math.nan
    return min(1.0, 2 * (1 + min((d <= 0).sum(), (d >= 0).sum())) / (1 + len(d)))


def _without_nan(values: dict[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in values.items()}
