"""The notes below a table: how to read it, and its limits."""

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gnn_distill.formatting import counted
from gnn_distill.results.significance import BOOTSTRAP_FROM, CONFIDENCE, smallest_effect, smallest_p

if TYPE_CHECKING:
    from gnn_distill.results.tables import Cell, Column, Table

TESTS = {
    "paired_t": "paired t-test",
    "corrected_t": "paired t-test, corrected for overlapping training sets (Nadeau and Bengio)",
    "wilcoxon": "Wilcoxon signed-rank test",
}
LEVEL = f"{100 * CONFIDENCE:g} %"
FEW = 5
"""Number of pairs below which a t-test finds only huge differences."""


def explanations(table: "Table") -> Iterator[str]:
    """How to read the table."""
    yield f"Mean ± standard deviation (ddof=1) of the test metric, over {_by_column(table, _pairing)}."
    lost = any(cell.missing or cell.diverged for cell in table.cells.values())
    rivals = ("students" if table.teachers | table.floors else "rows") + (" with the most pairs" if lost else "")
    yield f"Bold: best; underlined: second, of the {rivals}."
    if table.comparisons:
        yield from about_comparisons(table)
    if table.alone and table.teacher:
        alone, teacher = table.rows[table.alone], table.rows[table.teacher]
        yield (
            f"Share of the gap: (row − {alone}) / ({teacher} − {alone}), a ratio of means, with {LEVEL} "
            f"intervals {_by_column(table, lambda column: _interval(column, 'by Fieller’s theorem'))}; "
            f"– where the interval of the gap itself is not above 0."
        )
    if len(table.columns) > 1:
        yield "Rank: average over columns, 1 is the best."
        if table.comparisons:
            yield (
                f"Wins: columns in which a row is better / not different / worse than {table.rows[table.reference]}, "
                f"after Holm's correction for all {table.comparisons} comparisons."
            )


def about_comparisons(table: "Table") -> Iterator[str]:
    """How rows are compared with the reference."""
    reference, counts = table.rows[table.reference], sorted({table.comparisons_in(key) for key in table.columns})
    m = " to ".join(dict.fromkeys((str(counts[0]), str(counts[-1]))))
    adjusted = f" after Holm's correction for the {m} comparisons of a column" if counts[-1] > 1 else ""
    yield (
        f"* better, † worse than {reference}: {_by_column(table, lambda column: TESTS[column.test])}; two-sided, "
        f"p ≤ {table.alpha:g}{adjusted}."
    )
    yield (
        f"Gains over {reference} are in the column's units, positive where better, with {LEVEL} intervals "
        f"{_by_column(table, lambda column: _interval(column, 'by t'))}, not corrected for their number."
    )


def warnings(table: "Table") -> Iterator[str]:
    """The limits of the table."""
    for what, attribute in {
        f"Missing, of {table.planned} runs": "missing",
        "Runs without a finite metric, left out": "diverged",
        "° Runs of another version of the code": "stale",
    }.items():
        if counts := list(_counts(table, attribute)):
            yield f"{what}: {'; '.join(counts)}."
    for key, column in table.columns.items():
        if not column.learned:
            constant = table.format_of(key)(column.constant)
            yield (
                f"{column.label}: no row is significantly better than a constant prediction, which scores {constant}: "
                "nothing was learned, and no row is marked as best."
            )
        yield from about_floors(table, key, column)
        yield from about_tests(table, key, column)
        yield from _about_gap(table, key, column)
    empty = [table.columns[key].label for key in table.columns if _has_hole(table, key)]
    if empty and len(table.columns) > 1:
        yield f"Ranks leave out {', '.join(empty)}, where rows are missing."


def _by_column(table: "Table", describe: Callable[["Column"], str]) -> str:
    """Descriptions of the columns: once if all are equal, else each with their heads."""
    labels_of: dict[str, list[str]] = {}
    for column in table.columns.values():
        labels_of.setdefault(describe(column), []).append(column.head)
    if len(labels_of) == 1:
        return next(iter(labels_of))
    return ", ".join(f"{text} ({', '.join(labels)})" for text, labels in labels_of.items())


def _pairing(column: "Column") -> str:
    unit = column.units[0] if len(column.units) == 1 else "split"
    if column.units == ("seed",):
        return f"{counted(column.pairs, 'seed')} on one split, which supports claims about that split only"
    seeds = column.runs // column.pairs
    return counted(column.pairs, unit.replace("_seed", "")) + (
        f" with {seeds} seeds averaged in each" if seeds > 1 else ""
    )


def _interval(column: "Column", by_t: str) -> str:
    if column.overlap:
        return f"{by_t}, corrected like the test"
    return by_t if column.pairs < BOOTSTRAP_FROM else f"by bootstrap ({by_t} below {BOOTSTRAP_FROM} pairs)"


def _counts(table: "Table", attribute: str) -> Iterator[str]:
    """`NCI1: kd 2, full 1`, for cells with a count above 0; `ESOL: all 40`."""
    for key, column in table.columns.items():
        counts = {table.rows[row]: getattr(cell, attribute) for row, cell in table.of_column(key).items()}
        if sum(counts.values()) == table.planned_in(key):
            yield f"{column.label}: all {sum(counts.values())}"
        elif shown := [f"{label} {count}" for label, count in counts.items() if count]:
            yield f"{column.label}: {', '.join(shown)}"


def about_floors(table: "Table", key: str, column: "Column") -> Iterator[str]:
    """A note for each floor that methods are not ahead of, by their means."""
    cells = table.of_column(key)
    for floor in (row for row in table.rows if row in table.floors and len(cells[row].values)):
        behind = [
            table.rows[row]
            for row, cell in cells.items()
            if row not in table.floors and len(cell.values) and column.sign * (cell.mean - cells[floor].mean) <= 0
        ]
        if behind:
            value, label = table.format_of(key)(cells[floor].mean), table.rows[floor]
            yield f"{column.label}: not ahead of {label} ({value}), which costs nothing: {', '.join(behind)}."


def about_tests(table: "Table", key: str, column: "Column") -> Iterator[str]:
    """What limits the tests of a column: too few pairs, or differences that are all equal."""
    if not (comparisons := table.comparisons_in(key)):
        return
    n, required = column.pairs, table.alpha / comparisons
    pairs = f"{column.label}, {counted(n, 'pair')}"
    smallest = smallest_p(column.test, n)
    if n < 2:
        yield f"{pairs}: no test and no spread can be reported."
    elif smallest > required:
        yield (
            f"{pairs}: no difference can be significant. The smallest p of the test is {smallest:.2g}, and "
            f"{comparisons} comparisons require {required:.2g}."
        )
    elif n < FEW and column.test != "wilcoxon":
        times = smallest_effect(n, required, column.overlap)
        yield f"{pairs}: the largest difference must be {times:.2g} standard deviations or more to be significant."
    alike = [table.rows[row] for row, cell in table.of_column(key).items() if _is_alike(cell)]
    if alike:
        yield f"{column.label}: no test of {', '.join(alike)}: all pairs differ from the reference by the same amount."


def _is_alike(cell: "Cell") -> bool:
    made = cell.comparison
    return made is not None and made.outcome.n > 1 and math.isnan(made.outcome.p)


def _about_gap(table: "Table", key: str, column: "Column") -> Iterator[str]:
    """A note if the teacher is not significantly better: gains are possible, but there is no gap to close."""
    cells = table.of_column(key)
    gap = max((cell.share.gap for cell in cells.values() if cell.share), key=lambda gap: gap.n, default=None)
    if gap is None or gap.n < 2 or gap.low > 0:
        return
    number = table.format_of(key)
    lead = f"{number(gap.mean, sign=True)} [{number(gap.low, sign=True)}, {number(gap.high, sign=True)}]"
    yield f"{column.label}: no gap to recover. {table.rows[table.teacher]} leads {table.rows[table.alone]} by {lead}."


def _has_hole(table: "Table", key: str) -> bool:
    """Whether a row with scores in other columns has none in this one."""
    seen = [row for row in table.rows if any(len(table.cells[row, other].values) for other in table.columns)]
    return any(not len(table.cells[row, key].values) for row in seen if row not in table.teachers | table.floors)
