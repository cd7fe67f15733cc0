"""Metrics as people read them."""

import math

PERCENT = ("accuracy", "roc_auc", "average_precision", "macro_f1")
"""Metrics shown in percent."""
LOWER_IS_BETTER = ("mae", "rmse", "loss")
NAMES = {
    "roc_auc": "ROC-AUC",
    "average_precision": "average precision",
    "macro_f1": "macro F1",
    "mae": "MAE",
    "rmse": "RMSE",
}
NONE = "–"
"""Shown where there is no number."""


def named(metric: str) -> str:
    """A metric's name in running text."""
    return NAMES.get(metric, metric)


def headed(metric: str) -> str:
    """A metric's name and unit over a column or along an axis."""
    return f"{named(metric)} (%)" if metric in PERCENT else named(metric)


def scaled(value: float, metric: str) -> float:
    """The number that is shown: percent where people speak of percent."""
    return 100 * value if metric in PERCENT else value


def shown(value: float | None, metric: str = "", sign: str = "") -> str:
    """A metric's value: percent with one decimal, else three significant digits; `sign` as in format()."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{scaled(value, metric):{sign}.1f}" if metric in PERCENT else f"{value:{sign}#.3g}".removesuffix(".")
    return text.replace("-", "\N{MINUS SIGN}") if "e" not in text else text
