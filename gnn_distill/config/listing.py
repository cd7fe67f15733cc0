"""Lists that fit a terminal of any width, and are plain columns in a pipe."""

import sys
from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from gnn_distill.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

GAP = 2
LEAST_LAST = 24
"""Columns of a terminal that the last column needs in order to be readable in its place."""


def show(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: as whole lines into a pipe, on a terminal within its width.

    Cells wrap between words, those of the first column never. Where there is no room, the last column stands below the
    others; where there is none for these either, each row is a list of its cells.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        for row in (columns, *rows):
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    from rich.console import Console

    console = Console(markup=False, emoji=False, highlight=False)
    if widths := _fitting(columns, rows, console.width, LEAST_LAST):
        _print_rows(console, columns, rows, widths)
    elif widths := _fitting(columns[:-1], [row[:-1] for row in rows], console.width):
        _print_rows(console, columns[:-1], [], widths)
        _print_below(console, columns[-1], "bold")
        for row in rows:
            _print_rows(console, None, [row[:-1]], widths)
            _print_below(console, row[-1], "dim")
    else:
        for row in rows:
            console.print(row[0], style="bold", soft_wrap=True)
            cells = [f"{name}: {cell}" for name, cell in zip(columns[1:-1], row[1:-1], strict=True) if cell]
            _print_below(console, ", ".join(cells))
            _print_below(console, row[-1], "dim")


def _fitting(columns: Sequence[str], rows: Sequence[Sequence[str]], room: int, least_last: int = 0) -> list[int] | None:
    """Widths of the columns within `room`, the widest ones made narrower first; None: words would have to be cut."""
    from rich.cells import cell_len

    cells = [*zip(columns, *rows, strict=True)]
    widths = [max(map(cell_len, column)) for column in cells]
    least = [max(cell_len(word) for cell in column for word in [*cell.split(), ""]) for column in cells]
    least[0], least[-1] = widths[0], max(least[-1], min(widths[-1], least_last))
    while sum(widths) + GAP * (len(widths) - 1) > room:
        wide = [index for index, width in enumerate(widths) if width > least[index]]
        if not wide:
            return None
        widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


def _print_rows(
    console: "Console", columns: Sequence[str] | None, rows: Sequence[Sequence[str]], widths: Sequence[int]
) -> None:
    from rich.table import Table

    table = Table(
        box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold", show_header=columns is not None
    )
    for name, width in zip(columns or widths, widths, strict=True):
        table.add_column(str(name), width=width)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _print_below(console: "Console", text: str, style: str | None = None) -> None:
    """A cell under its row; a word that is longer than the terminal, such as a path, stays whole."""
    for line in wrap(text, console.width - GAP, break_long_words=False, break_on_hyphens=False):
        console.print(f"{' ' * GAP}{line}", style=style, soft_wrap=True)
