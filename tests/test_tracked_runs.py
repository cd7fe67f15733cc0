"""Whatever happens to Weights & Biases, a run ends with the numbers of one that is tracked nowhere."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def rows(folder: str) -> dict[str, Any]:
    told = read_metrics(folder)
    for stage in told.values():
        stage.pop("seconds")
    return told
