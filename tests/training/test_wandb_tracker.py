"""What Weights & Biases writes offline, read from its own file."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import tracked
from wandb_records import records

pytest.importorskip("wandb")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The working folder is a git repository, with a change that no commit has; returns its commit."""
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.chdir(tmp_path)
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "remote", "add", "origin", "https://me:secret@example.org/mine.git"], check=True)
    (tmp_path / "mine.py").write_text("first\n")
    subprocess.run([*git, "add", "mine.py"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)
    (tmp_path / "mine.py").write_text("not committed\n")
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def offline(folder: Path, **tracker: Any) -> bytes:
    """Track a small run; returns all that its offline folder holds."""
    warnings: list[str] = []
    tracked.whole(folder, "wandb", warnings.append, **tracker)
    assert warnings == []
    return b"".join(path.read_bytes() for path in (folder / "wandb").rglob("*") if path.is_file())


@pytest.mark.slow
def test_git_and_system_metrics_are_recorded(tmp_path: Path, repository: str) -> None:
    kept = offline(tmp_path)
    (run,) = records(tmp_path / "wandb", "run")
    assert (run.git.commit, run.git.remote_url) == (repository, "https://me:@example.org/mine.git")
    assert b"secret" not in kept
    assert b"not committed" not in kept
    measured = {item.key for stats in records(tmp_path / "wandb", "stats") for item in stats.item}
    assert {"cpu", "proc.memory.rssMB", "memory_percent"} <= measured
    machine = records(tmp_path / "wandb", "environment")
    assert any(found.python for found in machine)
    assert {found.program for found in machine} <= {"gnn-distill", ""}
    assert list(tmp_path.glob("wandb/offline-run-*/files/requirements.txt"))


@pytest.mark.slow
def test_keys_switch_them_off(tmp_path: Path, repository: str) -> None:
    kept = offline(tmp_path, git=False, system=False)
    (run,) = records(tmp_path / "wandb", "run")
    assert run.git.commit == ""
    assert repository.encode() not in kept
    assert records(tmp_path / "wandb", "stats") == []
    assert records(tmp_path / "wandb", "environment") == []
    assert not list(tmp_path.glob("wandb/offline-run-*/files/requirements.txt"))


@pytest.mark.slow
def test_the_student_and_tables_lie_in_the_offline_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    offline(tmp_path)
    (folder,) = tmp_path.glob("wandb/offline-run-*")
    artifacts = {found.name: found for found in records(tmp_path / "wandb", "artifact")}
    assert artifacts.keys() == {"student-0badcafe", "run-0badcafe-scores"}
    student = artifacts["student-0badcafe"]
    files = {entry.path: Path(entry.local_path) for entry in student.manifest.contents}
    assert (student.type, files.keys()) == ("model", {"student.safetensors", "config.json"})
    assert all(path.is_relative_to(folder) for path in files.values())
    assert files["student.safetensors"].read_bytes() == b"weights"
    assert json.loads(files["config.json"].read_text())["optim"] == {"lr": 1e-3}
    (table,) = artifacts["run-0badcafe-scores"].manifest.contents
    assert json.loads(Path(table.local_path).read_text())["data"] == [["a|b", 0.5], ["c", None]]
    # the numbers too, to the last digit
    history = [
        {item.nested_key[0] if item.nested_key else item.key: json.loads(item.value_json) for item in row.item}
        for row in records(tmp_path / "wandb", "history")
    ]
    epochs = [row["student/lr"] for row in history if "student/lr" in row]
    assert epochs == [row["lr"] for row in tracked.rows(1, 5)]
