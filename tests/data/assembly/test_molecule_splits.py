"""Splits of a CSV file of molecules: whatever they are by, no molecule and no group is in two parts."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.molecules import SmilesConfig
from gnn_distill.data.assembly.molecule_overlap import MoleculeTask, canonical
from gnn_distill.data.assembly.splits import random_split
from gnn_distill.data.sources.smiles import load
from gnn_distill.errors import UserError

TAILS = ["", "C", "CC", "O", "CO", "N", "CN", "F", "Cl", "CCO", "CCN", "C=O"]
RINGS = ["c1ccccc1", "C1CCCCC1", "c1ccncc1", "C1CCCC1", "c1ccoc1", "c1ccsc1", "C1CCNCC1", "C1CCOCC1", "c1cncnc1", ""]
ROWS = [f"C{ring}{tail}" if ring else f"IC{tail}" for tail in TAILS for ring in RINGS]
COPIES = {3: "OCC", 50: "CCO", 77: "C(O)C"}
"""Ethanol, written in three ways, in three groups and at three times."""
SMILES = [COPIES.get(row, smiles) for row, smiles in enumerate(ROWS)]
GROUPS = [f"series {row % 17}" for row in range(len(SMILES))]
DAYS = [f"20{10 + row * 7 % 12:02}-0{1 + row % 9}-1{row % 10}" for row in range(len(SMILES))]
FOLDS = [str(1 + row % 4) for row in range(len(SMILES))]
Make = Callable[..., MoleculeTask]


def write(file: Path, rows: list[int], words: list[str] | None = None) -> Path:
    words = words or ["train"] * len(SMILES)
    lines = [f"{SMILES[r]},{len(SMILES[r]) + r / 7},{GROUPS[r]},{DAYS[r]},{FOLDS[r]},{words[r]}" for r in rows]
    file.write_text("smiles,logS,series,day,number,part\n" + "\n".join(lines) + "\n")
    return file


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(words: list[str] | None = None, **keys: object) -> MoleculeTask:
        path = write(tmp_path / "mine.csv", range(len(SMILES)), words)
        return load(SmilesConfig(path=str(path), target_columns=["logS"], **keys), PathsConfig())

    return made


def parts_of(task: MoleculeTask) -> dict[str, list[int]]:
    """Rows of the file, from 0, by part."""
    return {part: [task.lines[row] - 2 for row in ids.tolist()] for part, ids in task.splits.tensors().items()}


def check_apart(task: MoleculeTask, names: list[str]) -> None:
    for one, other in combinations(parts_of(task).values(), 2):
        assert not {names[row] for row in one} & {names[row] for row in other}


@pytest.mark.parametrize(
    "keys",
    [
        {"split": "random"},
        {"split": "stratified"},
        {"split": "scaffold"},
        {"split": "scaffold_balanced"},
        {"group_column": "series"},
        {"time_column": "day"},
        {"split_column": "number"},
    ],
    ids=str,
)
def test_no_molecule_is_in_two_parts_and_each_row_is_tested_once(make: Make, keys: dict[str, str]) -> None:
    folds = 1 if keys == {"split": "random"} else 4
    tasks = [make(**keys, folds=4, fold=fold) for fold in range(folds)]
    for task in tasks:
        assert all(map(len, parts_of(task).values()))
        check_apart(task, [canonical(smiles) for smiles in SMILES])
        assert not any(task.shared.values())
    tested = sorted(row for task in tasks for row in parts_of(task)["test"])
    assert len(tested) == len({*tested})
    whole = folds > 1 and "time_column" not in keys
    assert (tested == [*range(len(SMILES))]) == whole
    sizes = [len(parts_of(task)["test"]) for task in tasks]
    assert max(sizes) - min(sizes) <= (12 if "scaffold" in str(keys) else 8)


def test_no_group_is_in_two_parts_though_its_molecules_are_in_several_groups(make: Make) -> None:
    task = make(group_column="series", folds=5, split_seed=3)
    check_apart(task, GROUPS)
    assert task.splits.kind == "group"
    assert len({GROUPS[row] for row in COPIES}) == 3
    assert parts_of(task) != parts_of(make(group_column="series", folds=5, split_seed=4))


@pytest.mark.parametrize("fold", [0, 3])
def test_training_is_before_validation_and_both_before_the_test(make: Make, fold: int) -> None:
    task = make(time_column="day", folds=4, fold=fold)
    days = {part: [DAYS[row] for row in rows if row not in COPIES] for part, rows in parts_of(task).items()}
    assert max(days["train"]) < min(days["val"])
    assert max(days["val"]) < min(days["test"])
    assert (max(DAYS) in days["test"]) == (fold == 0)


def test_named_parts_are_kept_but_for_copies(make: Make) -> None:
    words = ["Test" if row % 5 == 0 else "valid" if row % 5 == 1 else "train" for row in range(len(SMILES))]
    task = make(words, split_column="part")
    found = parts_of(task)
    assert words[50] == "Test"  # and 3 and 77 are for training
    assert found["test"] == [row for row, word in enumerate(words) if word == "Test"]
    assert found["train"] == [row for row, word in enumerate(words) if word == "train" and row not in COPIES]
    assert "Rows left out since their molecule is in a later part (train, val, test): 2 of train." in task.notices


def test_a_test_file_of_its_own(make: Make, tmp_path: Path) -> None:
    test = write(tmp_path / "test.csv", [0, 5, 9])
    task = make(test_path=str(test))
    tested = task.splits.test.tolist()
    assert [task.lines[row] for row in tested] == [len(SMILES) + 1 + line for line in (2, 3, 4)]
    assert [task.smiles[row] for row in tested] == [SMILES[row] for row in (0, 5, 9)]
    assert torch.equal(task.graphs.y[tested], task.graphs.y[[0, 5, 9]])
    assert not {0, 5, 9} & {*parts_of(task)["train"], *parts_of(task)["val"]}
    assert 10 <= len(task.splits.val) <= 12


def test_columns_that_split_are_no_targets(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", range(len(SMILES)))
    task = load(SmilesConfig(path=str(path), split_column="number"), PathsConfig())
    assert task.spec.target_names == ("logS",)


def test_molecules_that_occur_once_are_split_as_before(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    unique = list({canonical(smiles): smiles for smiles in ROWS}.values())
    file.write_text("smiles,active\n" + "\n".join(f"{smiles},{row % 3 == 0}" for row, smiles in enumerate(unique)))
    task = load(SmilesConfig(path=str(file), split_seed=5), PathsConfig())
    before = random_split(np.array([int(row % 3 == 0) for row in range(len(unique))]), 5)
    assert all(torch.equal(ids, task.splits.tensors()[part]) for part, ids in before.tensors().items())


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"split": "group"}, "dataset.split=group: needs dataset.group_column."),
        ({"split": "random", "group_column": "series"}, "dataset.group_column=series: dataset.split=random does not"),
        ({"group_column": "series", "time_column": "day"}, "Choose by dataset.split=group or time."),
        ({"group_column": "serie"}, "dataset.group_column: there is no column 'serie'. Did you mean 'series'?"),
        ({"group_column": "part"}, "1 group is too few for dataset.folds=10"),
        ({"time_column": "series"}, "line 2 has 'series 0', which is no date"),
        ({"split_column": "series"}, "line 2 has 'series 0'. Choices: train, val, test"),
        ({"split_column": "part"}, "no row that can be used is for test."),
        ({"split_column": "number", "fold": 4}, "column 'number' has folds 0 to 3."),
        ({"test_path": "none.csv"}, "dataset.test_path=none.csv: no such file."),
        ({"group_column": "logS"}, "dataset.group_column=logS: is the column of SMILES, or a target."),
    ],
)
def test_mistakes_are_named(make: Make, keys: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        make(**keys)
