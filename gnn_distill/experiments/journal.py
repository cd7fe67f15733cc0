"""The file of a study: Optuna's journal, a JSON object per line, whose last line may be torn by a process that died."""

import json
import os
from pathlib import Path
from typing import Any

from filelock import BaseFileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from gnn_distill.storage.bounded import Damaged

AGAIN = "Remove it, and start again: runs that are finished are not repeated."


def open_journal(path: Path, lock: BaseFileLock) -> JournalStorage:
    """The journal at `path`, begun if need be; whoever writes to it holds `lock`, which ends with its process.

    Optuna's own locks are files that outlive their process, and are broken after 30 seconds.

    Raises:
        Damaged: if a line other than the last is not whole.
    """
    with lock:
        try:
            return JournalStorage(_WholeLines(path, lock))
        except ValueError as error:  # of JSON, or of UTF-8
            raise Damaged(path, f"a line cannot be read ({error})", AGAIN) from error


class _WholeLines(JournalFileBackend):
    """Optuna's backend, which cuts off a torn last line before it adds one: else both would be lost."""

    def __init__(self, path: Path, lock: BaseFileLock) -> None:
        super().__init__(str(path), lock_obj=lock)
        self._path, self._guard = path, lock
        cut_torn_end(path)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with self._guard:
            cut_torn_end(self._path)
            super().append_logs(logs)


def cut_torn_end(path: Path) -> None:
    """Cut off the last lines of a file, as far as they are no whole lines of JSON; for whoever holds its lock."""
    with open(path, "rb+") as file:
        while (end := file.seek(0, os.SEEK_END)) and not _is_json(line := _last_line(file, end)):
            file.truncate(end - len(line))


def _last_line(file: Any, end: int) -> bytes:
    """The last line of a file that ends at `end`, with its line end if there is one."""
    size = 4096
    while True:
        start = max(end - size, 0)
        file.seek(start)
        piece = file.read(end - start)
        if (before := piece.rfind(b"\n", 0, -1)) >= 0 or not start:
            return piece[before + 1 :]
        size *= 2


def _is_json(line: bytes) -> bool:
    """Whether a line is whole: JSON, and ended."""
    try:
        return line.endswith(b"\n") and json.loads(line) is not None
    except ValueError:
        return False
