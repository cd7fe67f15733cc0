"""Studies, their trials, and the files that they become."""

import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from omegaconf import OmegaConf

from gnn_distill.experiments.studies import Study, Trial, read_facts, read_trials, trials_frame, write_settings

TRIALS = [
    Trial(number, value, 1.5, "2026-01-02 03:04:05", {"optim.lr": 0.1 / number, "schedule": "constant"})
    for number, value in enumerate((0.5, 0.75, 0.75, float("-inf")), start=1)
]


def test_only_finished_trials_are_trials(tmp_path: Path) -> None:
    study = Study(tmp_path, "name", higher_is_better=True)
    study.suggest({"x": 0.25})
    study.suggest({"x": 0.75})  # one is waiting
    inner = optuna.load_study(study_name="name", storage=study.storage)
    values = []
    for value, state in ((1.0, None), (None, "running"), (None, optuna.trial.TrialState.FAIL), (float("-inf"), None)):
        trial = inner.ask()
        values.append(trial.suggest_float("x", 0, 1))
        if state != "running":
            inner.tell(trial, value, *([state] if state else []))
    again = Study(tmp_path, "name", higher_is_better=True).trials()
    assert [(trial.number, trial.value) for trial in again] == [(1, 1.0), (2, float("-inf"))]
    assert [dict(trial.settings) for trial in again] == [{"x": 0.25}, {"x": values[3]}]
    assert Study(tmp_path, "other", higher_is_better=False).trials() == []


@pytest.mark.parametrize(("higher_is_better", "number"), [(True, 2), (False, 4)])
def test_the_best_is_the_earliest_of_equals(tmp_path: Path, higher_is_better: bool, number: int) -> None:
    assert Study(tmp_path, "name", higher_is_better).best(TRIALS).number == number


def test_trials_are_read_as_they_were_written(tmp_path: Path) -> None:
    Study(tmp_path, "name", higher_is_better=True).write_trials(TRIALS)
    read = read_trials(tmp_path)
    assert list(read) == ["trial", "value", "seconds", "finished", "optim.lr", "schedule"]
    assert read.equals(trials_frame(TRIALS))


def test_settings_become_a_file_of_the_group_tuned(tmp_path: Path) -> None:
    path = tmp_path / "cora" / "kd.yaml"
    settings = {"optim.lr": 0.1, "schedule": "cross_fade", "loss.weights.soft": 1}
    facts = {"value": repr(0.1 + 0.2), "command": "gnn-distill tune 'a: b'"}
    write_settings(path, settings, ["schedule"], facts)
    assert path.read_text().startswith("# @package _global_\n")
    assert OmegaConf.load(path) == {
        "defaults": [{"override /schedule": "cross_fade"}],
        "optim": {"lr": 0.1},
        "loss": {"weights": {"soft": 1}},
    }
    assert read_facts(path) == facts


def test_reading_takes_neither_torch_nor_optuna() -> None:
    code = (
        "import sys, gnn_distill.experiments.studies; sys.exit(bool({'optuna', 'torch', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
