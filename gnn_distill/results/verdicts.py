"""Whether distillation helped, in words: the first notes of a comparison."""

import math
from collections.abc import Iterator

from gnn_distill.formatting import PERCENT, metric_label, p_value
from gnn_distill.results.footnotes import TESTS
from gnn_distill.results.tables import Table


def verdicts_of(table: Table) -> list[str]:
    """For every taught student of every column: helped, hurt or no difference shown, by how much, and by which test."""
    beside = {*table.teachers, *table.floors, table.reference}
    rows = [row for row in table.rows if row not in beside]
    return [text for key in table.columns for row in rows for text in _verdict(table, row, key)]


def _verdict(table: Table, row: str, key: str) -> Iterator[str]:
    made, column = table.cells[row, key].comparison, table.columns[key]
    if made is None or not made.effect.n:
        return
    label, reference, size = table.rows[row], table.rows[table.reference], _size(table, row, key)
    if math.isnan(made.outcome.p):
        alike = made.effect.n > 1
        pairs = f"in each of {made.effect.n} {column.units[0]}s" if alike else f"in one {column.units[0]}"
        why = " All differ by the same amount, so" if alike else " So"
        yield f"{column.label}: {label} − {reference}: {size} {pairs}.{why} no test is possible."
        return
    found = {"*": "helped", "†": "hurt"}.get(made.mark, "neither helped nor hurt as far as this shows")
    pairs, family = f"{made.effect.n} {column.units[0]}s", table.comparisons_in(key)
    yield (
        f"{column.label}: distillation {found}. {label} − {reference}: {size}, {p_value(made.p_holm)} "
        f"({TESTS[column.test]}, {pairs}, Holm over {family} comparisons)."
    )


def _size(table: Table, row: str, key: str) -> str:
    """`+7.0 points of accuracy [2.1, 11.9]`, positive where the row is better."""
    column, effect, number = table.columns[key], table.cells[row, key].comparison.effect, table.format_of(key)
    low, high = (number(bound, sign=True) for bound in (effect.low, effect.high))
    bounds = f" [{low}, {high}]" if math.isfinite(effect.low) and effect.low < effect.high else ""
    metric = metric_label(column.metric).removesuffix(" (%)")
    unit = f"points of {metric}" if column.metric in PERCENT else f"{metric}, positive is better"
    return f"{number(effect.mean, sign=True)} {unit}{bounds}"
