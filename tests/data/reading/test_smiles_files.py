"""Files of SMILES: every line is a row, cells stay as they are, and the column of SMILES is found or asked for."""

from pathlib import Path

import pytest

from gnn_distill.data.assembly.inputs import Unfit
from gnn_distill.data.reading.smiles_column import find_smiles_column
from gnn_distill.data.reading.smiles_files import CsvFile, LinesFile
from gnn_distill.errors import UserError


def rows(file: CsvFile | LinesFile) -> list[tuple[list[str], str]]:
    """Cells, and the SMILES or why there is none."""
    return [(line.cells, f"!{line.entry.why}" if isinstance(line.entry, Unfit) else line.entry) for line in file]


def csv_file(path: Path, text: str | bytes) -> CsvFile:
    (path / "x.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return CsvFile(path / "x.csv", lambda names, sample: names.index("smiles"))


def test_every_line_of_a_table_is_a_row(tmp_path: Path) -> None:
    text = '\ufeffid,smiles,note\r\n1,CCO,"a ""b"",\nc"\r\n2,,x\r\n\r\n3\r\n4,C,d,e\r\n5, CC ,\r\n\r\n\n'
    file = csv_file(tmp_path, text)
    assert file.columns == ["id", "smiles", "note"]
    assert rows(file) == [
        (["1", "CCO", 'a "b",\nc'], "CCO"),
        (["2", "", "x"], "!no SMILES"),
        (["", "", ""], "!an empty line"),
        (["3", "", ""], "!no SMILES"),
        (["4", "C", "d"], "!4 cells for 3 columns; a comma without quotes? Beyond: e"),
        (["5", " CC ", ""], " CC "),
    ]
    assert [line.done for line in file][-1] == (tmp_path / "x.csv").stat().st_size


def test_semicolons_separate_where_commas_are_decimal_points(tmp_path: Path) -> None:
    file = csv_file(tmp_path, "id;smiles;weight\n1;CCO;46,07\n2;C;16,04;x\n")
    assert rows(file) == [
        (["1", "CCO", "46,07"], "CCO"),
        (["2", "C", "16,04"], "!4 cells for 3 columns; a semicolon without quotes? Beyond: x"),
    ]


def test_bytes_that_are_not_unicode_are_kept(tmp_path: Path) -> None:
    (cells, smiles), *_ = rows(csv_file(tmp_path, b"name,smiles\ncaf\xe9,C\n"))
    assert (cells[0].encode(errors="surrogateescape"), smiles) == (b"caf\xe9", "C")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n\nC\n", "the file is empty"),
        ("id,smiles\n1,C\n".encode("utf-16"), "is not UTF-8 text"),
        (b'id,smiles\n1,"C\n' + b"2,CC\n" * 40_000, r"x\.csv, line \d+: .*quotation mark open"),
        (b'id,smiles\n0,"C\nC"\n1,"C\n2,CC\n', r"x\.csv, line 4: a quotation mark is open until the end of the file"),
    ],
)
def test_files_that_are_no_tables_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        rows(csv_file(tmp_path, content))


def test_every_line_is_a_molecule(tmp_path: Path) -> None:
    (tmp_path / "x.smi").write_text("CCO ethanol, pure\n\nC\tmethane\nc1ccccc1\n\n\n")
    assert rows(LinesFile(tmp_path / "x.smi")) == [
        (["1", "CCO", "ethanol, pure"], "CCO"),
        (["2", "", ""], "!an empty line"),
        (["3", "C", "methane"], "C"),
        (["4", "c1ccccc1", ""], "c1ccccc1"),
    ]


def find(names: list[str], row: list[str], asked: str | None = None, trained: str | None = None) -> tuple[int, str]:
    return find_smiles_column(names, [row], asked, trained, lambda text: set(text) <= set("CNO"))


def test_the_column_of_smiles_is_found() -> None:
    assert find(["smiles", "Drug"], ["x", "y"], trained="Drug") == (1, "")
    assert find(["id", "DRUG", "smiles"], ["1", "x", "y"], trained="Drug") == (1, "")
    told = "Column 'SMILES' is read as SMILES."
    assert find(["id", "Canonical_SMILES", "SMILES"], ["1", "x", "y"], trained="Drug") == (2, told)
    assert find(["a", "b"], ["1", "x"], asked="b") == (1, "")
    place, notice = find(["id", "drug"], ["1", "CCO"])
    assert place == 1
    assert "'drug' is read as SMILES" in notice


@pytest.mark.parametrize(
    ("names", "row", "asked", "message"),
    [
        (["id", "smile"], ["1", "CC"], "smiles", r"smiles_column=smiles: no such column. Did you mean 'smile'\?"),
        (["a", "b"], ["1", "2"], None, "no column holds SMILES. Set smiles_column to one of a, b"),
        (["a", "b"], ["CC", "C"], None, "several columns hold SMILES. Set smiles_column to one of a, b"),
        (["smiles", "smiles"], ["CC", "C"], None, "several columns are named 'smiles'"),
        (["id;x"], ["1;CC"], None, "columns are separated by semicolons, not by commas"),
        (["id\tx"], ["1\tCC"], "x", "columns are separated by tabs, not by commas"),
        (["id"], ["1"], None, "the only column, 'id', holds no SMILES"),
    ],
)
def test_a_column_that_cannot_be_told_is_asked_for(names: list, row: list, asked: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find(names, row, asked)
