"""`gnn-distill table`: what is planned, what is made, and what is not made again."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from small_tables import SMALL, summaries

from gnn_distill.cli.main import CONF_DIR
from gnn_distill.config import schema
from gnn_distill.config.hydra_errors import LAUNCHERS
from gnn_distill.experiments import cells
from gnn_distill.experiments.composing import Composer
from gnn_distill.experiments.studies import write_settings
from gnn_distill.results.runs import read_runs
from gnn_distill.storage.checksums import write_json
from gnn_distill.storage.run_directory import read_summary
from gnn_distill.training.tracking import Tracker

pytestmark = pytest.mark.usefixtures("no_figures")


def test_a_student_alone_is_a_row_of_its_own_whatever_a_data_set_brings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    schema.register()
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        alone, of_a_table = (
            Composer().validated(["dataset=far_motif_small", *given], "here").alone
            for given in ([], cells.given_to_runs([]))
        )
    assert (alone, of_a_table) == (True, False)


def test_a_table_is_made_once_and_rendered_in_every_form(gnn_distill: Callable, tmp_path: Path) -> None:
    status, out, err = gnn_distill(*SMALL)
    assert (status, err) == (0, ""), err
    assert "4 runs: 4 missing; 4 to be made" in out
    assert "4/4  typed_edges, " in out
    folder = tmp_path / "outputs" / "tables" / "main" / "smoke"
    forms = ("table.md", "table.tex", "table.csv", "table.json", "runs.csv", "report.html", "figures/boxes.png")
    assert all((folder / name).stat().st_size > 100 for name in forms)
    cells = {(cell["row"], cell["pairs"]) for cell in json.loads((folder / "table.json").read_text())["cells"]}
    assert cells == {("teacher", 2), ("kd", 2)}
    made = summaries(tmp_path)
    assert len(made) == 4
    assert not list(tmp_path.glob("outputs/cells/*/failed.json"))

    status, again, _ = gnn_distill(*SMALL)
    assert status == 0
    assert "4 runs: 4 finished; 0 to be made" in again
    assert summaries(tmp_path) == made
    assert again.partition("## ")[2] == out.partition("## ")[2]


def test_a_table_goes_on_from_the_rows_of_another_machine(gnn_distill: Callable, tmp_path: Path) -> None:
    fewer = "table.sizes.smoke.rows=[alone]"
    assert gnn_distill(*SMALL, fewer)[0] == 0
    rows = tmp_path / "outputs" / "tables" / "main" / "smoke" / "runs.csv"
    elsewhere = tmp_path / "rows.csv"
    rows.rename(elsewhere)
    (tmp_path / "outputs").rename(tmp_path / "gone")
    status, out, _ = gnn_distill(*SMALL, fewer, f"table.search=[{elsewhere}]")
    assert status == 0
    assert "2 runs: 2 finished; 0 to be made" in out
    assert read_runs([tmp_path / "outputs"])["student_test"].tolist() == read_runs([elsewhere])["student_test"].tolist()


def test_a_run_that_fails_is_shown_and_stops_no_other(gnn_distill: Callable, tmp_path: Path) -> None:
    fails = "table.rows.kd.overrides=['loss=kd','optim.lr=1e30','optim.clip=0']"
    status, out, err = gnn_distill(*SMALL, fails, "table.sizes.smoke.pairs.seed=[0]")
    assert status == 1
    assert "table=main: 1 of 2 runs failed" in err
    assert "table.rerun=failed" in err
    (log,) = tmp_path.glob("outputs/cells/typed_edges-kd-*/run.log")
    assert "Warning: typed_edges, kd, seed 0: Training diverged in epoch" in out
    assert str(log.relative_to(tmp_path)) in out
    assert "UserError" in log.read_text()
    assert len(summaries(tmp_path)) == 1

    _, told, _ = gnn_distill(*SMALL, fails, "table.sizes.smoke.pairs.seed=[0]", "table.status=true")
    assert "failed    typed_edges, kd, seed 0  Training diverged in epoch" in told
    _, again, _ = gnn_distill(*SMALL, fails, "table.sizes.smoke.pairs.seed=[0]")
    assert "1 finished, 1 failed; 0 to be made" in again
    _, retried, _ = gnn_distill(*SMALL, fails, "table.sizes.smoke.pairs.seed=[0]", "table.rerun=failed")
    assert "1 finished, 1 failed; 1 to be made" in retried


def test_runs_of_other_code_are_marked_and_made_again_on_request(
    gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gnn_distill.experiments import cells

    few = ("table.sizes.smoke.rows=[alone]", "table.sizes.smoke.pairs.seed=[0]")
    assert gnn_distill(*SMALL, *few)[0] == 0
    monkeypatch.setattr(cells, "code_version", lambda config: {"sources": "0123456789abcdef"})
    _, told, _ = gnn_distill(*SMALL, *few, "table.status=true")
    assert "stale     typed_edges, alone, seed 0" in told
    assert "1 stale; 0 to be made" in told
    assert "1 stale; 1 to be made" in gnn_distill(*SMALL, *few, "table.status=true", "table.rerun=stale")[1]
    _, rendered, _ = gnn_distill(*SMALL, *few, "table.run=false")
    assert "°" in rendered


def test_runs_of_data_that_have_changed_since_do_not_count(gnn_distill: Callable, tmp_path: Path) -> None:
    few = "table.sizes.smoke.rows=[alone]"
    assert gnn_distill(*SMALL, few)[0] == 0
    older = min(tmp_path.glob("outputs/cells/*-seed0-*/summary.json"))
    summary = read_summary(older.parent)
    (tmp_path / "outputs/tables/main/smoke/runs.csv").unlink()
    write_json(older, summary | {"data": "0" * 64, "finished": "2020-01-01T00:00:00+00:00"})
    _, out, _ = gnn_distill(*SMALL, few, "table.run=false")
    assert "Warning: 1 run used other data than the latest run with the same data settings" in out
    assert "1 run used other data" in (tmp_path / "outputs/tables/main/smoke/table.md").read_text()
    _, out, _ = gnn_distill(*SMALL, few)
    assert "; 1 to be made" in out
    assert read_summary(older.parent)["data"] == summary["data"]
    assert read_summary(older.parent.with_name(f"{older.parent.name}.other-data"))["data"] == "0" * 64
    assert "2 runs: 2 finished; 0 to be made" in gnn_distill(*SMALL, few)[1]


OWN = """
name: own
rows:
  alone: {overrides: [teacher=none, student.num_layers=1, student.hidden_channels=8, student.num_heads=2]}
columns:
  own: {overrides: [dataset=smiles, dataset.path=own.csv, trainer.max_epochs=1], pairs: {seed: [0]}}
"""


def test_a_file_of_ones_own_that_was_changed_is_learned_anew(gnn_distill: Callable, tmp_path: Path) -> None:
    def write(scale: float) -> None:
        rows = "".join(f"{'C' * n},{scale * n / 2}\n" for n in range(1, 31))
        Path("own.csv").write_text(f"smiles,y\n{rows}")

    (tmp_path / "conf" / "table").mkdir(parents=True)
    (tmp_path / "conf" / "table" / "own.yaml").write_text(OWN)
    words = ("table", "--config-dir=conf", "table=own", "trainer.threads=1", "trainer.accelerator=cpu")
    write(1.0)
    status, out, err = gnn_distill(*words)
    assert (status, err) == (0, "")
    assert "1 missing; 1 to be made" in out
    assert "1 finished; 0 to be made" in gnn_distill(*words)[1]
    write(100.0)
    assert "1 missing; 1 to be made" in gnn_distill(*words)[1]
    assert len([*tmp_path.glob("outputs/cells/*/summary.json")]) == 2


def test_a_row_is_planned_in_its_columns_alone(gnn_distill: Callable) -> None:
    twin = "{overrides: ['dataset=typed_edges','task.label_smoothing=0.1'], pairs: {seed: [0, 1]}}"
    words = (
        *SMALL,
        "table.status=true",
        f"+table.columns={{twin: {twin}}}",
        "table.sizes.smoke.columns=[typed_edges,twin]",
    )
    status, out, err = gnn_distill(*words, "table.rows.kd.columns=[typed_edges]")
    assert (status, err) == (0, "")
    assert "6 runs: 6 missing" in out
    assert "missing   twin, teacher, seed 0" in out
    assert "missing   twin, kd" not in out
    status, _, err = gnn_distill(*words, "table.rows.kd.columns=[twins]")
    assert status == 1
    assert "table.rows.kd.columns: unknown name twins. Choices: " in err


def test_cells_with_one_config_are_made_once(gnn_distill: Callable, tmp_path: Path) -> None:
    twin = ("table.rows.kd.overrides=['student=none']", "table.rows.kd.role=teacher")
    status, out, _ = gnn_distill(*SMALL, *twin)
    assert status == 0
    assert "4 runs: 4 missing; 2 to be made" in out
    assert len(summaries(tmp_path)) == 2
    cells = json.loads((tmp_path / "outputs/tables/main/smoke/table.json").read_text())["cells"]
    assert cells[0]["values"] == cells[1]["values"]
    assert len(cells[0]["values"]) == 2


def test_tuned_settings_are_used_and_their_study_told(gnn_distill: Callable, tmp_path: Path) -> None:
    facts = {"trials": 8, "study": "outputs/tune/main/typed_edges_kd", "finished": "2026-01-02"}
    file = tmp_path / "mine" / "tuned" / "typed_edges" / "kd.yaml"
    write_settings(file, {"optim.lr": 0.0625, "loss.weights.soft": 0.25}, [], facts)
    words = (*SMALL, "table.sizes.smoke.rows=[alone,kd]", "table.sizes.smoke.pairs.seed=[0]")
    out = gnn_distill(*words, "--config-dir", str(tmp_path / "mine"))[1]
    told = "by method and study: alone (not tuned); kd (8 trials, outputs/tune/main/typed_edges_kd, 2026-01-02)."
    assert told in out.replace("\\_", "_")
    rates = {
        run.parents[1].name.split("-")[1]: (OmegaConf.load(run).optim.lr, OmegaConf.load(run).loss.weights.soft)
        for run in tmp_path.glob("outputs/cells/*/.hydra/config.yaml")
    }
    assert rates["kd"] == (0.0625, 0.25)
    assert rates["alone"][0] != 0.0625


def test_the_table_and_its_runs_are_one_group(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []

    class Recorder(Tracker):
        def table(self, key: str, columns: list[str], rows: list) -> None:
            sent.append((key, len(rows)))

        def image(self, key: str, path: str) -> None:
            sent.append(key)

    groups = []

    def start(cfg: DictConfig, folder: Path, name: str, group: str, **_: object) -> Tracker:
        groups.append((cfg.tracker.group or group, cfg.tracker.name))
        return Recorder()

    monkeypatch.setattr("gnn_distill.cli.table.start_tracker", start)
    monkeypatch.setattr("gnn_distill.pipeline.tracked_results.start_tracker", start)
    assert gnn_distill(*SMALL, "table.sizes.smoke.rows=[teacher]", "tracker=wandb")[0] == 0
    assert groups == [("main", "wandb")] * 3
    assert ("table", 1) in sent
    assert "boxes" in sent


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["table.size=smok"], "table.size=smok: table=main has no such size. Choices: full, smoke"),
        (["table.sizes.smoke.rows=[kdd]"], "table.sizes.smoke.rows: unknown name kdd. Choices: floor, teacher, alone"),
        (["table.rows.kd.overrides=['loss=kdd']"], "row kd, column typed_edges: loss=kdd"),
        (["table.rows.kd.overrides=['loss.weights.sof=1']"], "row kd, column typed_edges: loss.weights.sof"),
        (["+table.sizes.smoke.pairs.epochs=[1]"], "unknown key epochs. Choices: seed, dataset.fold"),
        (["table=mian"], "table=mian"),
        (["hydra/launcher=slurm"], "Others can be installed: submitit_local, submitit_slurm, ray."),
        (["table.rerun=all"], "table.rerun=all: unknown choice. Choices: none, failed, stale"),
    ],
)
def test_mistakes_are_named(words: list[str], said: str, gnn_distill: Callable, tmp_path: Path) -> None:
    status, _, err = gnn_distill("table", "table.size=smoke", *words)
    assert status == 1
    assert said in err
    assert "Traceback" not in err
    assert not (tmp_path / "outputs" / "cells").exists()


@pytest.mark.parametrize("name", LAUNCHERS)
def test_a_launcher_that_is_not_installed_names_its_extra(name: str, gnn_distill: Callable, tmp_path: Path) -> None:
    extra = LAUNCHERS[name]
    if importlib.util.find_spec(f"hydra_plugins.hydra_{extra}_launcher"):
        pytest.skip(f"hydra-{extra}-launcher is installed")
    for words in (["table", "table.size=smoke"], ["train", "-m", "seed=0,1"]):
        status, _, err = gnn_distill(*words, f"hydra/launcher={name}")
        assert status == 1
        assert f"hydra/launcher={name}: this launcher is not installed. pip install 'gnn-distill[{extra}]'" in err
        assert (f"-c constraints-{extra}.txt" if extra == "ray" else "-c constraints.txt") in err
    assert not (tmp_path / "outputs" / "cells").exists()


def test_rendering_needs_no_torch(tmp_path: Path) -> None:
    code = "import sys; from gnn_distill.cli.main import main; main(); assert 'torch' not in sys.modules, 'torch'"
    for words in (["table.run=false"], ["table.status=true"]):
        command = [sys.executable, "-c", code, *SMALL, *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert "4 missing" in done.stdout or "–" in done.stdout


def test_an_apostrophe_in_the_path_and_in_names_is_taken_as_it_stands(
    gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "o'neil, 100 %"
    folder.mkdir()
    monkeypatch.chdir(folder)
    few = ("table.sizes.smoke.rows=[teacher]", "table.sizes.smoke.pairs.seed=[0]", 'table.name="the teacher\'s"')
    status, out, err = gnn_distill(*SMALL, *few)
    assert (status, err) == (0, ""), err
    assert "1/1  typed_edges, teacher, seed 0" in out
    assert len(summaries(folder)) == 1


SIZES = "smoke, measured, typed_edges, nci1, esol, cora, lipo, mutagenicity, actor"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        (
            "table.size=core",
            f"table.size=core: table=main has no such size. Choices: full, {SIZES}. Did you mean 'cora'?",
        ),
        (
            "table.sizes.core={}",
            f"table.sizes.core={{}}: table.sizes has no core yet. It has: {SIZES}. Did you mean 'cora'? "
            "To choose one: table.size=NAME. Add it: '+table.sizes={core: {}}'.",
        ),
        (
            "table.sizes=smok",
            "table.sizes=smok: must hold sections by name, as in {name: {key: value}}. "
            f"It has: {SIZES}. Did you mean 'smoke'? To choose one: table.size=NAME.",
        ),
    ],
)
def test_a_size_that_does_not_exist_is_refused_with_those_that_do(gnn_distill: Callable, word: str, told: str) -> None:
    assert gnn_distill("table", "table=main", word) == (1, "", f"gnn-distill table: {told}\n")
