"""Whatever happens to Weights & Biases, a run ends with the numbers of one that is tracked nowhere."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stub_wandb import STUB

from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.storage.run_directory import read_metrics, read_summary
from gnn_distill.training.tracking import TrackerProcess

RUN = (
    *("train", "dataset=typed_edges"),
    *("dataset.num_train=24", "dataset.num_val=12", "dataset.num_test=12", "trainer.max_epochs=3"),
    "pretrain.max_epochs=3",
    *("trainer.threads=1", "trainer.accelerator=cpu", "hydra.run.dir=run"),
    *("teacher.hidden_channels=8", "student.hidden_channels=8", "student.num_layers=2"),
)
NUMBERS = ("teacher", "student", "best_epoch", "epochs", "config_hash")


def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")


def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "bad")


def no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("run").mkdir()
    Path("run/wandb").touch()  # a file where W&B wants a folder: nobody may write there, not even root
    monkeypatch.setenv("WANDB_DIR", str(Path("run").resolve()))


def killed(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Runtime.record

    def record_and_kill(runtime: Runtime, stage: str, *rows: dict[str, float]) -> None:
        record(runtime, stage, *rows)
        if (stage, rows[0]["epoch"]) == ("student", 1):
            assert isinstance(runtime.tracker, TrackerProcess)
            os.kill(runtime.tracker._process.pid, signal.SIGKILL)

    monkeypatch.setattr(Runtime, "record", record_and_kill)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (no_network, ("tracker.mode=online",)),
        (no_key, ("tracker.mode=online",)),
        (no_folder, ()),
        (killed, ()),
    ],
)
def test_the_result_is_that_of_a_run_without_it(
    trouble: Callable, words: tuple[str, ...], gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    assert gnn_distill(*RUN, "tracker=none", "hydra.run.dir=plain", "paths.store=one")[0] == 0
    with monkeypatch.context() as patch:
        trouble(patch)
        status, out, err = gnn_distill(*RUN, "tracker=wandb", *words, "paths.store=two")
    assert (status, err) == (0, "")
    assert out.count("Warning: Weights & Biases ") == 1, out
    plain, tracked = read_summary("plain"), read_summary("run")
    assert {key: tracked[key] for key in NUMBERS} == {key: plain[key] for key in NUMBERS}
    assert rows("plain") == rows("run")


OFFLINE = "def init(mode, settings, **_):\n    if mode == 'online': {}\n    return Run()\n"
# What stands for wandb does, and what the run is told of it.
FAULTS = {
    "bad key": (OFFLINE.format("raise PermissionError('401: invalid API key')"), "401: invalid API key"),
    "folder": ("def init(**_): raise PermissionError(13, 'Permission denied', 'wandb')", "Permission denied"),
    "killed in the middle": ("def kill(*_): os.kill(os.getpid(), 9)\nRun.log = kill", ""),
}


def test_weights_too_are_those_of_a_run_without_it(
    gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stub").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "stub"))
    monkeypatch.setenv("STUB_LOG", str(tmp_path / "log"))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    alone = (*RUN, "teacher=none", "loss=task", "student=transformer")
    assert gnn_distill(*alone, "tracker=none", "hydra.run.dir=plain")[0] == 0
    for fault, (source, told) in FAULTS.items():
        (tmp_path / "stub" / "wandb.py").write_text(STUB + source)
        run = fault.replace(" ", "_")
        status, out, err = gnn_distill(*alone, "tracker=wandb", "tracker.mode=online", f"hydra.run.dir={run}")
        assert (status, err) == (0, "")
        assert told in out, fault
        assert rows(run) == rows("plain"), fault
        weights = "student.safetensors"
        assert Path(run, weights).read_bytes() == Path("plain", weights).read_bytes()


SMALL = (*RUN, "teacher=none", "loss=task", "student=transformer", "floors=none")


@pytest.mark.slow
def test_a_killed_and_resumed_run_is_one_run_of_its_tracker(tmp_path: Path) -> None:
    """kill -9 in the middle of its epochs: TensorBoard's numbers are those of metrics.csv, each once."""
    pytest.importorskip("tensorboard", reason="the extra .[tensorboard] is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    command = [sys.executable, "-m", "gnn_distill"]
    epochs = ("trainer.max_epochs=150", "tracker=tensorboard")
    run, environment = tmp_path / "run", {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [*command, *SMALL, *epochs], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL
    ) as process:
        while not (run / "metrics.csv").exists() or len((run / "metrics.csv").read_text().splitlines()) < 20:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    before = len((run / "metrics.csv").read_text().splitlines()) - 1
    assert 19 <= before < 150
    subprocess.run([*command, "train", "resume=run"], cwd=tmp_path, env=environment, check=True)
    found, told = EventAccumulator(str(run / "tensorboard"), {"scalars": 0}).Reload(), read_metrics(run)["student"]
    assert len(list((run / "tensorboard").iterdir())) == 2
    for name in ("lr", "train/loss", "val/loss", "val/accuracy"):
        points = [(event.step, event.value) for event in found.Scalars(f"student/{name}")]
        assert points == [(epoch, float(np.float32(value))) for epoch, value in enumerate(told[name], start=1)]


@pytest.mark.slow
def test_runs_of_a_sweep_share_a_database(tmp_path: Path) -> None:
    """MLflow's numbers are those of metrics.csv, to the last digit; every run of a sweep is one of its own."""
    mlflow = pytest.importorskip("mlflow", reason="the extra .[mlflow] is not installed")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.pop("MLFLOW_TRACKING_URI", None)
    words = ("tracker=mlflow", "seed=0,1", "hydra.sweep.dir=sweep")
    command = [sys.executable, "-m", "gnn_distill", "train", "-m", *SMALL[1:], *words]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/outputs/mlflow/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("gnn-distill").experiment_id])
    assert {run.data.params["seed"] for run in runs} == {"0", "1"}
    for run in runs:
        folder = tmp_path / "sweep" / run.data.params["seed"]
        for name, values in read_metrics(folder)["student"].items():
            points = sorted(client.get_metric_history(run.info.run_id, f"student/{name}"), key=lambda point: point.step)
            assert name == "epoch" or [(point.step, point.value) for point in points] == [*enumerate(values, start=1)]
        kept = {item.path for item in client.list_artifacts(run.info.run_id, "student")}
        assert kept == {"student/student.json", "student/student.safetensors"}


def rows(folder: str) -> dict[str, Any]:
    told = read_metrics(folder)
    for stage in told.values():
        stage.pop("seconds")
    return told


def test_what_the_data_refuse_is_no_run_to_track(
    gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    rows = [f"{'C' * size},{size}.5,{size}.25" for size in range(1, 30)]
    (tmp_path / "mine.csv").write_text("\n".join(["smiles,a,b", *rows]))
    status, _, err = gnn_distill("train", "dataset=smiles", "dataset.path=mine.csv", "hydra.run.dir=run")
    assert status == 1
    assert "several columns could be the target (numbers: a, b)" in err
    assert (tmp_path / "run" / "failed.json").is_file()
    assert not (tmp_path / "run" / "wandb").exists()
