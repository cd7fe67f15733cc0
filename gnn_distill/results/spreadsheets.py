"""CSV files that are safe to open in a spreadsheet: no text in them is read as a formula."""

import pandas as pd

from gnn_distill.errors import printable

STARTS = tuple("=+-@\t＝＋－＠'")
"""A cell that starts with one of these is a formula to a spreadsheet, or was escaped before."""
MARK = "'"


def to_csv(frame: pd.DataFrame, float_format: str | None = None) -> str:
    """The frame as CSV text: texts that start like formulas get an apostrophe in front; numbers stay numbers."""
    texts = frame.select_dtypes(["object", "string"])
    safe = {name: texts[name].map(marked) for name in texts}
    header = [marked(name) for name in frame]
    return frame.assign(**safe).to_csv(index=False, header=header, lineterminator="\n", float_format=float_format)


def restored(frame: pd.DataFrame) -> pd.DataFrame:
    """The inverse of `to_csv`, for a frame that was read back."""
    texts = frame.select_dtypes(["object", "string"])
    return frame.assign(**{name: texts[name].map(_unmarked, na_action="ignore") for name in texts})


def marked(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula; numbers stay as they are."""
    if not isinstance(cell, str):
        return cell
    cell = printable(cell)  # a carriage return would start a row
    return MARK + cell if cell.startswith(STARTS) else cell


def _unmarked(cell: object) -> object:
    return cell[1:] if isinstance(cell, str) and cell[:1] == MARK and cell[1:].startswith(STARTS) else cell
