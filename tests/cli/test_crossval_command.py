"""`gnn-distill crossval`."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import hydra
import pandas as pd
import pytest
from omegaconf import OmegaConf

from gnn_distill.cli.main import CONF_DIR
from gnn_distill.cli.positional import given_to_folds
from gnn_distill.config import schema
from gnn_distill.config.schema.table import TableConfig
from gnn_distill.data.assembly.molecules import murcko_scaffold
from gnn_distill.errors import UserError
from gnn_distill.experiments.cells import plan
from gnn_distill.experiments.crossvalidation import table_of_folds

RINGS = ["c1ccccc1", "C1CCCCC1", "c1ccncc1", "C1CCCC1", "c1ccoc1", "c1ccsc1", "C1CCNCC1", "C1CCOCC1"]
SMILES = [f"{'C' * (1 + row // 8)}{RINGS[row % 8]}" for row in range(40)]
TINY = (
    *("teacher.hidden_channels=8", "student.hidden_channels=8", "student.num_heads=2", "student.num_layers=1"),
    *("trainer.max_epochs=1", "pretrain.max_epochs=1", "trainer.threads=1", "trainer.accelerator=cpu"),
)


@pytest.fixture
def molecules(tmp_path: Path) -> tuple[str, ...]:
    """Words that choose a file of 40 molecules."""
    file = tmp_path / "mine.csv"
    file.write_text("smiles,logS\n" + "\n".join(f"{text},{len(text) + row / 7}" for row, text in enumerate(SMILES)))
    return ("dataset=smiles", f"dataset.path={file}")


def folds_of(*words: str) -> TableConfig:
    """The table that these words ask for."""
    schema.register()
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        command = OmegaConf.to_object(hydra.compose("crossval", overrides=given_to_folds(list(words))))
        table = table_of_folds(command)
        assert len(plan(table)) == len(table.rows) * command.folds * command.seeds  # all configs are valid
        return table


def test_a_split_without_folds_becomes_a_stratified_one(molecules: tuple[str, ...]) -> None:
    table = folds_of(*molecules, "folds=4", "seeds=3")
    (column,) = table.columns.values()
    assert column.pairs == {"dataset.fold": [0, 1, 2, 3], "seed": [0, 1, 2]}
    assert {row.role for row in table.rows.values()} == {"floor", "teacher", "student"}
    assert {tuple(row.overrides[-2:]) for row in table.rows.values()} == {
        ("dataset.folds=4", "dataset.split=stratified")
    }
    alone = folds_of(*molecules, "dataset.split=scaffold", "teacher=none", "folds=3")
    assert [*alone.rows] == ["floor", "student"]
    assert "dataset.split=stratified" not in alone.rows["student"].overrides
    assert next(iter(folds_of(*molecules, "folds=1", "seeds=2").columns.values())).pairs == {"seed": [0, 1]}


def test_mistakes_are_named(molecules: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match=r"seed=3: crossval sets it for every run\. Set seeds="):
        folds_of(*molecules, "seed=3")
    with pytest.raises(UserError, match=r"folds=5: .* has one fold, 0.*Choose fewer, or another dataset\.split"):
        folds_of(*molecules, "dataset.split=random")
    with pytest.raises(UserError, match=r"folds=5: .*Choose folds=1, for seeds alone"):
        folds_of("dataset=far_motif_small", *TINY)


@pytest.mark.slow
def test_one_word_leaves_a_page_out_of_fold_predictions_and_an_ensemble(
    gnn_distill: Callable, molecules: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("crossval", *molecules, *TINY, "dataset.split=scaffold_balanced", "folds=3", "seeds=2", "tracker=none")
    status, out, err = gnn_distill(*words)
    assert (status, err) == (0, "")
    assert "student: RMSE" in out
    assert "over 3 folds, 2 seeds averaged in each; 95 % interval [" in out
    (folder,) = (tmp_path / "outputs" / "crossval").glob("*_3x2")
    assert "Cross-validation: teacher and student on mine" in (folder / "report.html").read_text()
    table = pd.read_csv(folder / "out_of_fold.csv")
    assert Counter(table["id"]) == dict.fromkeys(range(2, 42), 2)
    scaffolds = table["id"].map(lambda line: murcko_scaffold(SMILES[line - 2]))
    assert (table.groupby(scaffolds)["fold"].nunique() == 1).all()
    assert table["student:logS"].notna().all()
    finished = {file: file.stat().st_mtime_ns for file in tmp_path.glob("outputs/cells/*/summary.json")}
    assert len(finished) == 6
    assert gnn_distill(*words)[0] == 0
    assert finished == {file: file.stat().st_mtime_ns for file in tmp_path.glob("outputs/cells/*/summary.json")}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)  # the folder of a page says where its runs are
    status, out, _ = gnn_distill("predict", str(folder), str(tmp_path / "mine.csv"), "-o", "said.csv", "coverage=0.8")
    assert status == 0
    assert "calibrated on 40 labels of test folds, each by the models of its own fold (CV+)" in out
    assert "ensemble of 6 runs" in out
    said = pd.read_csv("said.csv")
    assert len(said) == 40
    assert (said["logS_low"] < said["logS_high"]).all()
