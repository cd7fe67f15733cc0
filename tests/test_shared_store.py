"""Sixteen runs that start together on an empty store, as processes of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gnn_distill.run_directory import METRICS, SUMMARY, read_summary

RUNS = 16
WORDS = (
    *("train", "student=none", "tracker=none", "trainer.threads=1", "trainer.accelerator=cpu", "trainer.max_epochs=60"),
    *("dataset.num_train=64", "dataset.num_val=32", "dataset.num_test=32", "teacher.hidden_channels=16"),
    "paths.store=store",
)
PATIENCE = 900


def start(folder: Path, number: int) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with open(folder / f"{number}.log", "w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "gnn_distill", *WORDS, f"hydra.run.dir=runs/{number}"],
            cwd=folder, env=environment, stdout=log, stderr=log,
        )  # fmt: skip


def kill_the_holder(folder: Path, runs: list[subprocess.Popen]) -> int:
    """Kill -9 the run that trains the teacher, once it has kept an epoch; its number."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        # Only who trains records epochs before the teacher is there.
        training = [number for number in range(RUNS) if (folder / "runs" / str(number) / METRICS).exists()]
        if training and list(folder.glob("store/teachers/*.partial/running.safetensors")):
            runs[training[0]].send_signal(signal.SIGKILL)
            return training[0]
        time.sleep(0.01)
    raise AssertionError("nobody began to train")


def train_together(folder: Path, kill: bool) -> list[dict[str, Any]]:
    """The summaries of the runs that were not killed."""
    folder.mkdir()
    runs = [start(folder, number) for number in range(RUNS)]
    try:
        killed = kill_the_holder(folder, runs) if kill else None
        codes = [run.wait(PATIENCE) for run in runs]
    finally:
        for run in runs:
            run.kill()
    assert codes == [-signal.SIGKILL if number == killed else 0 for number in range(RUNS)]
    if kill:
        assert not (folder / "runs" / str(killed) / SUMMARY).exists()
    return [read_summary(folder / "runs" / str(number)) for number in range(RUNS) if number != killed]


@pytest.mark.slow
def test_sixteen_runs_train_one_teacher(tmp_path: Path, gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for kill in (False, True):
        folder = tmp_path / ("killed" if kill else "whole")
        summaries = train_together(folder, kill)
        assert sorted(summary["reused"]["teacher"] for summary in summaries) == [False] + [True] * (len(summaries) - 1)
        entries = [path for path in folder.glob("store/teachers/*") if path.suffix != ".lock"]
        assert [path.name for path in entries] == summaries[0]["store"]["teachers"]
        results += [summary["teacher"] for summary in summaries]
        monkeypatch.chdir(folder)
        status, out, err = gnn_distill("store", "verify", "paths.store=store", "store.runs=[runs]")
        assert (status, err) == (0, "")
        assert f"runs: {len(summaries)} finished runs are whole, 0 damaged" in out
    assert len(results) == 2 * RUNS - 1
    assert all(result == results[0] for result in results)
