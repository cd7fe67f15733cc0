"""`gnn-distill compare` and `gnn-distill runs`."""

from collections.abc import Callable
from pathlib import Path

import hydra
import pytest
from omegaconf import OmegaConf

from gnn_distill.cli.main import CONF_DIR
from gnn_distill.cli.positional import given_to_all, named_places, named_reports
from gnn_distill.config import schema
from gnn_distill.config.naming import folder_of_comparison
from gnn_distill.config.schema.table import TableConfig
from gnn_distill.errors import UserError
from gnn_distill.experiments.cells import plan
from gnn_distill.experiments.comparing import compared_table

TINY = (
    *("dataset=typed_edges", "dataset.num_train=20", "dataset.num_val=10", "dataset.num_test=20"),
    *("teacher.hidden_channels=8", "student.hidden_channels=8", "student.num_heads=2", "student.num_layers=1"),
    *("trainer.max_epochs=1", "pretrain.max_epochs=1", "trainer.threads=1", "trainer.accelerator=cpu"),
)


def compared(*words: str) -> TableConfig:
    """The table that these words ask for."""
    schema.register()
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        command = OmegaConf.to_object(hydra.compose("compare", overrides=given_to_all(list(words))))
        table = compared_table(command)
        plan(table)  # all of its configs are valid
        return table


def test_words_of_train_go_to_every_run() -> None:
    words = ["dataset=esol", "rows=[kd]", "pairs=3", "trainer.max_epochs=2", "--config-dir", "mine", "student=gps"]
    assert given_to_all(words) == ["given=['dataset=esol','student=gps']", *words[1:-1]]
    assert folder_of_comparison(["dataset=esol"]) == "esol"
    assert folder_of_comparison(["dataset=esol", "seed=1"]).startswith("esol-")
    assert named_reports(["a", "b", "report.output=c"]) == ["report.path='a'", "report.beside=['b']", "report.output=c"]
    assert named_places(["a", "last=3"]) == ["places=['a']", "last=3"]


def test_a_set_without_folds_is_compared_over_seeds() -> None:
    table = compared(*TINY, "teacher=gat", "teacher.num_layers=3", "pairs=3", "rows=[kd,untrained]")
    (column,) = table.columns.values()
    assert column.pairs == {"seed": [0, 1, 2]}
    assert list(table.rows) == ["floor", "teacher", "alone", "kd", "untrained"]
    assert table.reference == "alone"
    assert "teacher=none" in table.rows["alone"].overrides
    assert "teacher=gat" not in table.rows["alone"].overrides  # what a row sets itself wins
    assert "teacher.num_layers=3" not in table.rows["alone"].overrides
    assert "teacher=gat" in table.rows["kd"].overrides


def test_a_set_with_folds_is_compared_over_folds(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    lines = [f"{'C' * (1 + number % 7)}{'O' * (number // 7 % 5)}N,{number % 2}" for number in range(60)]
    file.write_text("smiles,active\n" + "\n".join(lines) + "\n")
    words = ("dataset=smiles", f"dataset.path={file}", "dataset.split=random", "pairs=2")
    assert next(iter(compared(*words).columns.values())).pairs == {"seed": [0, 1]}
    words = (*words[:2], "dataset.split=stratified", "dataset.folds=4", "pairs=2")
    table = compared(*words)
    assert next(iter(table.columns.values())).pairs == {"dataset.fold": [0, 1]}
    assert table.title == "Does distillation help on mine?"
    assert next(iter(compared(*words, "by=seed").columns.values())).pairs == {"seed": [0, 1]}
    assert next(iter(compared(*words, "dataset.fold=2").columns.values())).pairs == {"seed": [0, 1]}
    with pytest.raises(UserError, match=r"pairs=9: .*Choose fewer, or by=seed"):
        compared(*words[:-1], "pairs=9")
    with pytest.raises(UserError, match="rows=none: no such row"):
        compared(*words, "rows=[none]")


def test_what_is_known_of_cells_is_kept_in_the_comparisons_own_folder(gnn_distill: Callable, tmp_path: Path) -> None:
    for command, own in (("compare", "pairs=2"), ("crossval", "folds=1")):
        assert gnn_distill(command, *TINY, own, "table.status=true")[0] == 0
        (folder,) = (tmp_path / "outputs" / command).iterdir()
        assert folder.name.startswith("typed_edges")
        assert (folder / "plan.json").exists()


@pytest.mark.slow
def test_one_command_answers_whether_distillation_helps(gnn_distill: Callable, tmp_path: Path) -> None:
    words = ("compare", *TINY, "pairs=2", "rows=[kd]")
    status, out, err = gnn_distill(*words)
    assert (status, err) == (0, "")
    assert "typed_edges: distillation neither helped nor hurt" in out or "no test is possible" in out
    (folder,) = (tmp_path / "outputs" / "compare").iterdir()
    page = (folder / "report.html").read_text()
    assert "Does distillation help on typed_edges?" in page
    assert "gnn-distill compare dataset=typed_edges dataset.num_train=20" in page
    finished = {file: file.stat().st_mtime_ns for file in tmp_path.glob("outputs/cells/*/summary.json")}
    assert len(finished) == 8
    assert gnn_distill(*words)[0] == 0
    assert finished == {file: file.stat().st_mtime_ns for file in tmp_path.glob("outputs/cells/*/summary.json")}
    status, out, _ = gnn_distill("runs", "outputs", "last=3")
    assert status == 0
    assert "and 5 older ones" in out
    assert out.splitlines()[0].split()[:3] == ["finished", "data", "set"]
    folders = [str(file.parent) for file in list(finished)[:2]]
    assert gnn_distill("report", *folders)[1] == "Report: runs.html\n"


def test_without_runs_that_is_said(gnn_distill: Callable, tmp_path: Path) -> None:
    assert gnn_distill("runs") == (0, f"No finished runs below outputs, multirun in {tmp_path}.\n", "")
