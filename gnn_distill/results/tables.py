"""A table as numbers: everything that its renderings and figures show."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from gnn_distill.formatting import Format
from gnn_distill.results.significance import Interval, Outcome, Share

NONE = Interval(math.nan, math.nan, math.nan, 0)


@dataclass(frozen=True)
class Column:
    """A data set or setting: the metric of its runs, and how they are paired."""

    label: str
    metric: str
    """Empty while there are no runs."""
    higher_is_better: bool
    units: tuple[str, ...]
    """The keys that distinguish pairs: ("seed",), or those that choose the split, such as ("fold",)."""
    pairs: int
    """Number of planned pairs."""
    runs: int
    """Number of planned runs per cell: more than pairs if seeds are averaged within a split."""
    test: str
    overlap: float
    """n_test / n_train in the variance; 0 if the test is not corrected for folds."""
    constant: float | None = None
    """Mean metric of the best constant prediction; None if the runs do not record it."""
    learned: bool = True
    """Whether some row is significantly better than that; if not, no row is marked as best."""
    absent: tuple[str, ...] = ()
    """Rows that it does not have."""
    short: str = ""
    """Name in the heads of tables; empty: the label."""

    @property
    def head(self) -> str:
        """Its name where there is little room."""
        return self.short or self.label

    @property
    def sign(self) -> int:
        """The sign that makes better differences positive."""
        return 1 if self.higher_is_better else -1


@dataclass(frozen=True)
class Comparison:
    """A cell compared with the reference; effects are in original units, and positive where the cell is better."""

    effect: Interval
    outcome: Outcome
    p_holm: float
    """Adjusted for the comparisons of the column."""
    p_holm_all: float
    """Adjusted for all comparisons of the table."""
    mark: str
    """`*` better, `†` worse, by p_holm; else empty."""


@dataclass(frozen=True)
class Cell:
    """A row's runs in a column."""

    values: pd.Series
    """The metric by pair, such as `fold 0`; seeds are averaged within a split first."""
    missing: int
    """Number of planned runs that are missing."""
    diverged: int
    """Number of runs without a finite metric, which are left out."""
    stale: int
    """Number of runs of another version of the code."""
    share: Share | None
    """Share of the gap between student alone and teacher; None for these two, or if the table lacks one of them."""
    comparison: Comparison | None = None
    """Comparison with the reference; None for the reference itself."""
    best: bool = False
    second: bool = False

    @property
    def mean(self) -> float:
        """Mean over pairs; NaN without any."""
        return float(self.values.mean())

    @property
    def std(self) -> float:
        """Standard deviation over pairs, with ddof=1; NaN below two."""
        return float(self.values.std(ddof=1))


@dataclass(frozen=True)
class Table:
    """Rows and columns in the order of the config, their cells, and the summaries."""

    name: str
    title: str
    rows: dict[str, str]
    """Labels by key."""
    columns: dict[str, Column]
    cells: dict[tuple[str, str], Cell]
    """By row and column."""
    reference: str | None
    """Row that the others are compared with; None if it is not in the table."""
    alone: str | None
    teacher: str | None
    """Rows that define the gap; None if they are not in the table."""
    teachers: frozenset[str]
    """Rows that show a teacher: they are not ranked, and are neither best nor second."""
    floors: frozenset[str]
    """Rows that show what costs nothing: neither ranked nor compared with the reference."""
    alpha: float
    ranks: dict[str, float]
    """By row, the average over columns."""
    wins: dict[str, tuple[int, int, int]]
    """By row, columns in which it is better than the reference, not different, worse: by p_holm_all."""
    notes: tuple[str, ...] = ()
    """Limits of the table: missing runs, too few pairs, no gap."""
    footnotes: tuple[str, ...] = ()
    """How to read it."""
    further: tuple["Table", ...] = ()
    """Tables of other quantities of the same runs, with the same rows and columns."""

    @property
    def planned(self) -> int:
        """Number of planned runs."""
        return sum(self.planned_in(key) for key in self.columns)

    def planned_in(self, key: str) -> int:
        """Number of planned runs of a column."""
        column = self.columns[key]
        return column.runs * (len(self.rows) - len(column.absent))

    @property
    def comparisons(self) -> int:
        """Number of comparisons of all columns."""
        return sum(self.comparisons_in(key) for key in self.columns)

    def comparisons_in(self, key: str) -> int:
        """Number of comparisons of a column."""
        absent = {*self.columns[key].absent}
        compared = self.reference is not None and self.reference not in absent
        return len({*self.rows} - absent - self.floors) - 1 if compared else 0

    def of_column(self, key: str) -> dict[str, Cell]:
        """The cells of a column by row."""
        return {row: self.cells[row, key] for row in self.rows}

    def format_of(self, key: str) -> Format:
        """How the numbers of a column are shown, in the table and in words."""
        return Format.of(self.columns[key].metric, [cell.mean for cell in self.of_column(key).values()])

    def frame(self) -> pd.DataFrame:
        """One line per cell, in original units, then those of further tables; unknown values are NaN."""
        own = pd.DataFrame([self._line(*at) for at in self.cells])
        return pd.concat([own, *(one.frame() for one in self.further)], ignore_index=True) if self.further else own

    def as_json(self) -> dict[str, Any]:
        """The whole table in plain types, unknown values as None."""
        rows = {
            row: {"label": label, "average_rank": self.ranks[row], "wins": self.wins.get(row)}
            for row, label in self.rows.items()
        }
        return _plain(
            {
                "name": self.name,
                "title": self.title,
                "reference": self.reference,
                "alone": self.alone,
                "teacher": self.teacher,
                "teachers": sorted(self.teachers),
                **({"floors": sorted(self.floors)} if self.floors else {}),
                "alpha": self.alpha,
                "rows": rows,
                "columns": {key: asdict(column) for key, column in self.columns.items()},
                "cells": [{**self._line(*at), "values": cell.values.to_dict()} for at, cell in self.cells.items()],
                "notes": self.notes,
                "footnotes": self.footnotes,
                **({"further": [one.as_json() for one in self.further]} if self.further else {}),
            }
        )

    def _line(self, row: str, key: str) -> dict[str, Any]:
        cell, column = self.cells[row, key], self.columns[key]
        made, share = cell.comparison, cell.share or Share(math.nan, math.nan, math.nan, NONE)
        effect, outcome = (made.effect, made.outcome) if made else (NONE, Outcome("", 0, math.nan, math.nan))
        return {
            "row": row,
            "row_label": self.rows[row],
            "column": key,
            "column_label": column.label,
            "metric": column.metric,
            "higher_is_better": column.higher_is_better,
            "mean": cell.mean,
            "std": cell.std,
            "pairs": len(cell.values),
            "missing": cell.missing,
            "diverged": cell.diverged,
            "stale": cell.stale,
            "best": cell.best,
            "second": cell.second,
            "mark": made.mark if made else "",
            "test": outcome.test,
            "compared": outcome.n,
            "effect": effect.mean,
            "effect_low": effect.low,
            "effect_high": effect.high,
            "statistic": outcome.statistic,
            "p": outcome.p,
            "p_holm": made.p_holm if made else math.nan,
            "p_holm_all": made.p_holm_all if made else math.nan,
            "share": share.share,
            "share_low": share.low,
            "share_high": share.high,
            "gap": share.gap.mean,
            "gap_low": share.gap.low,
            "gap_high": share.gap.high,
        }


def _plain(value: Any) -> Any:
    """`value` without NaN, which JSON does not have, and without tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
