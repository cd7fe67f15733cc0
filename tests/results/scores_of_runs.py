"""Scores of runs and configs of tables, small enough to be reckoned by hand."""

import math
from dataclasses import dataclass

import pandas as pd

from gnn_distill.config.schema.table import ColumnConfig, RowConfig
from gnn_distill.results.comparison import make_table

SEEDS = {"seed": [0, 1, 2, 3, 4]}
FOLDS = {"dataset.fold": [0, 1, 2, 3, 4]}


@dataclass
class Config:
    """What make_table reads of a table's config."""

    rows: dict[str, RowConfig]
    columns: dict[str, ColumnConfig]
    name: str = "main"
    title: str = "Main results"
    reference: str = "kd"
    alone: str = "alone"
    teacher: str = "teacher"
    test: str = "auto"
    alpha: float = 0.05


def config(rows, columns, labels=None, **changes):
    """A config of these rows, and of columns with these pairs."""
    labels = labels or {}
    return Config(
        {row: RowConfig(labels.get(row, row), role="teacher" if row == "teacher" else "student") for row in rows},
        {key: ColumnConfig(labels.get(key, key), pairs=pairs) for key, pairs in columns.items()},
        **changes,
    )


def runs(row, column, values, metric="accuracy", unit="seed", **more):
    """A line a run: `values` by pair, or by pair and seed."""
    lines = []
    for pair, value in enumerate(values):
        for seed, score in enumerate(value if isinstance(value, tuple) else (value,)):
            keys = {"fold": 0, "split_seed": 0, "seed": seed, unit: pair}
            lines.append({"row": row, "column": column, **keys, "value": score, "metric": metric, **more})
    return lines


def scores(*groups):
    """The frame that make_table reads; what is not said is that of a sound run."""
    usual = {"higher_is_better": True, "n_train": 800, "n_test": 200, "stale": False, "constant": NAN}
    names = ["row", "column", "fold", "split_seed", "seed", "value", "metric", *usual]
    return pd.DataFrame([{**usual, **line} for group in groups for line in group], columns=names)


def table(by_row, pairs=None, metric="accuracy", unit="seed", labels=None, more=None, **changes):
    """A table of one column, `data`, with these values by row; `more` is said of all runs."""
    groups = [runs(row, "data", values, metric, unit, **(more or {})) for row, values in by_row.items()]
    return make_table(config(by_row, {"data": pairs or SEEDS}, labels, **changes), scores(*groups))


RMSE = {"metric": "rmse", "more": {"higher_is_better": False}}
NAN = math.nan
