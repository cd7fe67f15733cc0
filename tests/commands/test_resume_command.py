"""`gnn-distill train resume=RUN_DIR`, and what signals do to a run."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file
from small_tables import SMALL as SMALL_TABLE
from small_tables import summaries

from gnn_distill.interruption import Interruption
from gnn_distill.keeper import Keeper
from gnn_distill.run_directory import read_metrics
from gnn_distill.stages.runtime import Runtime

SMALL = (
    *("train", "dataset.num_train=24", "dataset.num_val=12", "dataset.num_test=12", "trainer.max_epochs=3"),
    "pretrain.max_epochs=3",
    *("trainer.threads=1", "trainer.accelerator=cpu", "tracker=none", "trainer.batch_size=8"),
    *("teacher.hidden_channels=8", "student.hidden_channels=8", "student.num_layers=2"),
)


@contextmanager
def signalled(monkeypatch: pytest.MonkeyPatch, stage: str, epoch: int, number: int = signal.SIGTERM) -> Iterator[None]:
    """A signal reaches this process while that epoch is being recorded."""
    record = Runtime.record

    def record_and_stop(runtime: Runtime, kind: str, row: dict[str, float]) -> None:
        record(runtime, kind, row)
        if (kind, row["epoch"]) == (stage, epoch):
            signal.raise_signal(number)

    with monkeypatch.context() as patch:
        patch.setattr(Runtime, "record", record_and_stop)
        yield


def summary_of(folder: str) -> dict:
    return json.loads(Path(folder, "summary.json").read_text())


@pytest.mark.parametrize(("stage", "number"), [("teacher", signal.SIGUSR1), ("student", signal.SIGTERM)])
def test_a_run_that_a_signal_stopped_goes_on_to_the_same_end(
    stage: str, number: int, gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Keeper, "SHARE", 1e9)
    assert gnn_distill(*SMALL, "hydra.run.dir=whole", "paths.store=one")[0] == 0
    with signalled(monkeypatch, stage, 2, number):
        status, out, err = gnn_distill(*SMALL, "hydra.run.dir=run", "paths.store=two")
    assert (status, err) == (75, "")
    assert f"Warning: Stopped by {signal.Signals(number).name}. Go on with: gnn-distill train resume=" in out
    assert not Path("run/summary.json").exists()
    assert signal.getsignal(number) == signal.SIG_DFL
    settings = Path("run/.hydra/config.yaml").read_text()

    status, out, err = gnn_distill("train", "resume=run")
    assert (status, err) == (0, "")
    assert f"Note: The {stage} goes on after epoch 2." in out
    whole, run = summary_of("whole"), summary_of("run")
    assert (run["resumed"], whole["resumed"]) == (1, 0)
    for key in ("teacher", "student", "best_epoch", "epochs", "config_hash", "reused", "parameters"):
        assert run[key] == whole[key], key
    one, other = load_file("whole/student.safetensors"), load_file("run/student.safetensors")
    assert all(torch.equal(one[name], other[name]) for name in one)
    rows = [read_metrics(folder) for folder in ("whole", "run")]
    for told in rows:
        for columns in told.values():
            columns.pop("seconds")
    assert rows[0] == rows[1]
    assert Path("run/.hydra/config.yaml").read_text() == settings

    status, out, err = gnn_distill("train", "resume=run")
    assert (status, out, err) == (0, "run: this run is finished; there is nothing left to do.\n", "")


def test_only_places_may_change(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    with signalled(monkeypatch, "student", 1):
        assert gnn_distill(*SMALL, "hydra.run.dir=run")[0] == 75
    status, _, err = gnn_distill("train", "resume=run", "optim.lr=0.5", "student=gps")
    assert status == 1
    assert "resume=run: the settings of a run that goes on cannot change: " in err
    assert "student.name was graphormer, is gps; " in err
    assert "Leave these out, or start a run of its own." in err
    status, _, err = gnn_distill(*SMALL, "hydra.run.dir=run")
    assert status == 1
    assert "this folder holds an unfinished run. Go on with it: gnn-distill train resume=" in err
    assert gnn_distill("train", "resume=run", "paths.store=elsewhere", "trainer.max_epochs=3", "tracker=none")[0] == 0
    assert summary_of("run")["student"]


def test_a_run_that_kept_nothing_starts_over(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("gnn_distill.commands.train.load_task", lambda *_: signal.raise_signal(signal.SIGTERM))
        assert gnn_distill(*SMALL, "hydra.run.dir=run")[0] == 75
    status, out, err = gnn_distill("train", "resume=run")
    assert (status, err) == (0, "")
    assert "goes on" not in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("resume=nowhere",), "resume=nowhere: this is no folder of a run: it has no .hydra/overrides.yaml."),
        (("resume=a", "resume=b"), "resume=a, b: one run at a time, and without -m."),
        (("resume=a", "-m"), "resume=a: one run at a time, and without -m."),
    ],
)
def test_what_cannot_be_gone_on_with_is_told(words: tuple[str, ...], said: str, gnn_distill: Callable) -> None:
    assert gnn_distill("train", *words) == (1, "", f"gnn-distill train: {said}\n")


def test_a_run_whose_data_have_changed_is_refused(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("some.csv").write_text("smiles,y\n" + "".join(f"{'C' * n},{n}\n" for n in range(1, 30)))
    csv = (
        "dataset=smiles",
        "dataset.name=mine",
        "dataset.path=some.csv",
        "dataset.target_columns=[y]",
    )
    words = [word for word in SMALL if not word.startswith("dataset.")]
    with signalled(monkeypatch, "student", 1):
        status, _, err = gnn_distill(*words, *csv, "hydra.run.dir=run")
    assert (status, err) == (75, "")
    with open("some.csv", "a") as file:
        file.write("CCO,3\n")
    status, _, err = gnn_distill("train", "resume=run")
    assert status == 1
    assert "the data, weights or modules that they name have changed since this run began" in err


def test_another_version_of_the_code_is_told(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    from gnn_distill.commands import train

    with signalled(monkeypatch, "student", 1):
        assert gnn_distill(*SMALL, "hydra.run.dir=run")[0] == 75
    now = train.environment("cpu")
    monkeypatch.setattr(train, "environment", lambda *_: now | {"code": now["code"] | {"sources": "other"}})
    status, out, _ = gnn_distill("train", "resume=run")
    assert status == 0
    assert "This run began with another code: its result may differ in the last digits." in out


def test_settings_are_read_from_the_run_and_not_from_todays_configs(
    gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    with signalled(monkeypatch, "student", 1):
        assert gnn_distill(*SMALL, "hydra.run.dir=run", "optim.lr=0.003")[0] == 75
    overrides = Path("run/.hydra/overrides.yaml")  # as if the file of another version had another default
    overrides.write_text("".join(line for line in overrides.read_text().splitlines(True) if "optim.lr" not in line))
    assert gnn_distill("train", "resume=run")[0] == 0
    assert OmegaConf.load("run/.hydra/config.yaml").optim.lr == 0.003
    assert max(read_metrics("run")["student"]["lr"]) > 0.001


def test_a_cell_of_a_table_goes_on(gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Keeper, "SHARE", 1e9)
    fewer = ("table.sizes.smoke.rows=[kd]", "table.sizes.smoke.pairs.seed=[0]")
    with signalled(monkeypatch, "student", 1):
        status, _, err = gnn_distill(*SMALL_TABLE, *fewer)
    assert status == 75
    assert "gnn-distill table: stopped by SIGTERM. To go on, start it again." in err
    assert gnn_distill(*SMALL_TABLE, *fewer)[0] == 0
    (folder,) = tmp_path.glob("outputs/cells/*")
    assert summary_of(str(folder))["resumed"] == 1
    assert len(summaries(tmp_path)) == 1


def test_a_handler_of_somebody_else_is_left_alone() -> None:
    heard = []
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.append(1))
    try:
        with Interruption():
            signal.raise_signal(signal.SIGUSR1)
        assert heard == [1]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_table_that_was_moved_is_gone_on_with(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("some.csv").write_text("smiles,y\n" + "".join(f"{'C' * n},{n / 2}\n" for n in range(1, 30)))
    words = [word for word in SMALL if not word.startswith("dataset.")]
    csv = ("dataset=smiles", "dataset.path=some.csv", "hydra.run.dir=run")
    with signalled(monkeypatch, "student", 1):
        assert gnn_distill(*words, *csv)[0] == 75
    Path("some.csv").rename("other.csv")
    status, _, err = gnn_distill("train", "resume=run")
    assert (status, err.startswith("gnn-distill train: dataset.path=some.csv: there is no such file.")) == (1, True)
    Path("changed.csv").write_text(Path("other.csv").read_text() + "CCO,3\n")
    status, _, err = gnn_distill("train", "resume=run", "dataset.path=changed.csv")
    assert status == 1
    assert "the data, weights or modules that they name have changed since this run began" in err
    status, _, err = gnn_distill("train", "resume=run", "dataset.path=other.csv")
    assert (status, err) == (0, "")
    summary = summary_of("run")
    assert (summary["dataset"], summary["name"], summary["resumed"]) == ("other", "graphormer<-gin other s0", 1)
