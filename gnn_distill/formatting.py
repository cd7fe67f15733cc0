"""How numbers are shown, everywhere: in percent if a metric is a fraction, else by significant digits."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

METRIC_LABELS = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "roc_auc": "ROC-AUC",
    "average_precision": "AP",
    "mae": "MAE",
    "rmse": "RMSE",
    "log10_mse": "log10 MSE",
    "r2": "R²",
    "spearman": "Spearman ρ",
    "mcc": "MCC",
    "brier": "Brier score",
    "calibration_error": "calibration error",
    "f1": "F1",
}
PERCENT = ("accuracy", "macro_f1", "balanced_accuracy", "roc_auc", "average_precision")
"""Metrics that are fractions: terminals, tables and pages show percent with one decimal, files hold fractions."""
DECIMALS = {
    "local awareness": 3,
    "far awareness": 3,
    "local awareness, all layers": 3,
    "far awareness, all layers": 3,
    "effective range": 2,
    **dict.fromkeys(("r2", "spearman", "mcc", "brier", "calibration_error", "precision", "recall", "f1"), 3),
}
"""Digits after the point of quantities whose size says nothing of their precision."""
ROLES = {"teacher": "teacher", "alone": "student alone", "student": "student"}
"""The models of a run, by their keys in its files, as they are called where they are shown."""
FLOORS = {
    "constant": "constant prediction",
    "morgan_forest": "random forest on Morgan fingerprints",
    "bag_forest": "random forest on a bag of features",
    "features": "linear model on features",
    "smoothed": "linear model on smoothed features",
}
"""What costs nothing, by its key in the files of a run."""
ALPHA = 0.05
"""Above this p two models of a run are called no different."""
MOST_DECIMALS = 6
NOTHING = "–"
"""Shown in place of a missing number."""


def role_label(role: str) -> str:
    """How a model is called where it is shown: `student alone`; of several teachers, after the first, `teacher 2`."""
    return ROLES.get(role, FLOORS.get(role, role.replace("_", " ")))


def metric_label(metric: str) -> str:
    """`accuracy (%)`, `RMSE`."""
    return METRIC_LABELS.get(metric, metric) + (" (%)" if metric in PERCENT else "")


def metric_head(metric: str, higher_is_better: bool) -> str:
    """`accuracy (%) ↑`, `RMSE ↓`: a metric, and where better is."""
    return f"{metric_label(metric)} {'↑' if higher_is_better else '↓'}"


def spoken(value: float, metric: str) -> str:
    """A value within a line of text, with its unit: `70.6 %`, `0.6471` (four significant digits)."""
    number = Format.of(metric, [value], digits=4)(value)
    return f"{number} %" if metric in PERCENT and number != NOTHING else number


@dataclass(frozen=True)
class Format:
    """Scale and decimals of the numbers of a metric."""

    scale: int
    decimals: int
    """Digits after the point; above MOST_DECIMALS numbers are written with an exponent."""

    @classmethod
    def of(cls, metric: str, values: Iterable[float], digits: int = 3) -> Self:
        """The format of a column with these values: the smallest gets `digits` significant digits."""
        if metric in PERCENT:
            return cls(100, 1)
        if metric in DECIMALS:
            return cls(1, DECIMALS[metric])
        sizes = [abs(value) for value in values if math.isfinite(value) and value]
        return cls(1, max(digits - 1 - math.floor(math.log10(min(sizes))), 0) if sizes else 2)

    def __call__(self, value: float, sign: bool = False) -> str:
        """`value` scaled, with a typographic minus sign; with `sign` also a plus sign."""
        if not math.isfinite(value):
            return NOTHING
        kind = ".2e" if self.decimals > MOST_DECIMALS else f".{self.decimals}f"
        text = f"{self.scale * value:{'+' if sign else ''}{kind}}"
        return (text if float(text) else text.lstrip("+-")).replace("-", "−")


def shown(value: float | None, metric: str = "") -> str:
    """A single value of a metric, or a number of no metric."""
    return NOTHING if value is None else Format.of(metric, [value])(value)


def counted(number: float, one: str, many: str | None = None) -> str:
    """`1 graph`, `1,234 graphs`; many: `one` with an s where it is not given, as in ("run is", "runs are")."""
    return f"{number:,.15g} {one if number == 1 else many or f'{one}s'}"


def p_value(p: float) -> str:
    """`p 0.031`, `p < 0.001`."""
    return f"p {NOTHING}" if math.isnan(p) else "p < 0.001" if p < 0.001 else f"p {p:.3f}"


def bounds(low: float | None, high: float | None, number: Format) -> str:
    """`[68.6, 97.1]`; empty without bounds."""
    if low is None or high is None or not math.isfinite(low + high):
        return ""
    return f"[{number(low)}, {number(high)}]"


def describe_difference(found: Mapping[str, Any], number: Format, unit: str) -> str:
    """`student ahead of teacher by 10.5 [−5.3, 26.3], 2 of 19 graphs (3 right against 1), p 0.625: not shown`.

    found: a difference as in summary.json; number: how the scores beside it are shown. What p does not show is called
    so.
    """
    ahead = found["value"] or 0.0
    low, high = found["low"], found["high"]
    if ahead < 0:
        low, high = (None, None) if low is None else (-high, -low)
    order = "level with" if ahead == 0 else "ahead of" if ahead > 0 else "behind"
    text = f"{role_label(found['first'])} {order} {role_label(found['second'])}"
    text += f" by {number(abs(ahead))} {bounds(low, high, number)}".rstrip() if ahead else ""
    return f"{text}, {describe_evidence(found, unit)}"


def describe_evidence(found: Mapping[str, Any], unit: str) -> str:
    """How sure a difference is: `2 of 19 graphs (3 right that it has wrong, 1 the reverse), p 0.625: not shown`."""
    p = math.nan if found["p"] is None else found["p"]
    text = f"{p_value(p)}{'' if p <= ALPHA else ': no difference shown'}"
    if found["first_only"] is None:
        return text
    more, less = found["first_only"], found["second_only"]
    differ = f"{abs(more - less)} of {counted(found['n'], unit)}"
    return f"{differ} ({more} right that it has wrong, {less} the reverse), {text}"


def part_sizes(sizes: Mapping[str, int]) -> str:
    """`1,000 train (300 with labels), 370 val, 412 test` for the number of examples in each part."""
    shown = {part: f"{size:,} {part}" for part, size in sizes.items() if part != "unlabelled"}
    if more := sizes.get("unlabelled"):
        shown["train"] = f"{sizes['train'] + more:,} train ({sizes['train']:,} with labels)"
    return ", ".join(shown.values())


def duration(seconds: float) -> str:
    """`2 h 5 min`, `3 min 20 s`, `7 s`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
