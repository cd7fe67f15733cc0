from pathlib import Path

import pytest
import torch

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.molecules import SmilesConfig
from gnn_distill.data.assembly.molecules_ogb import CODINGS
from gnn_distill.data.sources.smiles import load
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError

MOLECULES = ["CCO", "CCN", "c1ccccc1", "CC(C)O", "CCCC", "CCCCC", "CCCl", "CCBr", "CC=O", "CC#N"]


def write(path: Path, header: str, rows: list[str]) -> None:
    path.write_text("\n".join([header, *rows]) + "\n")


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return tmp_path / "mine.csv"


def make(csv: Path, columns: dict[str, list], smiles: list[str] | None = None, **config: object) -> GraphTask:
    smiles = smiles or [MOLECULES[i % 10] for i in range(len(next(iter(columns.values()))))]
    rows = [
        ",".join([molecule, *map(str, values)]) for molecule, *values in zip(smiles, *columns.values(), strict=True)
    ]
    write(csv, ",".join(["smiles", *columns]), rows)
    return load(SmilesConfig(path=str(csv), **config), PathsConfig())


def test_regression_with_two_broken_lines(csv: Path) -> None:
    smiles = [*MOLECULES, "C1CC", *MOLECULES[:8], "xx("]
    task = make(csv, {"logS": [i / 3 for i in range(20)]}, smiles)
    assert (len(task.graphs), task.spec.kind, task.spec.metric) == (18, "regression", "rmse")
    assert "Task: regression" in task.notices[0]
    assert task.notices[1].startswith("Target: 'logS', the only column of numbers.")
    assert task.notices[2] == "2 of 20 SMILES cannot be read (line 12: 'C1CC', line 21: 'xx('): skipped."
    assert [len(ids) for ids in (task.splits.train, task.splits.val, task.splits.test)] == [14, 2, 2]
    kept = [i / 3 for i in range(20) if i not in (10, 19)]
    assert task.graphs.y[:, 0].tolist() == pytest.approx(kept)
    assert task.spec.molecules


@pytest.mark.parametrize(
    ("columns", "kind", "names"),
    [
        ({"hit": [0, 1] * 10}, "binary", ("hit",)),
        ({"hit": ["yes", "no"] * 10}, "binary", ("hit",)),
        ({"a": [0, 1] * 10, "b": [1, 0, ""] * 6 + [1, 0]}, "multilabel", ("a", "b")),
        ({"colour": ["red", "green", "blue", "red"] * 5}, "multiclass", ("blue", "green", "red")),
        ({"a": [i / 7 for i in range(20)], "b": list(range(20))}, "regression", ("a", "b")),
    ],
)
def test_kind_is_read_from_the_columns_and_announced(csv: Path, columns: dict, kind: str, names: tuple) -> None:
    task = make(csv, columns, target_columns=list(columns), metric=None if kind == "regression" else "accuracy")
    assert (task.spec.kind, task.spec.target_names) == (kind, names)
    assert f"Task: {kind}" in task.notices[0]


def test_classes_are_numbered_in_order_and_announced(csv: Path) -> None:
    task = make(csv, {"hit": ["yes", "no"] * 10}, target_columns=["hit"])
    assert "Classes: 0 = no, 1 = yes." in task.notices
    assert task.graphs.y[:2, 0].tolist() == [1, 0]
    task = make(csv, {"level": [3, 5, 7] * 10}, kind="multiclass")
    assert "Classes: 0 = 3, 1 = 5, 2 = 7." in task.notices
    assert task.graphs.y[:3, 0].tolist() == [0, 1, 2]


def test_whole_numbers_are_a_regression_with_a_hint(csv: Path) -> None:
    task = make(csv, {"level": [3, 5, 7] * 10})
    assert task.spec.kind == "regression"
    assert "'level' has 3 different whole numbers: set dataset.kind=multiclass" in task.notices[1]


def test_missing_labels(csv: Path) -> None:
    task = make(csv, {"hit": [0, 1] * 10 + ["", ""]})
    assert len(task.graphs) == 20
    assert "2 of 22 rows have no label in hit: skipped." in task.notices
    task = make(csv, {"a": [0, 1] * 10 + ["", ""], "b": [0, 1] * 10 + [1, ""]}, metric="accuracy")
    assert len(task.graphs) == 21
    assert "1 of 22 rows have no label in a, b: skipped." in task.notices
    assert task.graphs.y[20].isnan().tolist() == [True, False]


def test_numeric_columns_are_the_default_targets(csv: Path) -> None:
    task = make(csv, {"who": ["me", "you"] * 10, "value": [i / 2 for i in range(20)]})
    assert task.spec.target_names == ("value",)


def test_splits(csv: Path) -> None:
    columns = {"hit": [0, 1] * 20}
    first, again = make(csv, columns, split_seed=3), make(csv, columns, split_seed=3)
    assert torch.equal(first.splits.test, again.splits.test)
    folds = [make(csv, columns, split="stratified", folds=4, fold=fold).splits.test for fold in range(4)]
    assert torch.cat(folds).sort().values.tolist() == list(range(40))
    with pytest.raises(UserError, match=r"dataset\.fold=1"):
        make(csv, columns, fold=1)
    with pytest.raises(UserError, match=r"leave a split empty.*dataset\.split=random"):
        make(csv, columns, split="scaffold")
    with pytest.raises(UserError, match=r"dataset\.fold=3: a scaffold split with dataset.folds=3 has folds 0 to 2"):
        make(csv, columns, split="scaffold", folds=3, fold=3)


def test_scaffold_split_of_own_molecules(csv: Path) -> None:
    rings = [f"C1{'C' * (i // 2 + 2)}1{'C' * (i % 3)}" for i in range(40)]
    task = make(csv, {"value": [i / 2 for i in range(40)]}, rings, split="scaffold")
    sizes = [{int(task.graphs.num_nodes[i]) for i in ids.tolist()} for ids in (task.splits.train, task.splits.test)]
    assert len(task.splits.train) == 32
    assert all(sizes)


@pytest.mark.parametrize(
    ("columns", "config", "message"),
    [
        (
            {"logS": [1, 2]},
            {"smiles_column": "smile"},
            "no column 'smile'. Did you mean 'smiles'.*Columns: smiles, logS",
        ),
        (
            {"logS": [1, 2]},
            {"target_columns": ["LogS"]},
            "target_columns: there is no column 'LogS'. Did you mean 'logS'",
        ),
        ({"logS": [1, 2]}, {"target_columns": ["smiles"]}, "'smiles' is the SMILES column"),
        ({"logS": [2.5, 2.5]}, {}, r"'logS' is constant \(2.5\)"),
        ({"logS": [2.5, 1], "z": ["", ""]}, {"target_columns": ["z"]}, "'z' is empty"),
        ({"who": ["me", "you"]}, {}, "no column of numbers or truth values.*target_columns to one or more of who"),
        (
            {"a": [0, 1], "b": [0.5, 0.7]},
            {},
            "could be the target .truth values or 0 and 1 only: a; numbers: b",
        ),
        ({"a": [0, 1], "b": [1, 0]}, {"kind": "binary"}, r"several columns could be.*target_columns=\['a'\]"),
        (
            {"a": [0, 1], "b": [1, 0]},
            {"kind": "binary", "target_columns": ["a", "b"]},
            "dataset.kind=binary: it needs one target column, not 2",
        ),
        ({"a": [0, 1, 2]}, {"kind": "binary"}, "has 3 different values, not 2"),
        ({"a": [0, 1, 2]}, {"kind": "multilabel"}, "has other values than 0 and 1"),
        (
            {"a": ["1", "x"]},
            {"kind": "regression", "target_columns": ["a"]},
            "'a' has 1 cell that is not a number .line 3: 'x'.",
        ),
        ({"a": [1, 2]}, {"positive": "1"}, "dataset.positive=1: the task is regression"),
        ({"a": ["x", "y"]}, {"target_columns": ["a"], "positive": "z"}, "column 'a' has x and y. Choose one."),
        ({"a": [1, 2]}, {"split": "published"}, "smiles offers auto, random, stratified, scaffold"),
    ],
)
def test_wrong_tables(csv: Path, columns: dict, config: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(csv, columns, **config)


def test_on_invalid_error(csv: Path) -> None:
    with pytest.raises(UserError, match=r"1 of 20 SMILES cannot be read \(line 2: 'C1CC'\)"):
        make(csv, {"a": [i / 2 for i in range(20)]}, ["C1CC", *MOLECULES, *MOLECULES[:9]], on_invalid="error")


def test_blank_lines_keep_line_numbers_right(csv: Path) -> None:
    rows = [f"{molecule},{i}" for i, molecule in enumerate(MOLECULES)]
    write(csv, "smiles,a", [*rows, "", "C1CC,3", ""])
    task = load(SmilesConfig(path=str(csv)), PathsConfig())
    assert "2 of 12 SMILES cannot be read (line 12: '', line 13: 'C1CC'): skipped." in task.notices


def test_missing_and_empty_files(csv: Path) -> None:
    write(csv, "smiles,a", [])
    with pytest.raises(UserError, match="a header and no rows"):
        load(SmilesConfig(path=str(csv)), PathsConfig())
    csv.write_text("")
    with pytest.raises(UserError, match="the file is empty"):
        load(SmilesConfig(path=str(csv)), PathsConfig())
    with pytest.raises(UserError, match=r"no such file\. Did you mean 'mine.csv'"):
        load(SmilesConfig(path=str(csv.with_name("mime.csv"))), PathsConfig())


def test_a_target_is_enough_of_several(csv: Path) -> None:
    columns = {"a": [i / 3 if i % 2 else "" for i in range(40)], "b": ["" if i % 2 else i / 5 for i in range(40)]}
    task = make(csv, columns, target_columns=["a", "b"])
    assert len(task.graphs) == 40
    assert task.graphs.y.isnan().sum(0).tolist() == [20, 20]
    train = task.graphs.y[task.splits.train]
    assert task.spec.target_mean == pytest.approx(train.nanmean(0).tolist())


def test_lines_are_those_of_the_file(csv: Path) -> None:
    smiles = [f"{'C' * n}O" for n in range(1, 21)]
    rows = [f'{molecule},"two\nlines",{n}.5' for n, molecule in enumerate(smiles)]
    write(csv, "smiles,comment,y", [",,mol/L", *rows[:5], "smiles,comment,y", "C1CC,x,3.5", *rows[5:]])
    task = load(SmilesConfig(path=str(csv)), PathsConfig())
    assert "Lines that repeat the header are skipped: 13." in task.notices
    assert "2 of 22 SMILES cannot be read (line 2: '', line 14: 'C1CC'): skipped." in task.notices
    assert task.lines == (3, 5, 7, 9, 11, *range(15, 45, 2))
    assert task.called(5) == "graph 5 (line 15)"
    write(csv, "smiles,y", [*(f"{molecule},{n}.5" for n, molecule in enumerate(smiles)), "CC,>10"])
    with pytest.raises(UserError, match="line 22: '>10'"):
        load(SmilesConfig(path=str(csv)), PathsConfig())


def test_a_run_is_called_as_its_file(csv: Path) -> None:
    columns = {"y": [i / 2 for i in range(20)]}
    assert make(csv, columns).spec.name == "mine"
    assert make(csv, columns, name="lab").spec.name == "lab"


@pytest.mark.parametrize("offset", [0.0, 1e6, 2.6e6, 1e7])
def test_labels_far_from_zero_stay_apart(csv: Path, offset: float) -> None:
    labels = [0.001 * ((7 * i) % 40) for i in range(40)]
    task = make(csv, {"y": [repr(offset + label) for label in labels]}, split_seed=1)
    assert len(task.graphs.y.unique()) == 40
    near = make(csv, {"y": labels}, split_seed=1)
    assert task.spec.target_std == pytest.approx(near.spec.target_std, rel=1e-6)


def test_a_molecule_is_the_same_however_it_is_written(csv: Path) -> None:
    written = ["C[C@H](N)C(=O)O", "N[C@@H](C)C(=O)O", "OC(=O)[C@H](C)N", "C[C@@H](N)C(=O)O", *MOLECULES, *MOLECULES[:6]]
    task = make(csv, {"y": [i / 2 for i in range(20)]}, written)
    assert task.pipeline.chirality == "cip"
    tags = [task.graphs.select(torch.tensor([row])).x[:, 1].max().item() for row in range(4)]
    assert tags == [2, 2, 2, 1]


@pytest.mark.parametrize("features", ["pyg", "ogb"])
def test_codings_of_atoms(csv: Path, features: str) -> None:
    task = make(csv, {"y": [i / 2 for i in range(20)]}, features=features)
    assert task.spec.node_features == CODINGS[features][0]
    data = task.pipeline.read_smiles("CCO")
    graph = task.graphs.select(torch.tensor([0]))
    assert torch.equal(graph.x, data.x)
    assert torch.equal(graph.edge_attr, data.edge_attr)


def test_what_has_no_code_is_read_and_told(csv: Path) -> None:
    task = make(csv, {"y": [i / 2 for i in range(20)]}, ["[Os+8]", "CC\u200bO", *MOLECULES, *MOLECULES[:8]])
    assert len(task.graphs) == 20
    assert any("1 molecule has values without a code in PyG's features" in told for told in task.notices)
    assert any("(line 2: '[Os+8]')" in told for told in task.notices)


def test_a_scaffold_of_a_huge_molecule_is_refused_by_line(csv: Path) -> None:
    rings = [f"C1{'C' * (i // 2 + 2)}1{'C' * (i % 3)}" for i in range(40)]
    columns = {"y": [i / 2 for i in range(42)]}
    task = make(csv, columns, [*rings, "C" * 1500, "CCO"], split="scaffold")  # no rings: no scaffold to look for
    assert len(task.graphs) == 42
    with pytest.raises(UserError, match=r"dataset\.split=scaffold: line 42: 'C1CCCCC.* has rings and 1,500 atoms"):
        make(csv, columns, [*rings, f"C1{'C' * 1498}C1", "CCO"], split="scaffold")
