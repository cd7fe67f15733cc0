"""Sixteen runs that start together on an empty store, as processes of their own."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from gnn_distill.cli import main as cli
from gnn_distill.storage.metrics_file import METRICS_FILE
from gnn_distill.storage.run_directory import SUMMARY, read_summary

RUNS = 16
WORDS = (
    *("train", "student=none", "tracker=none", "trainer.threads=1", "trainer.accelerator=cpu"),
    "pretrain.max_epochs=60",
    "dataset=typed_edges",
    *("dataset.num_train=64", "dataset.num_val=32", "dataset.num_test=32", "teacher.hidden_channels=16"),
    "paths.store=store",
)
PATIENCE = 600


def train(folder: Path, number: int) -> None:
    """`gnn-distill train` in a process that has nothing else to do."""
    os.chdir(folder)
    sys.stdout = sys.stderr = open(f"{number}.log", "w")  # noqa: SIM115 (it ends with the process)
    sys.argv = ["gnn-distill", *WORDS, f"hydra.run.dir=runs/{number}"]
    cli.main()


def start(folder: Path) -> list[BaseProcess]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gnn_distill.pipeline.run"])  # torch is imported once, not sixteen times
    runs = [context.Process(target=train, args=(folder, number)) for number in range(RUNS)]
    for run in runs:
        run.start()
    return runs


def kill_the_holder(folder: Path, runs: list[BaseProcess]) -> int:
    """Kill -9 the run that trains the teacher, once it is in the middle of that; its number."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for number, run in enumerate(runs):
            # Only who trains records epochs before the teacher is there.
            metrics = folder / "runs" / str(number) / METRICS_FILE
            if metrics.exists() and metrics.read_text().count("\n") > 20:
                assert list(folder.glob("store/teachers/*.partial/running.safetensors"))
                run.kill()
                return number
        time.sleep(0.01)
    raise AssertionError("nobody began to train")


def train_together(folder: Path, kill: bool) -> list[dict[str, Any]]:
    """The summaries of the runs that were not killed."""
    folder.mkdir()
    runs = start(folder)
    try:
        killed = kill_the_holder(folder, runs) if kill else None
        for run in runs:
            run.join(PATIENCE)
        codes = [run.exitcode for run in runs]
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
