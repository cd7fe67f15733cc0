"""Files of molecules without labels (`dataset.unlabelled`)."""

from pathlib import Path

from gnn_distill.config.schema.data import SMILES_LINES
from gnn_distill.data.reading.csv_files import need, read_table
from gnn_distill.errors import reading_foreign, refuse

KEY = "dataset.unlabelled"


def read_smiles(path: Path, column: str) -> tuple[list[str], list[int], list[str]]:
    """The SMILES of a .smi file, or of a CSV file's `column`; their lines; and notices. Empty ones are left out.

    Raises UserError if the file cannot be read, or has no such column.
    """
    if path.suffix.lower() == SMILES_LINES:
        with reading_foreign(f"{KEY}={path}", "Save it as UTF-8 text with one SMILES per line."):
            rows = list(enumerate(path.read_text(encoding="utf-8").splitlines(), start=1))
        found, notices = [(line, text.split()[0]) for line, text in rows if text.strip()], []
    else:
        table, notices = read_table(path, KEY)
        need(table, str(path), KEY, column)
        found = [(line, text) for line, text in zip(table.index, table[column], strict=True) if text]
    if not found:
        raise refuse(KEY, path, "there is no SMILES in it.")
    lines, smiles = zip(*found, strict=True)
    return list(smiles), list(lines), notices
