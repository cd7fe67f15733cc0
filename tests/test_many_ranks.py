"""Whole runs of two processes: equal to that of one, stopped by a signal to either, resumed as if nothing had been."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SMALL = (
    *("tracker=none", "dataset.num_train=90", "dataset.num_val=31", "dataset.num_test=31", "trainer.batch_size=31"),
    *("teacher=gcn", "teacher.norm=none", "teacher.hidden_channels=8", "teacher.num_layers=2", "pretrain.max_epochs=3"),
    *("student.hidden_channels=8", "student.num_layers=2", "student.num_heads=2", "trainer.max_epochs=3"),
    *("alone=false", "probe.profiles_at_end=false", "trainer.threads=1", "trainer.accelerator=cpu"),
)
WITHOUT_DROPOUT = ("teacher.dropout=0", "student.dropout=0")
STORES = ("store_of_one", "outputs/store")
TIMES = ("seconds", "lr")
PATIENCE = 300.0
"""Seconds for a stage of a run on a busy machine."""


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1", "PYTHONPATH": str(Path(__file__).parents[1])}


def started(folder: Path, *words: str, torchrun: bool = False) -> subprocess.Popen:
    """`gnn-distill train` in a process of its own; torchrun: by two processes that it starts."""
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "gnn_distill")
    command = [sys.executable, *(launcher if torchrun else ("-m", "gnn_distill")), "train", *words]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=folder, env=environment(), text=True, **streams)


def finished(folder: Path, *words: str, **how: bool) -> str:
    """What a run prints that ends well."""
    process = started(folder, *words, **how)
    text, _ = process.communicate(timeout=2 * PATIENCE)
    assert process.returncode == 0, text
    return text


def metrics(run: Path) -> list[dict[str, str]]:
    return [
        {name: value for name, value in row.items() if name not in TIMES}
        for row in csv.DictReader((run / "metrics.csv").open())
    ]


def numbers(row: dict[str, str]) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if value and name != "stage"}


def once_recorded(process: subprocess.Popen, run: Path, stage: str, epochs: int) -> None:
    """Return when a run has recorded so many epochs of a stage."""
    file, until = run / "metrics.csv", time.monotonic() + PATIENCE
    while not (file.exists() and file.read_text().count(f"\n{stage},") >= epochs):
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            raise AssertionError(process.communicate()[0])
        time.sleep(0.02)


def processes_of(launcher: int) -> dict[int, int]:
    """Ids of the processes that it has started, by rank."""
    found = {}
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        variables = dict(item.partition("=")[::2] for item in Path(f"/proc/{child}/environ").read_text().split("\0"))
        if "RANK" in variables:
            found[int(variables["RANK"])] = int(child)
    return found


def test_two_processes_make_the_run_of_one(tmp_path: Path) -> None:
    finished(tmp_path, *SMALL, *WITHOUT_DROPOUT, "hydra.run.dir=one", "paths.store=store_of_one")
    text = finished(tmp_path, *SMALL, *WITHOUT_DROPOUT, "trainer.devices=2", torchrun=True)
    assert text.count("Teacher signals") == 1  # one of them speaks
    (two,) = (tmp_path / "outputs" / "train").iterdir()
    kinds = [sorted(path.parts[-3] for path in (tmp_path / store).glob("*/*/key.json")) for store in STORES]
    assert kinds[0] == kinds[1]
    assert len(set(kinds[1])) == len(kinds[1])
    rows = [metrics(run) for run in (tmp_path / "one", two)]
    assert [row["stage"] for row in rows[1]] == ["teacher"] * 3 + ["student"] * 3
    for one, other in zip(*rows, strict=True):
        numbers = [
            {name: float(value) for name, value in row.items() if value and name != "stage"} for row in (one, other)
        ]
        assert numbers[1] == pytest.approx(numbers[0], abs=1e-4)
    predictions = [(run / "predictions.csv").read_text().splitlines() for run in (tmp_path / "one", two)]
    assert len(predictions[0]) == len(predictions[1]) == 1 + 31 + 31
    for one, other in zip(*(lines[1:] for lines in predictions), strict=True):
        assert [float(x) for x in one.split(",")[1:]] == pytest.approx(
            [float(x) for x in other.split(",")[1:]], abs=1e-3
        )
    assert json.loads((two / "summary.json").read_text())["student"]["val"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The epochs of a run of two processes."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    finished(folder, *SMALL, "trainer.max_epochs=12", "trainer.devices=2", "hydra.run.dir=run")
    return metrics(folder / "run")


@pytest.mark.parametrize(("rank", "number"), [(1, signal.SIGKILL), (0, signal.SIGKILL), (1, signal.SIGTERM)])
def test_a_process_that_ends_ends_all_and_the_run_is_resumed(
    rank: int, number: signal.Signals, tmp_path: Path, uninterrupted: list[dict[str, str]]
) -> None:
    process = started(tmp_path, *SMALL, "trainer.max_epochs=12", "trainer.devices=2", "hydra.run.dir=run")
    once_recorded(process, tmp_path / "run", "student", 2)
    all_of_them = processes_of(process.pid)
    os.kill(all_of_them[rank], number)
    killed = time.monotonic()
    text, _ = process.communicate(timeout=PATIENCE)
    assert time.monotonic() - killed < 10 * max(1.0, os.getloadavg()[0] / os.cpu_count()), text
    assert process.returncode == 75, text
    assert text.count("Resume with: gnn-distill train resume=") == 1
    assert not any(Path(f"/proc/{child}").exists() for child in all_of_them.values())
    assert len(metrics(tmp_path / "run")) < len(uninterrupted)
    text = finished(tmp_path, "resume=run")
    assert number == signal.SIGKILL or "Resuming the student after epoch" in text  # killed: it may have saved none
    assert metrics(tmp_path / "run") == uninterrupted


def test_a_signal_to_the_launcher_stops_its_processes(tmp_path: Path) -> None:
    process = started(tmp_path, *SMALL, "trainer.max_epochs=100", "trainer.devices=2", "hydra.run.dir=run")
    once_recorded(process, tmp_path / "run", "teacher", 1)
    all_of_them = processes_of(process.pid)
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 75, text
    assert text.count("Resume with: ") == 1
    assert not any(Path(f"/proc/{child}").exists() for child in all_of_them.values())
