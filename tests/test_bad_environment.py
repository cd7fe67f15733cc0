"""What surrounds a run: streams that are closed or full, folders that are gone, variables that make no sense."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = f"{sys.executable} -m gnn_distill"
ODD = {"OMP_NUM_THREADS": "abc", "COLUMNS": "1", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "MPLBACKEND": "nope"}
# A line for a shell, its exit code, and what it says on stderr.
LINES = {
    "closed output": ("{program} datasets >&-", 0, ""),
    "closed output and errors": ("{program} train seed=x >&- 2>&-", 1, ""),
    "full output": ("{program} datasets >/dev/full", 1, "cannot write any further output (No space left on device)."),
    "a reader that has seen enough": ("{program} datasets | head -1", 0, ""),
    "folder that is gone": (
        "mkdir gone && cd gone && rmdir ../gone && {program} train", 1, "cannot work in this folder (No such file or",
    ),
    "no home": ("env -u HOME COLUMNS=1 LC_ALL=C PYTHONIOENCODING=ascii {program} datasets", 0, ""),
}  # fmt: skip


def shell(line: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    return subprocess.run(line, shell=True, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("case", LINES)
def test_a_bad_place_to_work_in(case: str, tmp_path: Path):
    line, status, told = LINES[case]
    answer = shell(line.format(program=PROGRAM), tmp_path)
    assert answer.returncode == status, answer.stderr
    assert told in answer.stderr
    assert bool(told) == bool(answer.stderr)
    assert "Traceback" not in answer.stderr


@pytest.mark.slow
def test_a_run_among_odd_variables(tmp_path: Path):
    words = "dataset=typed_edges dataset.num_train=12 dataset.num_val=10 dataset.num_test=10 trainer.max_epochs=1"
    words += " trainer.threads=1 teacher=none loss=task tracker=none hydra.run.dir=run"
    line = f"env -u HOME {PROGRAM} train {words}"
    answer = shell(line, tmp_path, **ODD)
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "run" / "summary.json").is_file()
