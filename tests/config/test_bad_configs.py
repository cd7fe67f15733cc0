"""Command lines that ask for what cannot be: names that are paths, keys that nobody reads, modules that are none."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from gnn_distill.config.check import check_folders_of_table
from gnn_distill.config.schema.table import ColumnConfig, RowConfig, SizeConfig, TableCommand, TableConfig
from gnn_distill.errors import UserError

# A wrong command line, and what its message must begin with.
BAD = {
    "train tracker.tags=a": "tracker.tags=a: must be a list, as in [a,b].",
    "train tracker.tags=[null]": "tracker.tags[0]=null: may not be null.",
    "train +loss.own={mine:null}": "loss.own.mine=None: may not be null.",
    "train optim.lr=1e-400": "optim.lr=0.0: must be above 0.",
    "train trainer.max_epochs=1e3": "trainer.max_epochs=1000.0: must be a whole number.",
    "train teacher.rwse=100000": "teacher.rwse=100000: must be at least 0 and at most 1000.",
    "train dataset.name=..": "dataset.name=..: must be a name, not a path: it becomes part of the run directory's ",
    "train dataset.name='a\x1bb'": "dataset.name=a\\x1bb: must be a name, not a path",
    "train dataset=smiles dataset.path=.": "dataset.path=.: this is not a file. Give the CSV file with your molecules.",
    "train dataset.label_fraction=0": "dataset.label_fraction=0.0: must be above 0 and at most 1.",
    "train dataset.unlabelled=nowhere.smi": "dataset.unlabelled=nowhere.smi: this file does not exist.",
    "train dataset.unlabelled=file": "dataset.unlabelled=file: its name must end in .csv, .smi, .pt.",
    "train dataset.source=..": "dataset.source=..: must be the import path of a module, as in dataset.sou",
    "train teacher.name=a/b.c": "teacher.name=a/b.c: must be the import path of a module",
    "train teacher.name=../../etc.x": "teacher.name=../../etc.x: must be the import path of a module",
    "train +teacher.kwargs={a:1}": "teacher.kwargs={'a': 1}: teacher=gin does not read it. Set teacher=custom.",
    "train teacher.node_states=[convs]": "teacher.node_states=['convs']: teacher=gin does not read it.",
    "train +dataset.kwargs={a:1}": "dataset.kwargs={'a': 1}: dataset.source=far_motif does not read it.",
    "table table.name=../../up": "table.name=../../up: must be a name, not a path: it becomes part of a folder's",
    "table table.size=../up": "table.size=../up: must be a name, not a path",
    "table table.rows.kd.tuned=/etc/x": "table.rows.*.tuned=/etc/x: must be a name, not a path",
    "tune table.name=a/b": "table.name=a/b: must be a name, not a path",
    "table +table.rows={mine:{role:taecher}}": "table.rows.mine.role=taecher: unknown choice.",
    "report": "report.path has no value. Give it one: report.path=… Usage: gnn-distill report FOLDER...",
    "predict": "input has no value. Give it one: input=… Usage: gnn-distill predict RUN... INPUT -o OUT.csv",
    "predict run in.csv": "output has no value. Give it one: output=… Usage: gnn-distill predict RUN... INPUT -o ",
    "explain": "run has no value. Give it one: run=… Usage: gnn-distill explain RUN [INPUT] [-o FOLDER]",
    "export": "run has no value. Give it one: run=… Usage: gnn-distill export RUN [-o FOLDER]",
    "convert": "input has no value. Give it one: input=… Usage: gnn-distill convert INPUT -o FOLDER",
    "probe": "probe.runs is empty: name folders of runs, as in gnn-distill probe RUN.",
    "separate": "no model is chosen. Choose one: teacher=gin, or student=graphormer.",
    "report nowhere": "report.path=nowhere: no such folder. Name the folder of a run, a table or a sweep.",
    "report file": "report.path=file: no such folder.",
    "report .": "report.path=.: nothing to report. A run's folder contains summary.json",
    "datasets paths.mirror=file": "paths.mirror=file: no such folder. Set it to the mirror of raw files",
    "train hydra.run.dir=file": "cannot write file: File exists. Choose another folder: hydra.run.dir=…",
}

# Modules of the user's own are imported by the run itself.
FOREIGN = {
    "dataset.source=os.path": "dataset.source=os.path: this module has no function load(). Write one",
    "student.name=json.decoder": "student.name=json.decoder: this module has no function build().",
    "teacher=custom teacher.target=os.path": "teacher.target=os.path: not a class or function of a Python",
    "teacher=custom teacher.target=os.system": "teacher.target=os.system: not a class or function of",
    "+loss.own={mine:{target:json.decoder.loss}}": "loss.own.mine.target=json.decoder.loss: json.decoder has no loss.",
    "teacher=custom teacher.target=..x": "teacher.target=.: must be the import path of a module",
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_config_gives_one_message_and_leaves_nothing(gnn_distill: Callable, line: str, tmp_path: Path):
    command, *words = line.split(" ")
    status, out, err = gnn_distill(command, *words)
    assert (status, out) == (1, "")
    assert err.startswith(f"gnn-distill {command}: {BAD[line]}")
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("line", FOREIGN)
def test_a_module_that_is_none_of_ours(gnn_distill: Callable, line: str):
    status, _, err = gnn_distill("train", *line.split(" "), "tracker=none")
    assert status == 1
    assert err.startswith(f"gnn-distill train: {FOREIGN[line]}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(("part", "kind"), [("rows", RowConfig), ("columns", ColumnConfig), ("sizes", SizeConfig)])
def test_a_tables_file_names_no_paths(part: str, kind: type):
    for name in ("../up", "/up", "a\\b", "..", " ", "a\nb"):
        item = kind() if part == "sizes" else kind(label="x")
        command = OmegaConf.structured(TableCommand(table=TableConfig(name="mine", **{part: {name: item}})))
        with pytest.raises(UserError, match=rf"table\.{part}=.*\n?.*must be a name, not a path"):
            check_folders_of_table(command.table)


def test_the_mirror_of_the_environment(gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for value in ("nowhere", "file"):
        monkeypatch.setenv("GNN_DISTILL_MIRROR", str(tmp_path / value))
        status, _, err = gnn_distill("train")
        assert status == 1
        assert err.startswith(
            f"gnn-distill train: paths.mirror={tmp_path / value}: this folder does not exist. Correct it"
        )


def test_a_bad_table_ends_a_run_in_one_message(gnn_distill: Callable, tmp_path: Path):
    (tmp_path / "file").write_text("smiles,\x1b[31mred\n" + "CC,1\n" * 20)
    status, _, err = gnn_distill("train", "dataset=smiles", "dataset.path=file", "tracker=none")
    assert (status, err) == (
        1,
        r"gnn-distill train: dataset.target_columns: '\x1b[31mred' is constant (1): nothing to learn. "
        "Choose other columns.\n",
    )


HYDRA = "hydra: {runtime: {config_sources: []}}"
LEFT = {
    "- a: [": "not YAML as a run writes it (ParserError",
    "- hydra.callbacks.mine._target_=os.mkdir": "contains 'hydra.callbacks.mine._target_=os.mkdir', which no run",
    "- +hydra.callbacks.mine={_target_:os.mkdir}": "which no run writes.",
    "- --config-dir=/tmp": "contains '--config-dir=/tmp', which no run writes.",
    "!!python/object/apply:os.mkdir ['was_here']": "not YAML as a run writes it (ConstructorError",
}


@pytest.mark.parametrize("overrides", LEFT)
def test_a_run_that_goes_on_takes_settings_and_no_code(gnn_distill: Callable, overrides: str, tmp_path: Path):
    (tmp_path / "run" / ".hydra").mkdir(parents=True)
    (tmp_path / "run" / ".hydra" / "overrides.yaml").write_text(overrides)
    (tmp_path / "run" / ".hydra" / "hydra.yaml").write_text(HYDRA)
    (tmp_path / "run" / ".hydra" / "config.yaml").write_text("seed: 0")
    status, _, err = gnn_distill("train", "resume=run")
    assert (status, err.count("\n")) == (1, 1)
    assert LEFT[overrides] in err
    assert not Path("was_here").exists()


def test_a_run_is_not_resumed_from_somebody_elses_folder(gnn_distill: Callable, tmp_path: Path):
    (tmp_path / "summary.json").write_text(json.dumps({"mine": True}))
    for folder in ("nowhere", "file", "."):
        status, _, err = gnn_distill("train", f"resume={folder}")
        assert status == 1
        assert err.startswith("gnn-distill train: ")
        assert (err.count("\n"), "Traceback" in err) == (1, False)


def test_a_table_that_is_not_here_may_have_a_name_like_it(gnn_distill: Callable) -> None:
    Path("mine.csv").touch()
    status, _, err = gnn_distill("train", "dataset=smiles", "dataset.path=mime.csv")
    assert status == 1
    assert "does not exist. Give the CSV file with your molecules. Did you mean 'mine.csv'?" in err
