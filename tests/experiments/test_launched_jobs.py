"""Two jobs at once through each of Hydra's launchers that are installed: the same runs as one after the other."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = (
    *("dataset=far_motif_small", "dataset.num_train=20", "dataset.num_val=10", "dataset.num_test=20", "seed=0,1"),
    *("teacher.hidden_channels=8", "student.hidden_channels=8", "student.num_heads=2", "student.num_layers=1"),
    *("trainer.max_epochs=2", "pretrain.max_epochs=2", "trainer.threads=1", "trainer.accelerator=cpu", "tracker=none"),
)
LAUNCHERS = {
    "joblib": ("joblib", ["hydra.launcher.n_jobs=2"]),
    "submitit_local": ("submitit", ["hydra.launcher.timeout_min=10"]),
    "ray": ("ray", ["+hydra.launcher.ray.init={num_cpus: 2, include_dashboard: false}"]),
}
"""By name the launcher's package, and what it is told here."""


def multirun(folder: Path, *words: str) -> dict[int, tuple[float, str]]:
    """Test accuracy and finished config of each seed's run."""
    folder.mkdir()
    command = [sys.executable, "-m", "gnn_distill", "train", "-m", *SMALL, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = [json.loads(file.read_text()) for file in folder.glob("multirun/train/*/*/summary.json")]
    return {run["seed"]: (run["student"]["test"]["accuracy"], run["config_hash"]) for run in runs}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAUNCHERS)
def test_two_jobs_through_a_launcher_are_those_of_hydras_own(name: str, tmp_path: Path) -> None:
    package, words = LAUNCHERS[name]
    if importlib.util.find_spec(f"hydra_plugins.hydra_{package}_launcher") is None:
        pytest.skip(f"hydra-{package}-launcher is not installed")
    launched = multirun(tmp_path / name, f"hydra/launcher={name}", *words)
    assert launched.keys() == {0, 1}
    assert launched == multirun(tmp_path / "basic")
