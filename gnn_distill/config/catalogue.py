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


def show(columns: Sequence[str], rows: Sequence[Sequence[str]], fold: bool = False) -> None:
    """Print a table: with colours on a terminal, as plain columns into a pipe.

    On a narrow terminal only the last column shrinks: it is cut, or with `fold` broken over several lines.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for place, (column, width) in enumerate(zip(columns, widths, strict=True), start=1):
        if place < len(columns):
            table.add_column(column, no_wrap=True, min_width=width)
        else:
            table.add_column(column, no_wrap=not fold, overflow="fold" if fold else "ellipsis")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, emoji=False).print(table)
