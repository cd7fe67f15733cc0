"""The lock of a run directory: held by one process, released with it."""

import errno
import fcntl
import os
import subprocess
import sys
import warnings

import filelock
import pytest

from gnn_distill.errors import UserError
from gnn_distill.storage.checksums import read_json
from gnn_distill.storage.files import is_held
from gnn_distill.storage.run_directory import RunDirectory
from gnn_distill.storage.run_lock import RUNNING, Busy, holding

HOLD = """
import sys, time
from pathlib import Path
from gnn_distill.storage.run_lock import holding
with holding(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_process_holds_a_folder_until_it_dies(tmp_path):
    folder = tmp_path / "new" / "run"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(Busy, match=r"hydra\.run\.dir=.*another process is writing"),
            holding(folder, 0.01),
        ):
            pass
        assert is_held(folder / RUNNING)
        other.kill()
    with holding(folder), holding(folder):  # a process may hold it twice
        assert is_held(folder / RUNNING)
    assert not is_held(folder / RUNNING)


def test_a_finished_run_keeps_no_lock(tmp_path):
    with holding(tmp_path):
        RunDirectory(tmp_path).write_summary({"metric": "accuracy"})
    assert not (tmp_path / RUNNING).exists()
    assert RUNNING not in read_json(tmp_path / "manifest.json")["files"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOLCK, errno.EIO])
def test_a_folder_that_cannot_be_locked_is_the_users_error(tmp_path, monkeypatch, number):
    def refused(*_):
        raise OSError(number, os.strerror(number))

    if number == errno.ENOLCK:  # a network file system without its lock daemon
        monkeypatch.setattr(fcntl, "flock", refused)
    else:
        monkeypatch.setattr(filelock.FileLock, "acquire", lambda *_, **__: refused())
    with (
        pytest.raises(UserError, match=rf"hydra\.run\.dir=.*\({os.strerror(number)}\)\. Choose a folder"),
        holding(tmp_path),
    ):
        pass


def test_where_there_are_no_locks_a_file_stands_for_one(tmp_path, monkeypatch):
    def missing(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", missing)
    other = filelock.SoftFileLock(tmp_path / RUNNING)
    with warnings.catch_warnings(record=True) as told, holding(tmp_path), pytest.raises(filelock.Timeout):
        other.acquire(timeout=0)
    assert "flock not supported" in str(told[0].message)
    other.acquire(timeout=0)
