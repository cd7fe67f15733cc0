"""Whatever becomes of Weights & Biases, a run ends with the result that it has without it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from test_tracking import STUB

from gnn_distill.run_directory import read_metrics

WORDS = (
    *("train", "teacher=none", "student=transformer", "loss=task", "dataset.num_train=12", "dataset.num_val=10"),
    *("dataset.num_test=10", "trainer.max_epochs=3", "trainer.threads=1", "trainer.accelerator=cpu"),
    *("student.hidden_channels=8", "student.num_layers=1", "student.num_heads=2"),
)
OFFLINE = "def init(mode, settings, **_):\n    if mode == 'online': {}\n    return Run()\n"
# What the stub does, and what the run is told of it.
FAULTS = {
    "bad key": (OFFLINE.format("raise PermissionError('401: invalid API key')"), "401: invalid API key"),
    "no network": (OFFLINE.format("raise ConnectionError('no route to host')"), "no route to host"),
    "folder": ("def init(**_): raise PermissionError(13, 'Permission denied', 'wandb')", "Permission denied"),
    "killed at once": ("os.kill(os.getpid(), 9)", "did not start"),
    "killed in the middle": ("def kill(*_): os.kill(os.getpid(), 9)\nRun.log = kill", ""),
}


def result_of(folder: Path) -> tuple[dict, dict, bytes]:
    """The metrics, epoch by epoch and at the end, and the weights."""
    summary = json.loads((folder / "summary.json").read_text())
    metrics = {key: summary[key] for key in ("student", "best_epoch", "epochs", "config_hash", "parameters")}
    epochs = read_metrics(folder)["student"]
    del epochs["seconds"]
    return metrics, epochs, (folder / "student.safetensors").read_bytes()


def test_the_result_is_the_same(gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "stub").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "stub"))
    monkeypatch.setenv("STUB_LOG", str(tmp_path / "log"))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    assert gnn_distill(*WORDS, "tracker=none", "hydra.run.dir=none")[0] == 0
    expected = result_of(tmp_path / "none")
    for fault, (source, told) in FAULTS.items():
        (tmp_path / "stub" / "wandb.py").write_text(STUB + source)
        folder = fault.replace(" ", "_")
        status, out, err = gnn_distill(*WORDS, "tracker=wandb", "tracker.mode=online", f"hydra.run.dir={folder}")
        assert (status, err) == (0, "")
        assert told in out, fault
        assert out.count("Warning: Weights & Biases") <= 1
        assert result_of(tmp_path / folder) == expected, fault


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["bad key and no network", "folder"])
def test_the_result_is_the_same_with_the_real_one(
    gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    assert gnn_distill(*WORDS, "tracker=none", "hydra.run.dir=none")[0] == 0
    mode = "offline"
    if fault == "folder":
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "wandb").write_text("a file, where W&B wants its folder")
    else:
        mode = "online"
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nothing listens there
    status, out, err = gnn_distill(*WORDS, "tracker=wandb", f"tracker.mode={mode}", "hydra.run.dir=run")
    assert (status, err) == (0, "")
    assert "Weights & Biases" in out
    assert result_of(tmp_path / "run") == result_of(tmp_path / "none")
