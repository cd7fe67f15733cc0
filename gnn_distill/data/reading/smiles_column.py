"""Which column of a table holds SMILES."""

from collections.abc import Callable, Sequence

from gnn_distill.errors import UserError, refuse, suggest

NAMES = ("smiles", "canonical_smiles", "isomeric_smiles", "smi", "mol", "molecule", "structure")
"""Usual names, the likeliest first, in lower case."""
SAMPLE = 100
"""Rows in which a column without such a name is looked for."""
ENOUGH = 0.8
"""Share of its cells that must parse."""


def find_smiles_column(
    names: Sequence[str],
    rows: Sequence[Sequence[object]],
    asked: str | None,
    trained: str | None,
    parses: Callable[[str], bool],
    advice: str = "Set smiles_column to",
) -> tuple[int, str]:
    """The place of the column of SMILES, and a notice if it was guessed from its cells.

    asked: the column that the user names; trained: that of the training data, if known. Without `asked` it is the one
    named as `trained`, else one with such a name or a usual one in whatever case, else the only one whose cells parse.
    rows: the first rows of the table. advice: what to do if it cannot be told, before the names.

    Raises:
        UserError: if there is no such column, or several.
    """
    if asked is not None:
        if asked not in names:
            raise refuse("smiles_column", asked, f"no such column.{suggest(asked, names)} Columns: {', '.join(names)}.")
        return _only(asked, names), ""
    if trained in names:
        return _only(trained, names), ""
    small = [name.strip().lower() for name in names]
    for known in (*([trained.lower()] if trained else []), *NAMES):
        if known in small:
            return _only(known, small), ""
    found = [place for place in range(len(names)) if _holds_smiles([row[place] for row in rows], parses)]
    if len(found) == 1:
        return found[0], f"Column '{names[found[0]]}' is read as SMILES: the only one whose cells parse."
    which = "several columns hold" if found else "no column holds"
    among = [names[place] for place in found] or names
    separated = " Columns are separated by commas." if len(names) == 1 else ""
    raise UserError(f"{which} SMILES. {advice} one of {', '.join(among)}.{separated}")


def _only(name: str, names: Sequence[str]) -> int:
    if list(names).count(name) > 1:
        raise UserError(f"several columns are named '{name}'. Rename all but the one with the SMILES.")
    return list(names).index(name)


def _holds_smiles(cells: Sequence[object], parses: Callable[[str], bool]) -> bool:
    texts = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
    return bool(texts) and sum(map(parses, texts)) >= ENOUGH * len(texts)
