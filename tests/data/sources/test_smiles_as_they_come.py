"""A user's table as it is: its columns are found, equal molecules stay together, salts are told or read apart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rdkit import Chem

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.molecules import SmilesConfig
from gnn_distill.data.assembly.standardise import standardised
from gnn_distill.data.sources.smiles import load
from gnn_distill.data.task import DataColumns, GraphTask
from gnn_distill.errors import UserError

OTHERS = [f"{'C' * n}{end}" for n in range(1, 11) for end in ("O", "N", "Cl", "C(=O)O")]
RINGS = [f"{'C' * n}c1ccc{ring}" for n in range(1, 8) for ring in ("cc1", "nc1", "s1")]


def read(tmp_path: Path, rows: list[tuple], head: str = "smiles,y", **config: object) -> GraphTask:
    (tmp_path / "lab.csv").write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return load(SmilesConfig(path=str(tmp_path / "lab.csv"), **config), PathsConfig())


def written_otherwise(smiles: str, seed: int) -> str:
    molecule = Chem.MolFromSmiles(smiles)
    order = np.random.default_rng(seed).permutation(molecule.GetNumAtoms()).tolist()
    return Chem.MolToSmiles(Chem.RenumberAtoms(molecule, order), canonical=False)


@pytest.mark.parametrize(
    ("head", "notice"),
    [
        ("id,SMILES,y", "Column 'SMILES' is read as SMILES."),
        ("id,mol,y", "Column 'mol' is read as SMILES."),
        ("id,drug,y", "Column 'drug' is read as SMILES: the only one whose cells parse."),
    ],
)
def test_the_column_of_smiles_is_found_and_told(head: str, notice: str, tmp_path: Path) -> None:
    task = read(tmp_path, [(f"m{n}", text, n / 2) for n, text in enumerate(OTHERS)], head)
    assert task.spec.name == "lab"
    assert notice in task.notices
    assert task.columns == DataColumns(head.split(",")[1], "y")
    assert any(
        told.startswith("Target: 'y', the only column of numbers. Left out: id (words)") for told in task.notices
    )


def test_a_name_that_promises_no_molecules_is_no_column_of_smiles(tmp_path: Path) -> None:
    task = read(tmp_path, [("aspirin", text, n / 2) for n, text in enumerate(OTHERS)], "molecule,drug,y")
    assert task.columns.smiles == "drug"
    rows = [(text, text, n / 2) for n, text in enumerate(OTHERS)]
    with pytest.raises(UserError, match=r"several columns hold SMILES. Set dataset.smiles_column to one of a, b"):
        read(tmp_path, rows, "a,b,y")


def test_words_are_the_target_if_there_is_nothing_else(tmp_path: Path) -> None:
    rows = [(text, ["low", "mid", "high"][n % 3], f"m{n}") for n, text in enumerate(OTHERS)]
    task = read(tmp_path, rows, "smiles,level,name")
    assert (task.spec.kind, task.spec.class_names, task.columns.target) == (
        "multiclass",
        ("high", "low", "mid"),
        "level",
    )
    rows = [(text, ("inactive", "Active")[n % 2], n / 7) for n, text in enumerate(OTHERS)]
    with pytest.raises(UserError, match="several columns could be the target"):
        read(tmp_path, rows, "smiles,hit,logS")
    task = read(tmp_path, rows, "smiles,hit,logS", kind="binary")
    assert (task.spec.target_names, task.spec.class_names) == (("hit",), ("inactive", "Active"))
    assert read(tmp_path, rows, "smiles,hit,logS", kind="regression").spec.target_names == ("logS",)


@pytest.mark.parametrize("split", ["random", "stratified", "scaffold"])
def test_rows_of_one_molecule_are_in_one_part(split: str, tmp_path: Path) -> None:
    molecules = [*OTHERS, *RINGS]
    rows = [(written_otherwise(text, n), n % 7) for n in range(4) for text in molecules]
    parts = {}
    for seed in range(5):
        task = read(tmp_path, rows, split=split, kind="regression", split_seed=seed)
        assert len(task.graphs) == len(rows)
        where = torch.empty(len(rows))
        for number, ids in enumerate((task.splits.train, task.splits.val, task.splits.test)):
            where[ids] = number
        assert (where.view(4, -1) == where[: len(molecules)]).all()
        assert set(task.shared.values()) == {0}
        parts[tuple(where.tolist())] = seed
    assert len(parts) == (1 if split == "scaffold" else 5)
    told = (
        f"{len(molecules)} molecules occur more than once ({len(rows)} rows), {len(molecules)} of them with different"
    )
    assert any(notice.startswith(told) for notice in task.notices)


def test_without_duplicates_the_split_is_that_of_the_rows(tmp_path: Path) -> None:
    from gnn_distill.data.assembly.splits import random_split

    task = read(tmp_path, [(text, n / 2) for n, text in enumerate(OTHERS)], split_seed=4)
    rows = random_split(np.zeros(len(OTHERS)), 4)
    assert all(torch.equal(getattr(task.splits, part), getattr(rows, part)) for part in ("train", "val", "test"))


def test_duplicates_become_one_row(tmp_path: Path) -> None:
    rows = [
        ("OCC", 1.0),
        ("C(O)C", 3.0),
        ("CCO", 2.0),
        ("CCS", 4.0),
        ("SCC", 4.0),
        *((text, n / 2) for n, text in enumerate(OTHERS[5:])),
    ]
    mean = read(tmp_path, rows, duplicates="mean")
    assert mean.lines[:3] == (2, 5, 7)
    assert mean.graphs.y[:2, 0].tolist() == [2.0, 4.0]
    assert mean.smiles[:2] == ("OCC", "CCS")
    assert len(mean.graphs) == len(mean.smiles) == len(rows) - 3
    drop = read(tmp_path, rows, duplicates="drop")
    assert (drop.lines[0], drop.graphs.y[0].item()) == (5, 4.0)
    assert len(drop.graphs) == len(mean.graphs) - 1
    told = "2 molecules occur more than once (5 rows), 1 of them with different labels (first: 'OCC', line 2, line 3, "
    for task, end in ((mean, "one row now, with the mean"), (drop, "one row now, and the 1 are left out.")):
        (notice,) = [notice for notice in task.notices if "occur more than once" in notice]
        assert notice.startswith(told)
        assert end in notice


def test_classes_of_duplicates_are_the_majority_and_a_tie_has_no_label(tmp_path: Path) -> None:
    rows = [("OCC", 1, 0), ("C(O)C", 1, 1), ("CCO", 0, ""), ("CCS", 1, 1), ("SCC", 0, 0)]
    rows += [(text, n % 2, n // 2 % 2) for n, text in enumerate(OTHERS[4:]) if text != "CCO"]
    task = read(tmp_path, rows, "smiles,a,b", duplicates="mean", metric="accuracy")
    np.testing.assert_array_equal(task.graphs.y[0].numpy(), [1, np.nan])
    assert task.lines[1] == 7  # of CCS both labels are ties
    drop = read(tmp_path, [*rows[:1], ("CCO", "", 0), *rows[5:]], "smiles,a,b", duplicates="drop", metric="accuracy")
    assert drop.graphs.y[0].tolist() == [1, 0]


SALTS = {
    "CC(=O)[O-].[Na+]": ("CC(=O)[O-]", "CC(=O)O"),
    "C[NH3+].[Cl-]": ("C[NH3+]", "CN"),
    "C[N+](C)(C)C.[Br-]": ("C[N+](C)(C)C", "C[N+](C)(C)C"),
    "CCO.CCCCCC": ("CCCCCC", "CCCCCC"),
    "O=[N+]([O-])c1ccccc1": ("O=[N+]([O-])c1ccccc1", "O=[N+]([O-])c1ccccc1"),
    "C1.C1CCO": ("C1.C1CCO", "CCCCO"),
    "CCN": ("CCN", "CCN"),
}


@pytest.mark.parametrize("written", SALTS)
def test_what_is_read_of_a_salt(written: str) -> None:
    fragment, neutral = SALTS[written]
    same = Chem.CanonSmiles
    assert standardised(written, "none") == written
    assert same(standardised(written, "largest_fragment")) == same(fragment)
    assert same(standardised(written, "neutral")) == same(neutral)
    assert standardised("C(", "neutral") == "C("  # for the reader to refuse
    assert standardised("C(.C", "neutral") is None


def test_salts_are_counted_and_read_as_they_will_be_predicted(tmp_path: Path) -> None:
    rows = [(text, n / 2) for n, text in enumerate([*SALTS, *OTHERS[8:]])]
    told = (
        "4 of 39 molecules have several fragments, as salts and mixtures have (first: line 2: 'CC(=O)[O-].[Na+]'), 1 of"
    )
    for standard, length in (("none", 5), ("largest_fragment", 4), ("neutral", 4)):
        task = read(tmp_path, rows, standardise=standard)
        assert any(notice.startswith(told) for notice in task.notices)
        assert len(task.pipeline.read_smiles("[Na+].[O-]C(C)=O").x) == task.graphs.num_nodes[0] == length
        again = replace(task.pipeline)
        assert again.from_dict(again.to_dict()) == task.pipeline
    charge = task.graphs.x[:4, 3]
    assert len(charge.unique()) == 1
    assert standardised(task.smiles[0], "none") == "CC(=O)O"
