"""Shared by `gnn-distill datasets` and `models`: the files of a config group, and a table of them."""

import sys
from collections.abc import Sequence
from pathlib import Path

from gnn_distill.errors import printable


def group_folders(group: str) -> list[Path]:
    """The folders with files of a config group: this package's, and that of the user's --config-dir."""
    from hydra.core.hydra_config import HydraConfig

    sources = HydraConfig.get().runtime.config_sources
    return [Path(source.path) / group for source in sources if source.schema == "file"]


def choices(folders: Sequence[Path]) -> list[str]:
    """The choices of a group, sorted."""
    return sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})


def choice_file(choice: str, folders: Sequence[Path]) -> Path:
    """The file of a choice; where several folders have one, the first, as in Hydra."""
    return next(path for folder in folders if (path := folder / f"{choice}.yaml").is_file())


def show(columns: Sequence[str], rows: Sequence[Sequence[str]], below: bool = False) -> None:
    """Print a table: with colours on a terminal, as plain columns into a pipe.

    On a narrow terminal the last column is cut, or with `below` stands on a line of its own, under the others.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, emoji=False, highlight=False)
    apart = below and sum(widths) + 2 * len(widths) > console.width
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column, width in zip(columns[:-1], widths, strict=False):
        # On a narrow terminal only the last column shrinks.
        table.add_column(column, no_wrap=True, min_width=width)
    if not apart:
        table.add_column(columns[-1], no_wrap=True)
    for row in rows:
        table.add_row(*(row[:-1] if apart else row))
    if not apart:
        console.print(table)
        return
    head, *lines = console.render_lines(table, pad=False)
    for line, last in zip([head, *lines], [columns[-1], *(row[-1] for row in rows)], strict=True):
        console.print(*(segment.text for segment in line), sep="", style="bold" if line is head else None)
        console.print(f"  {last}", style="dim", soft_wrap=True)
