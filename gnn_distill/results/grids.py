"""The texts of the cells of a table, in panels that are the same in every output format."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest

from gnn_distill.formatting import NOTHING, Format, metric_head, p_value
from gnn_distill.results.outcomes import verdicts
from gnn_distill.results.tables import Cell, Column, Table

STALE = "°"


@dataclass(frozen=True)
class Entry:
    """The text of a cell: a number that may be emphasised, its marks, and the rest."""

    text: str
    marks: str = ""
    rest: str = ""
    emphasis: str = ""
    """`best`, `second` or empty."""


@dataclass(frozen=True)
class Grid:
    """A panel: a header and rows of entries, the first of which is the row's label."""

    key: str
    """Unique among the panels of a table."""
    title: str
    header: list[str]
    rows: list[list[Entry]]
    units: tuple[str, ...] = ()
    """What each column of the header measures, such as `RMSE ↓`, or empty; (): in no column."""

    @property
    def heads(self) -> list[tuple[str, str]]:
        """By column its name, and what it measures, which stands below it."""
        return [*zip_longest(self.header, self.units, fillvalue="")]


def grids(table: Table) -> list[Grid]:
    """The panels of a table that are not empty: results, gains over the reference, shares of the gap.

    Then verdicts on what its rows give of other quantities, and these.
    """
    panels = _own_panels(table)
    if found := dict(verdicts(table.further)):
        panels.append(_verdicts(table, found))
    return panels + [panel for one in table.further for panel in _further_panels(one)]


def describe_columns(table: Table) -> list[str]:
    """A line with the full names of the columns whose heads are shortened, if any."""
    named = [
        column.label if column.label.startswith(column.head) else f"{column.head}: {column.label}"
        for column in table.columns.values()
        if column.head != column.label
    ]
    return [f"Columns: {'; '.join(named)}."] if named else []


def _own_panels(table: Table) -> list[Grid]:
    formats = {key: table.format_of(key) for key in table.columns}
    panels = [_results(table, formats)]
    if table.comparisons:
        title = f"Gain over {table.rows[table.reference]} [interval], adjusted p"
        panels.append(_panel(table, "gains", title, lambda cell, key: _gain(cell, formats[key])))
    if any(cell.share and math.isfinite(cell.share.share) for cell in table.cells.values()):
        panels.append(_panel(table, "shares", "Share of the gap recovered, % [interval]", lambda cell, _: _share(cell)))
    return panels


def _further_panels(table: Table) -> Iterator[Grid]:
    """Results and gains, under titles of their own; no ranks and wins, in whose place are the verdicts."""
    results, *others = _own_panels(table)
    across = 1 + len(table.columns)
    header = ["", *(column.head for column in table.columns.values())]
    yield Grid(table.name, table.title, header, [row[:across] for row in results.rows])
    for panel in others:
        yield replace(panel, key=f"{table.name}-{panel.key}", title=f"{table.title}. {panel.title}")


def _verdicts(table: Table, found: dict[str, dict[str, str]]) -> Grid:
    ranges = list(next(iter(found.values())))
    reference, columns = table.further[0].rows[table.further[0].reference], len(table.columns)
    title = f"Awareness against {reference}, number of columns of {columns}"
    rows = [[Entry(table.rows[row]), *(Entry(words[key]) for key in ranges)] for row, words in found.items()]
    return Grid("verdicts", title, ["", *ranges], rows)


def _results(table: Table, formats: dict[str, Format]) -> Grid:
    header = ["", *(column.head for column in table.columns.values())]
    rows = [
        [Entry(label), *(_result(table.cells[row, key], table.columns[key], formats[key]) for key in table.columns)]
        for row, label in table.rows.items()
    ]
    if len(table.columns) > 1:
        more = dict(_summaries(table))
        header += more
        for row, entries in zip(table.rows, rows, strict=True):
            entries += [Entry(column[row]) for column in more.values()]
    return Grid("results", table.title, header, rows, ("", *map(_unit, table.columns.values())))


def _summaries(table: Table) -> Iterator[tuple[str, dict[str, str]]]:
    """Summary columns over all columns: name, and values by row."""
    rank = Format(1, 1)
    yield "rank", {row: rank(value) for row, value in table.ranks.items()}
    if table.comparisons:
        yield "wins", {row: "/".join(map(str, table.wins[row])) if row in table.wins else "" for row in table.rows}


def _panel(table: Table, key: str, title: str, entry: Callable[[Cell, str], Entry | None]) -> Grid:
    """A panel of the entries `entry(cell, column)`, without empty rows."""
    rows = []
    for row, label in table.rows.items():
        entries = [entry(table.cells[row, column], column) for column in table.columns]
        if any(entries):
            rows.append([Entry(label), *(given or Entry(NOTHING) for given in entries)])
    return Grid(key, title, ["", *(column.head for column in table.columns.values())], rows)


def _unit(column: Column) -> str:
    """`accuracy (%) ↑`; empty while there are no runs."""
    return metric_head(column.metric, column.higher_is_better) if column.metric else ""


def _result(cell: Cell, column: Column, number: Format) -> Entry:
    done = len(cell.values)
    if not done:
        return Entry(NOTHING)
    rest = f" ± {number(cell.std)}" if done > 1 else ""
    if lost := cell.missing + cell.diverged:
        rest += f" ({column.runs - lost}/{column.runs})"
    marks = (cell.comparison.mark if cell.comparison else "") + (STALE if cell.stale else "")
    return Entry(number(cell.mean), marks, rest, "best" if cell.best else "second" if cell.second else "")


def _gain(cell: Cell, number: Format) -> Entry | None:
    made = cell.comparison
    if made is None:
        return None
    if not made.effect.n:
        return Entry(NOTHING)
    low, high = (number(bound, sign=True) for bound in (made.effect.low, made.effect.high))
    bounds = f" [{low}, {high}]" if low != NOTHING else ""
    return Entry(number(made.effect.mean, sign=True), made.mark, f"{bounds}, {p_value(made.p_holm)}")


def _share(cell: Cell) -> Entry | None:
    if cell.share is None:
        return None
    share, low, high = (_percent(value) for value in cell.share[:3])
    return Entry(share, rest="" if share == NOTHING else f" [{low}, {high}]")


def _percent(share: float) -> str:
    """A share in percent; beyond ten gaps, digits are meaningless: `> 1000`. CSV and JSON contain them."""
    percent = Format(100, 0)
    if math.isfinite(share) and abs(share) > 10:
        return f"< {percent(-10)}" if share < 0 else f"> {percent(10)}"
    return percent(share)
