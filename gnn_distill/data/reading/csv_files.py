"""CSV files of the user's, as text, with the line of every row."""

import csv
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from gnn_distill.data.reading.smiles_column import check_separators
from gnn_distill.errors import UserError, shorten, suggest

MOST_LETTERS = 300
"""Of names of columns in a message: some files have hundreds."""


def read_table(path: Path, key: str = "dataset.path") -> tuple[pd.DataFrame, list[str]]:
    """The CSV file as stripped text, indexed by line; and notices. key: that names it in messages.

    Raises UserError if it is missing or not a table. Blank lines are kept, except at the end.
    """
    if not path.is_file():
        near = suggest(path.name, [file.name for file in path.parent.glob("*.csv")] if path.parent.is_dir() else [])
        raise UserError(f"{key}={path}: no such file.{near}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # lines that are longer than the header
            header = pd.read_csv(path, header=None, nrows=1, dtype=str, index_col=False).iloc[0].dropna()
            table = pd.read_csv(path, skip_blank_lines=False, index_col=False, dtype=str, na_filter=False)
    except Exception as error:  # of any kind: pandas also opens archives, by their ending
        message = " ".join(str(error).split())
        raise UserError(
            f"{key}={path}: "
            + (
                _fault(path)
                or f"this is not a CSV file with a header ({message}). Save it as UTF-8 text with columns separated by "
                "commas."
            )
        ) from error
    try:
        check_separators([str(name) for name in header])
    except UserError as error:
        raise UserError(f"{key}={path}: {error}") from error
    if twice := sorted(header[header.duplicated()].unique()):
        raise UserError(f"{key}={path}: several columns are named {', '.join(twice)}. Rename them.")
    table = table.fillna("")  # of rows that are too short
    # A quoted cell may hold line breaks; the header is line 1.
    breaks = sum(table[column].str.count("\n") for column in table)
    table.index = 2 + header.str.count("\n").sum() + np.arange(len(table)) + breaks.cumsum() - breaks
    table = table.apply(lambda cells: cells.str.strip())
    filled = table.index[(table != "").any(axis=1)]
    if filled.empty:
        raise UserError(f"{key}={path}: the file has a header and no rows.")
    table = table.loc[: filled.max()]
    again = (table == [str(name).strip() for name in table]).all(axis=1)
    notices = []
    if again.any():
        notices = [f"Lines that repeat the header are skipped: {', '.join(map(str, table.index[again][:3]))}."]
    return table[~again], notices


def _fault(path: Path) -> str:
    """What is wrong with a text that should be a table; empty if this is not found, or it is no text."""
    width = 0
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            for cells in rows:
                if width and len(cells) > width:
                    return (
                        f"line {rows.line_num} has {len(cells)} cells for {width} columns. Put cells with commas in "
                        'quotation marks: "1,3-diol".'
                    )
                if not width and any(cells):
                    check_separators(cells)
                    width = len(cells)
    except UserError as error:
        return str(error)
    except (OSError, ValueError, csv.Error):  # ValueError: not UTF-8
        return ""
    return "" if width else "the file is empty. A CSV file starts with the names of its columns."


def need(table: pd.DataFrame, path: str, key: str, column: str) -> None:
    """Raise UserError unless the table has this column."""
    if column not in table:
        columns = shorten(", ".join(map(str, table.columns)), MOST_LETTERS)
        advice = suggest(column, table.columns)
        raise UserError(f"{key}: there is no column '{column}'.{advice} Columns: {columns}. File: {path}.")
