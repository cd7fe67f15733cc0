"""Which column of a table holds SMILES."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from gnn_distill.data.reading.columns import NUMBER
from gnn_distill.errors import UserError, refuse, suggest

NAMES = ("smiles", "canonical_smiles", "isomeric_smiles", "smi", "mol", "molecule", "structure")
"""Usual names, the likeliest first, in lower case."""
SAMPLE = 100
"""Rows in which a column without such a name is looked for."""
ENOUGH = 0.8
"""Share of its cells that must parse."""
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
"""What programs write between columns instead of commas."""


def find_smiles_column(
    names: Sequence[str],
    rows: Sequence[Sequence[object]],
    asked: str | None,
    trained: str | None,
    parses: Callable[[str], bool],
    advice: str = "Set smiles_column to",
) -> tuple[int, str]:
    """The place of the column of SMILES, and a notice unless its name says so.

    asked: the column that the user names; trained: that of the training data, if known. Without `asked` it is the one
    named as `trained`, in whatever case, else one with a usual name whose cells parse, else the only one whose cells
    parse. rows: the first rows of the table. advice: what to do if it cannot be told, before the names.

    Raises:
        UserError: if there is no such column, or several.
    """
    check_separators(names)
    if asked is not None:
        if asked not in names:
            raise refuse("smiles_column", asked, f"no such column.{suggest(asked, names)} Columns: {', '.join(names)}.")
        return _only(asked, names), ""
    if trained in names:
        return _only(trained, names), ""
    small = [name.strip().lower() for name in names]
    if trained and trained.lower() in small:
        return _only(trained.lower(), small), ""
    found = [place for place in range(len(names)) if small[place] == NAMES[0] or _holds_smiles(rows, place, parses)]
    for known in NAMES:
        if any(small[place] == known for place in found):
            return _read_as_smiles(_only(known, small), names)
    if len(found) == 1 and parses(names[found[0]]):
        raise UserError(f"the first line, {', '.join(names[:3])}, looks like a molecule. It must name the columns.")
    if len(found) == 1:
        return _read_as_smiles(found[0], names, ": the only one whose cells parse")
    if len(names) == 1:
        raise UserError(f"the only column, '{names[0]}', holds no SMILES. Add a column with them.")
    which = "several columns hold" if found else "no column holds"
    among = [names[place] for place in found] or names
    raise UserError(f"{which} SMILES. {advice} one of {', '.join(among)}.")


def separator_of(path: Path) -> str:
    """What separates the columns of a CSV file: semicolons if its header has some and no comma, else commas.

    So do programs write that have a comma as the decimal point.
    """
    with suppress(OSError, ValueError), open(path, encoding="utf-8-sig") as file:  # ValueError: not UTF-8
        header = next((line for line in file if line.strip()), "")
        return ";" if ";" in header and "," not in header else ","
    return ","


def check_separators(names: Sequence[str]) -> None:
    """Raise UserError for a header of a single name in which something else than commas separates columns."""
    marks = [told for mark, told in SEPARATORS.items() if len(names) == 1 and mark in names[0]]
    if marks:
        raise UserError(f"columns are separated by {marks[0]}, not by commas. Save the file with commas.")


def _only(name: str, names: Sequence[str]) -> int:
    if list(names).count(name) > 1:
        raise UserError(f"several columns are named '{name}'. Rename all but the one with the SMILES.")
    return list(names).index(name)


def _read_as_smiles(place: int, names: Sequence[str], why: str = "") -> tuple[int, str]:
    return place, "" if names[place] == NAMES[0] else f"Column '{names[place]}' is read as SMILES{why}."


def _holds_smiles(rows: Sequence[Sequence[object]], place: int, parses: Callable[[str], bool]) -> bool:
    """Whether most cells of a column are molecules; it is left as soon as that cannot be any more."""
    cells = [row[place] for row in rows]
    texts = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
    wrong = (text for text in texts if len(text.split()) > 1 or NUMBER.fullmatch(text.strip()) or not parses(text))
    most = len(texts) - math.ceil(ENOUGH * len(texts))
    return bool(texts) and next(islice(wrong, most, None), None) is None
