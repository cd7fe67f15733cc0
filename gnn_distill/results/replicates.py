"""One setting, repeated over folds or seeds: its mean, spread and interval in words."""

import math

from gnn_distill.formatting import NOTHING, Format, bounds, counted, metric_label
from gnn_distill.results.significance import CONFIDENCE, Interval


def describe_interval(found: Interval, std: float, metric: str, unit: str, seeds: int = 1) -> str:
    """`RMSE 0.71 ± 0.05 over 5 folds, 3 seeds averaged in each; 95 % interval [0.64, 0.78], corrected …`.

    unit: what distinguishes the repetitions, such as fold; seeds: number of runs that are averaged in each.
    """
    number = Format.of(metric, [found.mean])
    spread = f" ± {number(std)}" if math.isfinite(std) else ""
    averaged = f", {seeds} seeds averaged in each" if seeds > 1 and unit != "seed" else ""
    text = f"{metric_label(metric)} {number(found.mean)}{spread} over {counted(found.n, unit)}{averaged}"
    if (shown := bounds(found.low, found.high, number)) in ("", NOTHING):
        return f"{text}."
    corrected = "" if unit == "seed" else ", corrected for training parts that overlap (Nadeau and Bengio)"
    return f"{text}; {100 * CONFIDENCE:g} % interval {shown}{corrected}."
