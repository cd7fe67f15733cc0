"""Tables that are stopped in the middle, made by several processes, or lose one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from small_tables import SMALL, TINY, summaries

pytestmark = pytest.mark.usefixtures("no_figures")


def test_what_another_process_makes_is_left_to_it(gnn_distill: Callable, tmp_path: Path) -> None:
    words = (*SMALL, "table.sizes.smoke.rows=[teacher]", "table.search=[]")
    assert gnn_distill(*words)[0] == 0
    first, second = sorted(tmp_path.glob("outputs/cells/*"))
    (first / "summary.json").unlink()
    (second / "summary.json").unlink()
    with FileLock(first / "running.lock"):
        assert "2 runs: 1 running, 1 missing; 1 to be made" in gnn_distill(*words, "table.status=true")[1]
        status, out, _ = gnn_distill(*words)
        assert status == 0
        assert "Note: 1 run is being made by another process." in out
        assert run_is_left_alone(first)
    assert "1 finished; 1 to be made" in gnn_distill(*words)[1]
    assert len(summaries(tmp_path)) == 2


def test_a_run_with_a_damaged_summary_is_told_and_made_again(gnn_distill: Callable, tmp_path: Path) -> None:
    words = (*SMALL, "table.sizes.smoke.rows=[teacher]", "table.search=[]")
    assert gnn_distill(*words)[0] == 0
    made = summaries(tmp_path)
    first, second = (path / "summary.json" for path in sorted(tmp_path.glob("outputs/cells/*")))
    first.write_bytes(first.read_bytes()[:-20])
    second.write_text('{"metric": "accuracy"}')
    assert "2 runs: 2 missing; 2 to be made" in gnn_distill(*words, "table.status=true")[1]
    status, out, _ = gnn_distill(*words)
    assert status == 0
    assert f"Warning: {first.relative_to(tmp_path)}: is damaged: it is truncated" in out
    assert "Warning: 1 folders of runs are ignored." in out
    assert [path.with_name("summary.json.damaged").exists() for path in (first, second)] == [True, True]
    assert {name: value for name, (value, _) in summaries(tmp_path).items()} == {
        name: value for name, (value, _) in made.items()
    }


def run_is_left_alone(folder: Path) -> bool:
    """Whether a launched job would keep away from a run, planned before the other process began."""
    words = [sys.executable, "-c", KEEPS_AWAY, str(folder)]
    return subprocess.run(words, check=False, timeout=60).returncode == 0 and not (folder / "summary.json").exists()


KEEPS_AWAY = """
import math, sys
from types import SimpleNamespace
from hydra.core.hydra_config import HydraConfig
from gnn_distill.experiments.launch import run_quietly
HydraConfig.get = lambda: SimpleNamespace(runtime=SimpleNamespace(output_dir=sys.argv[1]))
assert math.isnan(run_quietly(None))
"""


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_and_two_jobs_give_the_same(tmp_path: Path) -> None:
    def start(folder: Path, *words: str) -> subprocess.Popen:
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "gnn_distill", *SMALL, "table.sizes.smoke.rows=[teacher,alone,kd]", *words]
        return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, start_new_session=True)

    killed, whole, joined = (tmp_path / name for name in ("killed", "whole", "joined"))
    process = start(killed)
    while len(summaries(killed)) < 2:
        time.sleep(0.05)
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = summaries(killed)
    assert 2 <= len(before) < 6
    assert start(killed).wait() == 0
    after = summaries(killed)
    assert {name: after[name] for name in before} == before, "finished runs were made again"

    assert start(whole).wait() == 0
    assert start(joined, "table.jobs=2").wait() == 0
    values = [{name: value for name, (value, _) in summaries(folder).items()} for folder in (killed, whole, joined)]
    assert len(values[0]) == 6
    assert values[0] == values[1] == values[2]
    tables = [(folder / "outputs/tables/main/smoke/table.json").read_text() for folder in (killed, whole, joined)]
    assert tables[0] == tables[1] == tables[2]


@pytest.mark.slow
def test_a_worker_that_is_killed_is_told_of_and_the_next_start_goes_on(tmp_path: Path) -> None:
    """Out of memory, a worker takes the launcher with it: what is finished stays."""
    (tmp_path / "killed.py").write_text(
        "import os, pathlib, signal, torch\n"
        "class GNN(torch.nn.Module):\n"
        "    def __init__(self, **_):\n"
        "        if not pathlib.Path('mended').exists(): os.kill(os.getpid(), signal.SIGKILL)\n"
        "        raise ValueError('mended')\n"
    )
    words = [*SMALL, "table.sizes.smoke.rows=[alone,kd]", "table.sizes.smoke.pairs.seed=[0]", "table.search=[]"]
    words += ["table.rows.kd.overrides=['teacher=custom','teacher.target=killed.GNN','teacher.hidden_channels=8']"]
    words += ["table.jobs=2"]
    command = [sys.executable, "-m", "gnn_distill", *words]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}

    def start() -> subprocess.CompletedProcess:
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    first = start()
    assert first.returncode == 1
    assert "the launcher stopped (TerminatedWorkerError" in first.stderr
    assert "Start the command again to continue." in first.stderr
    (tmp_path / "mended").touch()
    second = start()
    assert second.returncode == 1
    assert "1 of 2 runs failed" in second.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_table_that_is_stopped_takes_its_workers_with_it(number: int, tmp_path: Path) -> None:
    long = [*TINY[:-1], "trainer.max_epochs=100000"]
    words = [*SMALL, f"table.sizes.smoke.overrides={long}", "table.jobs=2"]
    command = [sys.executable, "-m", "gnn_distill", *words, "table.sizes.smoke.rows=[alone]"]
    # Workers hold the pipe as well: it ends when the last of them has gone.
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as table:
        while sum(b"epoch" in log.read_bytes() for log in tmp_path.glob("outputs/cells/*/run.log")) < 2:
            assert table.poll() is None
            time.sleep(0.1)
        table.send_signal(number)
        out = table.communicate(timeout=60)[0].decode()
    if number == signal.SIGTERM:
        assert table.returncode == 75
        assert "gnn-distill table: stopped by SIGTERM. Start the same command again to continue." in out
    locks = [FileLock(path) for path in tmp_path.glob("outputs/cells/*/running.lock")]
    assert len(locks) == 2
    for lock in locks:
        with lock.acquire(timeout=0):
            pass
