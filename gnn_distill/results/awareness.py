"""Structural awareness beside a table's scores: a table of each index, compared with the student alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from gnn_distill.results.comparison import make_table
from gnn_distill.results.footnotes import about_comparisons, about_tests
from gnn_distill.results.indices import QUANTITIES
from gnn_distill.results.tables import Table

if TYPE_CHECKING:
    from gnn_distill.config.schema.table import TableConfig


def with_awareness(
    table: Table, config: "TableConfig", scores: Mapping[str, pd.DataFrame], limits: Sequence[str] = ()
) -> Table:
    """The table with one of each index, compared with the row `alone`; `limits` are appended to its notes.

    scores: by the name of the index, as `make_table` reads them; those without values make no table.
    """
    made = [index_table(config, key, values) for key, values in scores.items() if len(values)]
    notes = dict.fromkeys([*limits, *(not_probed(table, made[0]) if made else ["No run is probed."]), *few_pairs(made)])
    return replace(
        table,
        further=tuple(made),
        notes=(*table.notes, *notes),
        footnotes=(*table.footnotes, *(explanations(made) if made else ())),
    )


def index_table(config: "TableConfig", key: str, scores: pd.DataFrame) -> Table:
    """The table of one index. It knows no gap to recover: an index is not what anything was trained for."""
    alone = config.alone if config.alone in config.rows else None
    return make_table(
        replace(config, name=key, title=QUANTITIES[key].title, reference=alone, alone="", teacher=""), scores
    )


def not_probed(table: Table, index: Table) -> Iterator[str]:
    """How many finished runs are not probed, by column and row."""
    counts = {
        (table.columns[column].label, table.rows[row]): index.cells[row, column].missing - cell.missing
        for (row, column), cell in table.cells.items()
    }
    missing = [f"{column}, {row} {count}" for (column, row), count in counts.items() if count > 0]
    if missing:
        yield f"Finished, but not probed: {'; '.join(missing)}."


def few_pairs(made: list[Table]) -> Iterator[str]:
    """What limits the tests of an index: too few pairs."""
    for index in made:
        for key, column in index.columns.items():
            yield from (f"Awareness, {note}" for note in about_tests(index, key, column))


def explanations(made: list[Table]) -> Iterator[str]:
    """How to read the tables of indices."""
    first = made[0]
    yield (
        "Awareness: the share of what models are not given that a linear probe finds in their states, near and far "
        "(docs/probes.md); mean ± standard deviation (ddof=1) over the same pairs as scores, ranked alike. Effective "
        "range: mean hops that influence on a node comes from (docs/profiles.md); bold is the farthest."
    )
    if first.teachers:
        yield "A teacher is examined beside a student where a row has both, so that both are given the same."
    if first.comparisons:
        yield from (f"Awareness: {line}" for line in about_comparisons(first))
        count = len(first.columns)
        adjusted = f" after Holm's correction for the {count} columns of a row" if count > 1 else ""
        yield (
            f"Gained, lost: columns in which an index is higher or lower than that of {first.rows[first.reference]}, "
            f"p ≤ {first.alpha:g}{adjusted}; not shown is neither, and no proof of being equal."
        )
