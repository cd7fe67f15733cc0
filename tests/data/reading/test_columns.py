"""What cells are taken for, and what columns make of them."""

import numpy as np
import pytest

from gnn_distill.config.schema.molecules import SmilesConfig
from gnn_distill.data.reading.columns import Column
from gnn_distill.data.reading.targets import read_targets
from gnn_distill.errors import UserError


def column(*cells: str, name: str = "y") -> Column:
    return Column(name, cells, tuple(range(2, 2 + len(cells))))


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (("1", "2.5", "-3e-5", ""), "numbers"),
        (("1", "2", "NA", "n/a"), "numbers"),
        (("0", "1", "1.0", ""), "truth"),
        (("True", "false", ""), "truth"),
        (("Active", "inactive", "ACTIVE", "none"), "truth"),
        (("+", "-", "+"), "truth"),
        (("5", "6", ">10"), "mixed"),
        (("5,1", "6,2"), "mixed"),
        (("7", "8", "9", "mol/L"), "mixed"),
        (("", "nan", "#N/A"), "empty"),
        (("NA", "NA"), "words"),
        (("Low", "High", "None"), "words"),
        (("CHEMBL1", "12", "CHEMBL3"), "words"),
        (("1_000", "0x10", "1 2"), "words"),
        (("yes", "yes"), "words"),
    ],
)
def test_what_a_column_holds(cells: tuple[str, ...], kind: str) -> None:
    assert column(*cells).kind == kind


def test_values_and_classes() -> None:
    assert column("0.1", "NA", "", "1e3").values.tolist() == pytest.approx([0.1, np.nan, np.nan, 1000], nan_ok=True)
    assert column("yes", "No", "", "no", "no").values.tolist() == pytest.approx([1, 0, np.nan, 0, 0], nan_ok=True)
    assert column("yes", "No", "", "no", "no").classes == ["no", "yes"]
    assert column("10", "9", "9.0", "").classes == ["9", "10"]
    assert column("None", "NA", "", "Low").classes == ["Low", "NA", "None"]


@pytest.mark.parametrize(
    ("name", "cells", "counts"),
    [
        ("x", ("7", "8", "9", "10"), True),
        ("x", ("7", "9", "8", "10"), False),
        ("mol_id", ("70", "12", "33"), True),
        ("CompoundID", ("70", "12", "33"), True),
        ("CID", ("70", "12", "33"), True),
        ("valid", ("70", "12", "33"), False),
        ("mol_id", ("70", "12", "12"), False),
        ("mol_id", ("7.5", "12", "33"), False),
    ],
)
def test_columns_that_number_the_rows(name: str, cells: tuple[str, ...], counts: bool) -> None:
    assert column(*cells, name=name).counts_rows == counts


def read(*columns: Column, **config: object) -> object:
    return read_targets(list(columns), SmilesConfig(path="a.csv", **config))


@pytest.mark.parametrize(
    ("cells", "positive", "names", "y", "guess"),
    [
        (("active", "inactive"), None, ("inactive", "active"), [1, 0], False),
        (("active", "inactive"), "Inactive", ("active", "inactive"), [0, 1], False),
        (("safe", "toxic"), None, ("safe", "toxic"), [0, 1], False),
        (("toxic", "weak"), None, ("weak", "toxic"), [1, 0], False),
        (("binds", "inactive"), None, ("inactive", "binds"), [1, 0], False),
        (("High", "Low"), None, ("High", "Low"), [0, 1], True),
        (("High", "Low"), "high", ("Low", "High"), [1, 0], False),
        (("-1", "1"), None, ("-1", "1"), [0, 1], True),
        (("1", "2"), "1", ("2", "1"), [1, 0], False),
        (("0", "1"), "0", ("1", "0"), [1, 0], False),
    ],
)
def test_which_class_is_one(cells: tuple, positive: str | None, names: tuple, y: list, guess: bool) -> None:
    targets = read(column(*cells), kind="binary", positive=positive, target_columns=["y"])
    assert (targets.class_names, targets.y[:, 0].tolist()) == (names, y)
    assert any("is a guess: dataset.positive=" in notice for notice in targets.notices) == guess


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(("cell", "hint"), [(">10", "A bound such as"), ("5,2", "a point, not a comma"), ("x", "")])
def test_one_bad_cell_does_not_change_the_target(named: bool, cell: str, hint: str) -> None:
    bad, other = column("5.1", cell, "4.9", name="pIC50"), column("100", "101", "103")
    columns = [other, bad] if named else [bad]
    if not named:
        with pytest.raises(UserError, match="numbers: y; mostly numbers: pIC50"):
            read(other, bad)
    with pytest.raises(UserError, match=f"'pIC50' has 1 cell that is not a number .line 3: '{cell}'.*{hint}"):
        read(*columns, target_columns=["pIC50"] if named else [])


def test_what_is_left_out_is_told() -> None:
    logs = column("5.1", "4.9", "5.6", name="logS")
    others = [
        column("1", "2", "3", name="id"),
        column("", "", "", name="comment"),
        column("7", "7", "", name="batch"),
        column("a", "b", "c", name="who"),
    ]
    targets = read(*others, logs)
    assert targets.target_names == ("logS",)
    told = ("id (numbers the rows)", "comment (empty)", "batch (constant (7))", "who (words)")
    assert targets.notices[1].startswith(f"Target: 'logS', the only column of numbers. Left out: {', '.join(told)}.")
    alone = read(others[0])
    assert alone.target_names == ("id",)
    assert any("looks like a row number" in notice for notice in alone.notices)


def test_truth_values_with_blanks_are_a_task_of_their_own() -> None:
    one, other = column("True", "False", "", name="a"), column("", "active", "Inactive", name="b")
    targets = read(one, other)
    assert (targets.kind, targets.class_names) == ("multilabel", ())
    assert targets.y.tolist() == pytest.approx(np.array([[1, np.nan], [0, 1], [np.nan, 0]]), nan_ok=True)
    assert "b: Classes: 0 = Inactive, 1 = active." in targets.notices
    mixed = [one, column("1", "2.5", "", name="c")]
    with pytest.raises(UserError, match=r"several columns could be .*truth values or 0 and 1 only: a; numbers: c"):
        read(*mixed)
    with pytest.raises(UserError, match=r"different kinds .truth values or 0 and 1 only: a; numbers: c"):
        read(*mixed, target_columns=["a", "c"])
    words = [column("low", "high", "", name="a"), column("high", "low", "low", name="b")]
    with pytest.raises(UserError, match=r"words in several columns need dataset\.positive"):
        read(*words, target_columns=["a", "b"])
    assert read(*words, target_columns=["a", "b"], positive="high").class_names == ("low", "high")


def test_words_for_nothing_are_classes_among_words_only() -> None:
    targets = read(column("None", "Low", "High", "None"), target_columns=["y"])
    assert (targets.kind, targets.target_names) == ("multiclass", ("High", "Low", "None"))
    assert "'None' is a class of 'y' (2 rows): a missing label is a blank cell." in targets.notices
    targets = read(column("1.5", "NA", "2.5"))
    assert targets.notices[-1] == "1 cell of 'y' counts as missing (line 3: 'NA')."
    targets = read(column("Low", "low", "high"), target_columns=["y"])
    assert targets.notices[-1] == "Classes of 'y' that differ only in case: Low, low."
