"""Runs that are killed (-9), at random moments and in the middle of writing, end as if nothing had happened."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

RUN = (
    *("train", "hydra.run.dir=run", "tracker=none", "trainer.threads=1", "trainer.accelerator=cpu"),
    *("dataset.num_train=120", "dataset.num_val=40", "dataset.num_test=400", "trainer.max_epochs=6"),
    *("teacher.hidden_channels=16", "student.hidden_channels=16", "student.num_layers=2"),
)
STAGES = {
    "pretrain": ("teacher", 8),
    "signals": ("signals", 8),
    "encode": ("encodings", 2),
    "distill": ("student", 8),
    "evaluate_splits": ("evaluation", 8),
}
"""Functions of `commands.train`, what summary.json calls the time they take, and how often they are killed."""
WRITES = 6
NUMBERS = ("teacher", "student", "best_epoch", "epochs", "config_hash", "data", "reused")


def start(folder: Path, plan: dict, *words: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, str(Path(__file__).with_name("killed_run.py")), json.dumps(plan), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.slow
def test_forty_killed_runs_end_as_the_one_that_was_not(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    assert (ended := start(whole, {}, *RUN)).returncode == 0, ended.stderr
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
            killed = start(folder, plan, *RUN)
            if killed.returncode == -signal.SIGKILL:
                break
            shutil.rmtree(folder)  # it had ended before its time
        again = start(folder, {}, "train", "resume=run")
        assert again.returncode == 0, (plan, killed.stderr, again.stderr)
        summary = json.loads((folder / "run" / "summary.json").read_text())
        for key in NUMBERS:
            assert summary[key] == expected[key], (plan, key)
        assert (folder / "run" / "student.safetensors").read_bytes() == weights, plan
        print(index + 1, plan, killed.stderr.strip(), flush=True)
