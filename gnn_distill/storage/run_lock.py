"""The lock of a run directory: one process at a time runs a run."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout

from gnn_distill.errors import UserError
from gnn_distill.storage.run_directory import SUMMARY

RUNNING = "running.lock"
"""Held by the process that runs the run, for as long as it lives."""
LOCK_TIMEOUT = 1.0
"""Seconds that a run waits for that lock, since checking whether it is held takes it for a moment."""


class Busy(UserError):
    """Another process runs the run of this folder."""


@contextmanager
def holding(run_dir: Path, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Within it no other process writes to `run_dir`, which is created if missing; a process may hold it twice.

    The kernel releases the lock when its process dies, however that happens. A finished run needs no lock: its file is
    removed.

    Raises:
        Busy: if another process holds it for longer than `timeout` in seconds; -1: waits without limit.
        UserError: if the folder cannot be locked.
    """
    lock = FileLock((run_dir / RUNNING).resolve(), is_singleton=True)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=timeout)
    except Timeout:
        # Without locks of the file system, the existence of a file is the lock, which outlives its process.
        dead = f" If there is none, remove {lock.lock_file}." if isinstance(lock, SoftFileLock) else ""
        raise Busy(
            f"hydra.run.dir={run_dir}: another process is writing to this folder. Wait for it, or choose another "
            f"folder.{dead}"
        ) from None
    except (OSError, NotImplementedError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(
            f"hydra.run.dir={run_dir}: cannot be written or locked ({why}). Choose a folder that you may write to, on "
            "a file system that supports locks."
        ) from error
    try:
        yield
    finally:
        if (run_dir / SUMMARY).exists():
            with suppress(OSError):
                (run_dir / RUNNING).unlink()
        lock.release()
