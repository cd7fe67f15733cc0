"""The file of a study: Optuna's journal, one JSON object per line. A process that dies may truncate the last one."""

import json
import os
from pathlib import Path
from typing import Any

from filelock import BaseFileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from gnn_distill.storage.bounded import Damaged

START_OVER = "Remove it and start again: finished runs are not repeated."


def open_journal(path: Path, lock: BaseFileLock) -> JournalStorage:
    """Open or create the journal at `path`; `lock` is held for writing, and the system releases it when a process dies.

    Optuna's own locks are files that outlive their process and are broken after 30 seconds.

    Raises:
        Damaged: if a line other than the last ones cannot be read.
    """
    with lock:
        try:
            return JournalStorage(_RepairingBackend(path, lock))
        except ValueError as error:  # of JSON, or of UTF-8
            raise Damaged(path, f"a line cannot be read ({error})", START_OVER) from error


class _RepairingBackend(JournalFileBackend):
    """Optuna's backend, but a truncated last line is removed before another is appended to it and both are lost."""

    def __init__(self, path: Path, lock: BaseFileLock) -> None:
        super().__init__(str(path), lock_obj=lock)
        self._path, self._guard = path, lock
        remove_truncated_end(path)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with self._guard:
            remove_truncated_end(self._path)
            super().append_logs(logs)


def remove_truncated_end(path: Path) -> None:
    """Remove lines from the end of a file until the last one is complete JSON; the caller holds its lock."""
    with open(path, "rb+") as file:
        while (end := file.seek(0, os.SEEK_END)) and not _is_json(line := _last_line(file, end)):
            file.truncate(end - len(line))


def _last_line(file: Any, end: int) -> bytes:
    """The last line of a file of `end` bytes, with its line break if it has one."""
    size = 4096
    while True:
        start = max(end - size, 0)
        file.seek(start)
        piece = file.read(end - start)
        if (before := piece.rfind(b"\n", 0, -1)) >= 0 or not start:
            return piece[before + 1 :]
        size *= 2


def _is_json(line: bytes) -> bool:
    """Whether a line is complete: JSON, and a line break."""
    try:
        return line.endswith(b"\n") and json.loads(line) is not None
    except ValueError:
        return False
