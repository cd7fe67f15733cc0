"""Runs that are killed (-9), at random moments and in the middle of writing, end as if nothing had happened."""

import csv
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gnn_distill.cli import main as cli

RUN = (
    *("train", "hydra.run.dir=run", "tracker=none", "trainer.threads=1", "trainer.accelerator=cpu"),
    "dataset=typed_edges",
    *("dataset.num_train=120", "dataset.num_val=40", "dataset.num_test=400", "trainer.max_epochs=6"),
    "pretrain.max_epochs=6",
    *("teacher.hidden_channels=16", "student.hidden_channels=16", "student.num_layers=2"),
)
STAGES = {
    "train_teacher": ("teacher", 8),
    "compute_teacher_outputs": ("signals", 8),
    "stored_inputs": ("encodings", 2),
    "train_student": ("student", 8),
    "evaluate_splits": ("evaluation", 8),
}
"""Functions of `pipeline.run`, what summary.json calls the time they take, and how often they are killed."""
WRITES = 6
NUMBERS = ("teacher", "student", "best_epoch", "epochs", "config_hash", "data", "reused")


def die() -> None:
    """What the kernel does to a process when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_stage(name: str, delay: float) -> None:
    """Let the clock run from the moment at which the stage begins."""
    from gnn_distill.pipeline import run as train

    stage: Callable = getattr(train, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        threading.Timer(delay, die).start()
        return stage(*args, **kwargs)

    setattr(train, name, timed)


def die_in_write(number: int) -> None:
    """Die when the n-th file is about to get its name, with only half of its bytes on the disk."""
    replace, seen = os.replace, []

    def torn(source: Path, target: Path) -> None:
        seen.append(target)
        if len(seen) == number:
            if Path(source).is_file():
                os.truncate(source, Path(source).stat().st_size // 2)
            print(f"torn: {target}", file=sys.stderr, flush=True)
            die()
        replace(source, target)

    os.replace = torn


def run(folder: Path, plan: dict[str, Any], words: tuple[str, ...]) -> None:
    """The command line in a process that has nothing else to do, and that is to die as `plan` says."""
    os.chdir(folder)
    sys.stdout = sys.stderr = open("log", "a", buffering=1)  # noqa: SIM115 (it ends with the process)
    match plan:
        case {"stage": name, "delay": delay}:
            die_in_stage(name, delay)
        case {"write": number}:
            die_in_write(number)
    sys.argv = ["gnn-distill", *words]
    cli.main()


def start(folder: Path, plan: dict[str, Any], *words: str) -> int:
    """Its exit code."""
    return at_once(1, folder, plan, *words)[0]


def at_once(number: int, folder: Path, plan: dict[str, Any], *words: str) -> list[int]:
    """The exit codes of so many processes of one command, in order."""
    folder.mkdir(exist_ok=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gnn_distill.pipeline.run"])  # torch is imported once, not eighty times
    processes = [context.Process(target=run, args=(folder, plan, words)) for _ in range(number)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(600)
    return sorted(process.exitcode for process in processes)


@pytest.mark.slow
def test_forty_killed_runs_end_as_the_one_that_was_not(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    assert start(whole, {}, *RUN) == 0
    expected = json.loads((whole / "run" / "summary.json").read_text())
    weights = (whole / "run" / "student.safetensors").read_bytes()

    chance = random.Random(0)
    kills = [stage for stage, (_, times) in STAGES.items() for _ in range(times)] + WRITES * ["write"]
    assert len(kills) == 40
    for index, moment in enumerate(kills):
        folder = tmp_path / str(index)
        while True:
            plan = {"write": chance.randint(2, 24)}
            if moment in STAGES:
                plan = {"stage": moment, "delay": chance.uniform(0, expected["seconds"][STAGES[moment][0]])}
            if start(folder, plan, *RUN) == -signal.SIGKILL:
                break
            shutil.rmtree(folder)  # it had ended before its time
        log = (folder / "log").read_text()
        assert start(folder, {}, "train", "resume=run") == 0, (plan, (folder / "log").read_text())
        summary = json.loads((folder / "run" / "summary.json").read_text())
        for key in NUMBERS:
            assert summary[key] == expected[key], (plan, key)
        assert (folder / "run" / "student.safetensors").read_bytes() == weights, plan
        print(index + 1, plan, log.splitlines()[-1:], flush=True)


@pytest.mark.slow
def test_of_several_processes_of_a_run_one_makes_it(tmp_path: Path) -> None:
    assert start(tmp_path / "whole", {}, *RUN) == 0
    assert at_once(3, tmp_path / "anew", {}, *RUN) == [0, 1, 1]
    assert start(tmp_path / "on", {"stage": "train_student", "delay": 0.05}, *RUN) == -signal.SIGKILL
    assert at_once(3, tmp_path / "on", {}, "train", "resume=run") == [0, 1, 1]
    for folder in ("anew", "on"):
        assert (tmp_path / folder / "log").read_text().count("another process is writing to this folder") == 2
        assert rows_of(tmp_path / folder) == rows_of(tmp_path / "whole")


def rows_of(folder: Path) -> list[dict[str, str]]:
    """Of metrics.csv, without the time they took."""
    with open(folder / "run" / "metrics.csv", newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]
