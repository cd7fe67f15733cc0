"""What each row of a table of indices gives over its reference, counted over columns."""

import math
from collections.abc import Iterator

import pandas as pd

from gnn_distill.results.significance import holm
from gnn_distill.results.tables import Table

RANGES = ("local", "far")
"""Names of the tables that verdicts are about."""
GAINED, NOT_SHOWN, LOST, NOT_TESTED = "gained", "not shown", "lost", "not tested"


def outcomes(table: Table, row: str) -> dict[str, str]:
    """By column whether a row is above (gained) or below (lost) the reference at the table's alpha, else not shown.

    p by the test of each column, adjusted by Holm over the columns of the row; not tested where no p is defined.
    """
    made = {key: table.cells[row, key].comparison for key in table.columns}
    p = holm(pd.Series({key: one.outcome.p for key, one in made.items()}, dtype=float))

    def outcome(key: str) -> str:
        if math.isnan(p[key]):
            return NOT_TESTED
        if p[key] > table.alpha:
            return NOT_SHOWN
        return GAINED if made[key].effect.mean > 0 else LOST

    return {key: outcome(key) for key in made}


def verdicts(tables: tuple[Table, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """For every row of students but the reference, by range: `gained 5, not shown 1, lost 0`."""
    ranges = [table for table in tables if table.name in RANGES and table.comparisons]
    if not ranges:
        return
    first = ranges[0]
    for row in first.rows:
        if row not in (first.reference, *first.teachers, *first.floors):
            yield row, {table.name: tally(outcomes(table, row)) for table in ranges}


def tally(found: dict[str, str]) -> str:
    """In how many columns each outcome was found; `not tested` only where there are some."""
    counts = pd.Series(list(found.values())).value_counts()
    words = [GAINED, NOT_SHOWN, LOST, *([NOT_TESTED] if NOT_TESTED in counts else [])]
    return ", ".join(f"{word} {counts.get(word, 0)}" for word in words)
