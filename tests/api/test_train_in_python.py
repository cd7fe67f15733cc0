"""gnn_distill.train and Run: the run of the command line, in a process that stays as it was."""

import logging
import os
import random
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from small_api import SETTINGS

from gnn_distill import Run, train
from gnn_distill.api.composing import words_of
from gnn_distill.errors import UserError


def state() -> dict[str, Any]:
    """What a call could leave changed."""
    return {
        "hydra": (GlobalHydra.instance().hydra, HydraConfig.instance().cfg),
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "path": list(sys.path),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "fill": torch.utils.deterministic.fill_uninitialized_memory,
        "grad": torch.is_grad_enabled(),
        "python": random.getstate(),
        "numpy": [value.tolist() if isinstance(value, np.ndarray) else value for value in np.random.get_state()],
        "torch": torch.get_rng_state().tolist(),
        "filters": list(warnings.filters),
        "handlers": list(logging.root.handlers),
        "level": logging.root.level,
        "excepthook": sys.excepthook,
        "streams": (sys.stdout, sys.stderr),
    }


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_is_the_run_of_the_command_line_and_leaves_no_trace(
    here: Path, gnn_distill: Callable, capsys: pytest.CaptureFixture
) -> None:
    torch.set_num_threads(2)
    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    before = state()
    run = train(SETTINGS)
    assert state() == before
    assert "epoch 2/2" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"loss=kt: unknown choice\. .*Did you mean 'pkt'"):
        train([*words_of(SETTINGS), "loss=kt"])
    assert state() == before
    torch.set_num_threads(1)
    assert gnn_distill("train", *words_of(SETTINGS), "tracker=none", "hydra.run.dir=typed", "paths.store=other")[0] == 0
    typed = Run.load(here / "typed")
    assert typed.summary["config_hash"] == run.summary["config_hash"]
    columns = [name for name in run.metrics if "seconds" not in name]
    pd.testing.assert_frame_equal(typed.metrics[columns], run.metrics[columns])
    pd.testing.assert_frame_equal(typed.predictions, run.predictions)
    files = {path.relative_to(run.folder) for path in run.folder.rglob("*") if path.is_file()}
    assert files == {path.relative_to(typed.folder) for path in typed.folder.rglob("*") if path.is_file()}
    assert run.folder.parent == here / "outputs" / "train"

    assert list(run.scores.index) == ["constant", "teacher", "student"]
    assert run.scores.loc["student", "test"] == run.summary["student"]["test"]["accuracy"]
    assert [*run.metrics["stage"]] == ["teacher"] * 2 + ["student"] * 2
    assert run.report() == run.folder / "report.html"
    assert "<table" in run._repr_html_()
    assert "student" in repr(run)
    quiet = train(SETTINGS, folder="quiet", progress=False)
    assert capsys.readouterr().out == ""
    pd.testing.assert_frame_equal(quiet.predictions, run.predictions)
    with pytest.raises(UserError, match="holds a finished run"):
        train(SETTINGS, folder="quiet")


def test_values_of_python_are_words() -> None:
    given = {"a": None, "b": True, "c": 1e-05, "d": "x, {y}", "e": [1, "p q"], "f": {"k": False}}
    assert words_of(given) == ["a=null", "b=true", "c=1e-05", "d='x, {y}'", "e=[1,'p q']", "f={k: false}"]
    assert words_of("seed=1") == ["seed=1"]


def test_no_run_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no finished run is here"):
        Run.load(tmp_path)
    with pytest.raises(UserError, match="devices=2: a run from Python is one process"):
        train({**SETTINGS, "trainer.devices": 2}, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_package_is_imported_at_once_and_names_what_it_has() -> None:
    code = "import sys, gnn_distill; print({'torch', 'hydra', 'pandas'} & {*sys.modules}, *dir(gnn_distill))"
    words = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert words[0] == "set()"
    assert {"Run", "distill", "load", "train"} <= {*words}
