"""CSV files of the user's, as text, with the line of every row."""

import csv
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from gnn_distill.data.reading.columns import BLANK
from gnn_distill.data.reading.smiles_column import check_separators, separator_of
from gnn_distill.errors import UserError, shorten, suggest

WITH_COMMA = r"[+-]?\d+(?:,\d+)?(?:[eE][+-]?\d+)?"
"""A number whose decimal point, if it has one, is a comma."""
MOST_LETTERS = 300
"""Of names of columns in a message: some files have hundreds."""


def read_table(path: Path, key: str = "dataset.path") -> tuple[pd.DataFrame, list[str]]:
    """The CSV file as stripped text, indexed by line; and notices. key: that names it in messages.

    Raises UserError if it is missing or not a table. Blank lines are kept, except at the end.
    """
    if not path.is_file():
        near = suggest(path.name, [file.name for file in path.parent.glob("*.csv")] if path.parent.is_dir() else [])
        raise UserError(f"{key}={path}: no such file.{near}")
    how = {"dtype": str, "index_col": False, "sep": separator_of(path)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # lines that are longer than the header
            header = pd.read_csv(path, header=None, nrows=1, **how).iloc[0].dropna()
            table = pd.read_csv(path, skip_blank_lines=False, na_filter=False, **how)
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
    table = table[~again]
    return (table, notices) if how["sep"] == "," else with_points(table, notices)


def with_points(table: pd.DataFrame, notices: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """The table with decimal points in columns of numbers with decimal commas alone; and a notice more."""

    def has_commas(cells: pd.Series) -> bool:
        numbers = cells.str.fullmatch(WITH_COMMA) | cells.str.lower().isin(BLANK)
        return bool(numbers.all() and cells.str.contains(",").any())

    found = [name for name in table if has_commas(table[name])]
    if not found:
        return table, notices
    cell = next(cell for cell in table[found[0]] if "," in cell)
    names = shorten(", ".join(map(str, found)), MOST_LETTERS)
    told = f"Columns are separated by semicolons, and commas are decimal points in {names}: {cell} is "
    points = {name: table[name].str.replace(",", ".") for name in found}
    return table.assign(**points), [*notices, f"{told}{cell.replace(',', '.')}."]


def _fault(path: Path) -> str:
    """What is wrong with a text that should be a table; empty if this is not found, or it is no text."""
    width = 0
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True, delimiter=separator_of(path))
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
