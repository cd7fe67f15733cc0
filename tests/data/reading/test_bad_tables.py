"""CSV files of molecules that cannot be learned from: each is refused in one message that names it."""

import pickle
import re
from pathlib import Path

import pytest
from refusals import refusal

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.molecules import SmilesConfig
from gnn_distill.data.reading.csv_files import read_table
from gnn_distill.data.sources.smiles import load

MOLECULES = ["C" * carbons + "O" * oxygens for carbons in range(1, 7) for oxygens in range(1, 6)]


def table(value: object = lambda row: row / 2, head: str = "smiles,y", molecules: list[str] = MOLECULES) -> str:
    """A CSV text with a row a molecule; `value`: the last cell, or a function of the row's number."""
    rows = (f"{smiles},{value(row) if callable(value) else value}" for row, smiles in enumerate(molecules))
    return "\n".join([head, *rows, ""])


GOOD = table()
WORDS = table(lambda row: "abc"[row % 3])
# A file's content (None: no file), what the config says beside its path, and what the message must hold.
BAD = {
    "no file": (None, {}, "dataset.path={path}: no such file"),
    "empty": ("", {}, "dataset.path={path}: the file is empty. A CSV file starts with the names of its columns."),
    "blank lines": ("\n\n\n", {}, "the file is empty"),
    "header only": ("smiles,y\n", {}, "dataset.path={path}: the file has a header and no rows."),
    "empty rows": ("smiles,y\n,\n,\n", {}, "dataset.path={path}: the file has a header and no rows."),
    "no SMILES": (table(molecules=[""] * 5), {}, "no row has a SMILES in column 'smiles'."),
    "no header": (table(head="CCCC,7"), {}, "{path}: the first line, CCCC, 7, looks like a molecule."),
    "another column": (GOOD, {"smiles_column": "Smiles"}, "no column 'Smiles'. Did you mean 'smiles'?"),
    "another target": (GOOD, {"target_columns": ["z"]}, "dataset.target_columns: there is no column 'z'."),
    "target is SMILES": (GOOD, {"target_columns": ["smiles"]}, "'smiles' is the SMILES column."),
    "target twice": (GOOD, {"target_columns": ["y", "y"]}, "target_columns=['y', 'y']: a column is listed twice."),
    "one column": ("smiles\n" + "\n".join(MOLECULES), {}, "there is no column beside the SMILES. Add one"),
    "no column of SMILES": ("y\n1\n2\n", {}, "dataset.path={path}: the only column, 'y', holds no SMILES."),
    "words without a target": (table("m{}".format), {}, "target_columns to one or more of y (words such as 'm0')."),
    "numbers with a unit": (
        table("{} nM".format), {"target_columns": ["y"]},
        "'y' holds 30 different words in 30 rows ('0 nM', '1 nM', '10 nM', …). Numbers must stand alone",
    ),
    "two columns of a name": (table(head="y,smiles,y", value="1,2"), {}, "several columns are named y. Rename them."),
    "some commas": (GOOD.replace(",", ";").replace("3.5", "3,5"), {}, "Write decimals with a point, not a comma."),
    "semicolons in a row": (GOOD.replace(",", ";") + "CC;1;2\n", {}, "line 32 has 3 cells for 2 columns"),
    "tabs": (GOOD.replace(",", "\t"), {}, "columns are separated by tabs, not by commas. Save the file with commas."),
    "cells too many": (GOOD.replace("CO,0.0", "CO,0.0,1,2"), {}, "line 2 has 4 cells for 2 columns. Put cells with"),
    "a row too long": (GOOD + "CC,1,2,3\n", {}, "line 32 has 4 cells for 2 columns"),
    "open quote": ('smiles,y\n"CC,1\nCCC,2\n', {}, "EOF inside string starting at row 1"),
    "UTF-16": (GOOD.encode("utf-16"), {}, "Save it as UTF-8 text with columns separated by commas."),
    "Latin-1": (GOOD.encode() + b"C\xe9,1\n", {}, "Save it as UTF-8 text"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), {}, "not a CSV file"),
    "a pickle": (pickle.dumps({"smiles": ["C"]}), {}, "not a CSV file"),
    "only broken SMILES": (table(molecules=["C(", "1", "q"]), {}, "{path}: 3 of 3 SMILES cannot be read (line 2: 'C('"),
    "a field of megabytes": (table(molecules=["C" * 300_000] * 2), {}, "CCCCC… (300,000 characters)"),
    "errors asked for": (GOOD + "C(,1\n", {"on_invalid": "error"}, "Fix them, or set dataset.on_invalid=skip."),
    "constant target": (table(1), {}, "dataset.target_columns: 'y' is constant (1): nothing to learn."),
    "NaN targets": (table("nan"), {}, "dataset.target_columns: 'y' is empty: nothing to learn."),
    "an infinite target": (table(lambda row: "inf" if row == 3 else row), {}, "infinite numbers (line 5: 'inf')"),
    "targets beyond floats": (table(lambda row: f"{row}e38"), {}, "infinite or beyond 3e38. Fix or remove them."),
    "two rows": (table(molecules=["CC", "CO"]), {}, "mine: 2 graphs are too few for training, validation"),
    "words as numbers": (WORDS, {"target_columns": ["y"], "kind": "regression"}, "30 cells that are not numbers (line"),
    "three binary classes": (WORDS, {"target_columns": ["y"], "kind": "binary"}, "'y' has 3 different values, not 2."),
    "numbers as labels": (GOOD, {"kind": "multilabel"}, "has other values than 0 and 1: 0, 0.5, 1,"),
    "metric of others": (GOOD, {"metric": "accuracy"}, "dataset.metric=accuracy: smiles is regression"),
    "split of others": (GOOD, {"split": "published"}, "dataset.split=published: smiles offers auto, random"),
    "one scaffold": (GOOD, {"split": "scaffold"}, "30 molecules with 1 scaffolds leave a split empty"),
    "more folds than rows": (GOOD, {"split": "stratified", "folds": 31}, "dataset.folds=31: there are only 30 graphs"),
    "no such fold": (GOOD, {"fold": 1}, "dataset.fold=1: dataset.split=auto has one fold, 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_is_refused_by_name(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, changes, expected = BAD[case]
    path = tmp_path / "mine.csv"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    message = refusal(lambda: load(SmilesConfig(path=str(path), **changes), PathsConfig()), capsys, monkeypatch)
    assert expected.replace("{path}", str(path)) in message


@pytest.mark.parametrize("ending", ["zip", "tar", "gz", "bz2", "xz"])
def test_what_is_no_archive_but_called_so(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"mine.{ending}"
    path.write_text(GOOD)
    assert f"{path}: this is not a CSV file" in refusal(
        lambda: load(SmilesConfig(path=str(path)), PathsConfig()), capsys, monkeypatch
    )


def test_a_file_that_may_not_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(GOOD)

    def refused(*arguments: object, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))  # the rights of a file do not hold for root

    monkeypatch.setattr("pandas.read_csv", refused)
    assert "Permission denied" in refusal(
        lambda: load(SmilesConfig(path=str(path)), PathsConfig()), capsys, monkeypatch
    )


def test_what_programs_add_to_tables_is_put_up_with(tmp_path: Path) -> None:
    forms = {
        "mark of UTF-8": b"\xef\xbb\xbf" + GOOD.encode(),
        "Windows": GOOD.replace("\n", "\r\n").encode(),
        "semicolons": GOOD.replace(",", ";").encode(),
        "decimal commas": GOOD.replace(",", ";").replace(".", ",").encode(),
        "blank lines": f"{GOOD}\n\n\n".encode(),
        "row numbers": re.sub("^", "7,", table(), flags=re.MULTILINE).replace("7,smiles", ",smiles", 1).encode()[:-2],
    }
    for form, content in forms.items():
        (tmp_path / "mine.csv").write_bytes(content)
        task = load(SmilesConfig(path=str(tmp_path / "mine.csv")), PathsConfig())
        assert (task.spec.target_names, len(task.graphs)) == (("y",), 30), form


def test_decimal_commas_are_read_as_points_and_announced(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    rows = (f"{smiles};{row / 8};n{row % 3};{row}" for row, smiles in enumerate(MOLECULES))
    path.write_text("\n".join(["smiles;y;kind;count", *rows, "CCC;;a,b;", "CCN;1;n0;3", ""]).replace(".", ","))
    found, notices = read_table(path)
    assert found["y"].tolist() == [*(str(row / 8) for row in range(30)), "", "1"]
    assert found["kind"].tolist()[-2:] == ["a,b", "n0"]
    assert notices == ["Columns are separated by semicolons, and commas are decimal points in y: 0,0 is 0.0."]
    task = load(SmilesConfig(path=str(path), target_columns=["y"]), PathsConfig())
    assert sorted(task.graphs.y.flatten().tolist())[-1] == 29 / 8
    assert notices[0] in task.notices
