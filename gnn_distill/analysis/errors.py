"""The metric of a task by the distance that its labels depend on, with intervals."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import ndtri, stdtrit
from torch import Tensor

from gnn_distill.analysis.hops import CONFIDENCE, bootstrap, plain
from gnn_distill.data.task import TaskSpec

MOST_BINS = 8
SCORED = ("accuracy", "mae", "rmse")
"""Metrics that are means over examples, the last one under a root."""
GROUPS = 20
"""Groups of units that are left out in turn, for other metrics."""
Measure = Callable[[Float[Tensor, "example output"], Float[Tensor, "example target"]], float]


@dataclass(frozen=True)
class Bin:
    """The metric of the examples whose distance is between two numbers, and the bounds of its interval."""

    nearest: int
    farthest: int
    """Both included, in hops."""
    examples: int
    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, object]:
        """Plain numbers; None for what is not finite."""
        return {name: value if isinstance(value, int) else plain(value) for name, value in asdict(self).items()}


def errors_by_distance(
    spec: TaskSpec,
    logits: Float[Tensor, "example output"],
    y: Float[Tensor, "example target"],
    distance: Int[np.ndarray, " example"],
    unit: Int[np.ndarray, " example"],
    measure: Measure,
    resamples: int,
) -> list[Bin]:
    """The primary metric by distance, examples without any label left out.

    unit: what is resampled for intervals: the graph of each example. Where every example is a unit of its own, an
    accuracy has Wilson's interval (1927), which holds near 0 and 1; other means over examples a bootstrap; all other
    metrics a jackknife. measure: the metric of some examples.
    """
    known = ~y.isnan().all(dim=1)
    logits, y, distance, unit = logits[known], y[known], distance[known.numpy()], unit[known.numpy()]
    scores, found = example_scores(spec, logits, y), []
    for nearest, farthest in distance_bins(distance):
        here = (distance >= nearest) & (distance <= farthest)
        _, units = np.unique(unit[here], return_inverse=True)
        alone = len(units) == units.max() + 1
        if scores is None:
            value, low, high = jackknife(measure, logits[here], y[here], units)
        elif spec.metric == "accuracy" and alone and y.size(1) == 1:
            value, low, high = wilson(scores[here])
        else:
            value, low, high = _by_scores(scores[here], units, resamples, root=spec.metric == "rmse")
        found.append(Bin(nearest, farthest, int(here.sum()), value, low, high))
    return found


def distance_bins(distance: Int[np.ndarray, " example"], most: int = MOST_BINS) -> list[tuple[int, int]]:
    """First and last distance of each bin: one per value if there are few, else bins of about equal counts."""
    values = np.unique(distance)
    if len(values) > most:
        edges = np.unique(np.quantile(distance, np.arange(1, most) / most, method="lower"))
        lasts = np.append(edges[edges < values[-1]], values[-1])
        firsts = np.array([values[0], *(values[values > last][0] for last in lasts[:-1])])
        return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
    return [(int(value), int(value)) for value in values]


def example_scores(
    spec: TaskSpec, logits: Float[Tensor, "example output"], y: Float[Tensor, "example target"]
) -> Float[np.ndarray, " example"] | None:
    """What the metric is the mean of: 1 for a right label, an absolute or a squared error; mean over targets.

    None for metrics that are no such mean, and where several targets are not all known.
    """
    if spec.metric not in SCORED or y.isnan().any():
        return None
    if spec.kind == "regression":
        error = spec.in_original_units(logits) - y.double()
        return (error.square() if spec.metric == "rmse" else error.abs()).mean(dim=1).numpy()
    right = logits.argmax(dim=1, keepdim=True) == y if spec.kind == "multiclass" else (logits > 0) == (y > 0.5)
    return right.double().mean(dim=1).numpy()


def wilson(right: Float[np.ndarray, " example"]) -> tuple[float, float, float]:
    """A share and the bounds of its interval: (p + z²/2n ± z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n)."""
    n, p, z = len(right), float(right.mean()), float(ndtri((1 + CONFIDENCE) / 2))
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = ((middle + side * half) / (1 + z**2 / n) for side in (-1, 1))
    return p, float(max(low, 0.0)), float(min(high, 1.0))


def _by_scores(scores: np.ndarray, units: np.ndarray, resamples: int, root: bool) -> tuple[float, float, float]:
    sums, counts = np.bincount(units, scores), np.bincount(units)

    def statistic(weight: np.ndarray) -> np.ndarray:
        mean = weight @ sums / (weight @ counts)
        return np.sqrt(mean) if root else mean

    found = bootstrap(statistic, len(counts), resamples)
    return float(found.value), float(found.low), float(found.high)


def jackknife(
    measure: Measure,
    logits: Float[Tensor, "example output"],
    y: Float[Tensor, "example target"],
    units: Int[np.ndarray, " example"],
) -> tuple[float, float, float]:
    """A metric and the bounds of its interval by leaving out groups of units: θ ± t·√((g − 1)/g·Σ_i (θ_i − θ̄)²).

    A bootstrap would draw examples twice, which raises areas under curves. Source: Kott (2001), the delete-a-group
    jackknife.
    """
    count = int(units.max()) + 1
    groups = min(GROUPS, count)
    group = np.random.default_rng(count).permutation(count)[units] % groups
    value = float(measure(logits, y))
    left = [torch.from_numpy(np.flatnonzero(group != number)) for number in range(groups if groups > 1 else 0)]
    found = np.array([measure(logits[rows], y[rows]) for rows in left])
    if not len(found) or not np.isfinite(found).all():
        return value, np.nan, np.nan
    half = float(stdtrit(groups - 1, (1 + CONFIDENCE) / 2) * np.sqrt((groups - 1) * found.var()))
    return value, value - half, value + half
