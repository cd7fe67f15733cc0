"""A table read back from the table.json in its folder."""

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from gnn_distill.errors import UserError
from gnn_distill.results.significance import Interval, Outcome, Share
from gnn_distill.results.tables import Cell, Column, Comparison, Table
from gnn_distill.storage.bounded import read_plain_json

FILE = "table.json"
SCORES = "scores.csv"
"""The runs of the table: row, column, path and more."""
MOST = {"columns": 50, "cells": 2_000, "values": 20_000}
"""Limits for a table whose figures are drawn."""
MOST_FURTHER = 20
"""Most further tables."""


def is_table(folder: Path) -> bool:
    """Whether the folder is that of a table."""
    return os.path.lexists(folder / FILE)


def read_table(folder: Path) -> Table:
    """The table whose Table.as_json() is in `folder`.

    Raises:
        UserError: if the file is not that of a table, or of another version.
    """
    try:
        content = read_plain_json(folder / FILE)
        further = content.get("further", [])
        if len(further) > MOST_FURTHER:
            raise ValueError(f"it has {len(further)} further tables; at most {MOST_FURTHER}")
        return replace(_table(content), further=tuple(map(_table, further)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{folder / FILE}: cannot be read as a table ({type(error).__name__}: {error}). "
            "Render it again: gnn-distill table table=… table.run=false"
        ) from error


def _table(content: dict[str, Any]) -> Table:
    counts = {"columns": len(content["columns"]), "cells": len(content["cells"])}
    counts["values"] = sum(len(line["values"]) for line in content["cells"])
    if too_many := [f"{counts[what]:,} {what}" for what in MOST if counts[what] > MOST[what]]:
        most = ", ".join(f"{count:,} {what}" for what, count in MOST.items())
        raise ValueError(f"it has {', '.join(too_many)}; at most {most}")
    return Table(
        rows={row: line["label"] for row, line in content["rows"].items()},
        columns={
            key: Column(**{**line, "units": tuple(line["units"]), "absent": tuple(line.get("absent", ()))})
            for key, line in content["columns"].items()
        },
        cells={(line["row"], line["column"]): _cell(content, line) for line in content["cells"]},
        teachers=frozenset(content["teachers"]),
        floors=frozenset(content.get("floors", ())),
        ranks={row: _number(line["average_rank"]) for row, line in content["rows"].items()},
        wins={row: tuple(line["wins"]) for row, line in content["rows"].items() if line["wins"]},
        notes=tuple(content["notes"]),
        footnotes=tuple(content["footnotes"]),
        **{name: content[name] for name in ("name", "title", "reference", "alone", "teacher", "alpha")},
    )


def _cell(content: dict[str, Any], line: dict[str, Any]) -> Cell:
    number = {name: _number(value) for name, value in line.items() if value is None or isinstance(value, int | float)}
    share = comparison = None
    floors, ends = content.get("floors", ()), (content["alone"], content["teacher"])
    if None not in ends and line["row"] not in (*ends, *floors):
        gap = Interval(number["gap"], number["gap_low"], number["gap_high"], line["compared"])
        share = Share(number["share"], number["share_low"], number["share_high"], gap)
    absent = content["columns"][line["column"]].get("absent", ())
    left_out = (*absent, *floors)
    if content["reference"] not in (None, line["row"], *absent) and line["row"] not in left_out:
        comparison = Comparison(
            effect=Interval(number["effect"], number["effect_low"], number["effect_high"], line["compared"]),
            outcome=Outcome(line["test"], line["compared"], number["statistic"], number["p"]),
            p_holm=number["p_holm"],
            p_holm_all=number["p_holm_all"],
            mark=line["mark"],
        )
    return Cell(
        values=pd.Series(line["values"], dtype=float),
        share=share,
        comparison=comparison,
        **{name: line[name] for name in ("missing", "diverged", "stale", "best", "second")},
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value
