"""The folder a run leaves: what is written there can be read at any moment, is never half a file, and can be tested."""

import csv
import io
import json
import math
import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, SoftFileLock, Timeout

from gnn_distill.config.quoting import resume_command
from gnn_distill.errors import UserError
from gnn_distill.storage.bounded import read_csv, reading, stay_inside
from gnn_distill.storage.checksums import Damaged, OlderVersion, read_json, write_json
from gnn_distill.storage.files import append, fingerprint, remove_temporaries, replace_file, set_aside

SUMMARY = "summary.json"
METRICS = "metrics.csv"
RUN = "run.json"
"""What a run that is under way knows of itself; one that goes on reads it."""
MANIFEST = "manifest.json"
SPLIT = "split.safetensors"
"""Ids of the graphs, or at node level of the nodes, of each part: train, val and test, int64."""
CONSOLE = "console.log"
"""What the run told, line by line; a run that goes on adds to it."""
FAILED = "failed.json"
"""Why a run failed: its message as `error`, and, where no user could cause it, the end of the `traceback`."""
RUNNING = "running.lock"
"""Held by the process that makes the run, for as long as it lives."""
WAIT = 1.0
"""Seconds that a run waits for that lock: whoever asks whether it is held holds it for a moment."""
KEPT = (METRICS, RUN, SPLIT, "student.*", "checkpoints/*.safetensors", "figures/*", ".hydra/*.yaml")
"""What a manifest tells of; summary.json has a checksum of its own."""
AGAIN = "Make the run again: remove its folder, or choose another."
MOST_STAGES = 16
LAST_LINES = 20
"""Of a traceback that is kept."""


class Busy(UserError):
    """Another process makes the run of this folder."""


@contextmanager
def holding(run_dir: Path, patience: float = WAIT) -> Iterator[None]:
    """Within it no other process writes `run_dir`, which is made if need be; a process may hold it twice.

    The kernel lets go of the lock when its process dies, however it does. A finished run needs none: its file goes.

    Raises:
        Busy: if another process holds it for longer than `patience` in seconds; -1: waits for ever.
        UserError: where nothing can be locked.
    """
    lock = FileLock((run_dir / RUNNING).resolve(), is_singleton=True)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=patience)
    except Timeout:
        # Where the file system has no locks, a file stands for one, and outlives its process.
        dead = f" If none is, remove {lock.lock_file}." if isinstance(lock, SoftFileLock) else ""
        raise Busy(
            f"hydra.run.dir={run_dir}: another process is making this run. Wait for it, or choose another folder.{dead}"
        ) from None
    except (OSError, NotImplementedError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(
            f"hydra.run.dir={run_dir}: cannot be written, or holds no lock ({why}). Choose a folder that you may write "
            "to, on a file system that can lock files."
        ) from error
    try:
        yield
    finally:
        if (run_dir / SUMMARY).exists():
            with suppress(OSError):
                (run_dir / RUNNING).unlink()
        lock.release()


class RunDirectory:
    """Folders and files of one run: metrics.csv, summary.json, run.json, console.log, checkpoints/ and others.

    `facts` are what run.json holds, and `told` the epochs, as (stage, epoch), that an earlier process had recorded.
    metrics.csv is written anew from the first row on: a run that goes on records again what its checkpoints hold.
    For a process that is `holding` the folder.

    Raises UserError if the folder cannot be written, or holds a finished run, or, without `resume`, one under way.
    """

    def __init__(self, path: Path | str, resume: bool = False) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.figures = self.path / "figures"
        self.last = self.checkpoints / "last.safetensors"
        """The student's state after the last epoch that was written."""
        self.console_log = self.path / CONSOLE
        self.facts: dict[str, Any] = {}
        self.told: set[tuple[str, int]] = set()
        self._rows: list[dict[str, Any]] = []
        self._columns: list[str] = []
        if (self.path / SUMMARY).exists():
            raise UserError(
                f"hydra.run.dir={self.path}: this folder holds a finished run. Choose another, or remove it first."
            )
        if resume and ((self.path / RUN).exists() or self.last.exists()):
            _stay_inside(self.path)
            self.facts = read_json(self.path / RUN, "Remove the folder, and start the run anew.")
            self.told = _recorded(self.path / METRICS)
        elif self.last.exists() or ((self.path / RUN).exists() and _has_begun(self.path)):
            raise UserError(
                f"hydra.run.dir={self.path}: this folder holds an unfinished run. Go on with it: "
                f"{resume_command(self.path)}; or choose another folder, or remove it first."
            )
        try:
            for folder in (self.checkpoints, self.figures):
                folder.mkdir(parents=True, exist_ok=True)
            (self.path / ".writable").touch()
            (self.path / ".writable").unlink()
            for folder in (self.path, self.checkpoints):
                remove_temporaries(folder)
            (self.path / FAILED).unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                f"hydra.run.dir={self.path}: cannot be written ({error.strerror}). Choose another folder."
            ) from error

    def remember(self, **facts: Any) -> None:
        """Add to what is known of the run, for whoever goes on with it; a finished one's file stays as it is."""
        self.facts |= facts
        if not (self.path / SUMMARY).exists():
            write_json(self.path / RUN, _strict(self.facts))

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add a row to metrics.csv; a new column rewrites the file, so that its header is always the union."""
        self._rows.append(dict(row))
        if new := [key for key in row if key not in self._columns]:
            self._columns = sorted([*self._columns, *new], key=_column_order)
            replace_file(self.path / METRICS, _csv(self._columns, self._rows, header=True))
        else:
            append(self.path / METRICS, _csv(self._columns, self._rows[-1:]))

    def forget(self, stage: str) -> None:
        """Drop the rows of a stage that is begun anew."""
        kept = [row for row in self._rows if row["stage"] != stage]
        if len(kept) < len(self._rows):
            self._rows = kept
            replace_file(self.path / METRICS, _csv(self._columns, self._rows, header=True))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json, which makes the run a finished one: keys as given, numbers that are not finite as null.

        All other files of the run are there by now: their checksums go to manifest.json first.
        """
        files = {name: fingerprint(self.path / name) for name in kept(self.path)}
        write_json(self.path / MANIFEST, {"files": files})
        write_json(self.path / SUMMARY, _strict(summary))


def write_failure(run_dir: Path, error: BaseException) -> None:
    """Write failed.json: the message of an error, and of one that no user can cause the last lines of its traceback."""
    told = {"error": str(error)}
    if not isinstance(error, UserError):
        lines = "".join(traceback.format_exception(error)).splitlines()
        told = {"error": f"{type(error).__name__}: {error}", "traceback": "\n".join(lines[-LAST_LINES:])}
    replace_file(run_dir / FAILED, json.dumps(told, indent=2) + "\n")


def read_summary(run_dir: Path | str) -> dict[str, Any]:
    """What a finished run wrote; raises Damaged or OtherVersion, naming the file."""
    return read_json(Path(run_dir) / SUMMARY, AGAIN)


def is_finished(run_dir: Path) -> bool:
    """Whether a run ended; a summary that is not whole, or too old, is set aside, so that the run can be made again."""
    try:
        return (run_dir / SUMMARY).exists() and bool(read_summary(run_dir))
    except (Damaged, OlderVersion):
        with suppress(FileNotFoundError):  # another process was faster
            set_aside(run_dir / SUMMARY)
        return False


def kept(run_dir: Path) -> list[str]:
    """Names of the files that a manifest tells of."""
    return [path.relative_to(run_dir).as_posix() for path in _matching(run_dir) if path.is_file()]


def _stay_inside(run_dir: Path) -> None:
    """Raise Damaged where a file or folder that a run writes is a link to another place."""
    for name in {pattern.partition("/")[0] for pattern in KEPT if "/" in pattern}:
        if not Path(os.path.realpath(run_dir / name)).is_relative_to(os.path.realpath(run_dir)):
            raise Damaged(run_dir / name, "it is a link to another place", AGAIN)
    for file in _matching(run_dir):
        stay_inside(run_dir, file, AGAIN)


def _matching(run_dir: Path) -> list[Path]:
    """What has a name that a manifest tells of, whatever it is."""
    return [path for pattern in KEPT for path in sorted(run_dir.glob(pattern))]


def check(run_dir: Path, *names: str) -> None:
    """Raise Damaged, naming the file, unless these files of a run (all by default) are as it left them when it ended.

    What an unfinished run wrote is not tested, nor what has been removed.
    """
    if not (run_dir / SUMMARY).exists() or not (run_dir / MANIFEST).exists():
        return
    told = read_json(run_dir / MANIFEST, AGAIN)["files"]
    for name in names or told:
        file = run_dir / name
        if name in told and os.path.lexists(file):
            stay_inside(run_dir, file, AGAIN)
            with reading(file, AGAIN):
                if fingerprint(file) != told[name]:
                    raise Damaged(file, f"its content is not what {MANIFEST} tells", AGAIN)


def read_metrics(run_dir: Path | str) -> dict[str, dict[str, list[float]]]:
    """Columns of metrics.csv by stage: an empty cell is NaN, a column that is empty for a stage is left out.

    Raises Damaged where a finished run left it otherwise.
    """
    run_dir = Path(run_dir)
    check(run_dir, METRICS)
    columns, rows = read_csv(run_dir / METRICS, run_dir, AGAIN)
    if not rows:
        return {}
    place = columns.index("stage")
    stages: dict[str, list[list[str]]] = {}
    for row in rows:
        stages.setdefault(row[place], []).append(row)
    if len(stages) > MOST_STAGES:
        raise Damaged(run_dir / METRICS, f"it has {len(stages):,} stages; at most {MOST_STAGES} are read", AGAIN)
    return {
        stage: {
            column: [float(row[index] or "nan") for row in of_stage]
            for index, column in enumerate(columns)
            if index != place and any(row[index] for row in of_stage)
        }
        for stage, of_stage in stages.items()
    }


def _has_begun(run_dir: Path) -> bool:
    """Whether an unfinished run has ended a stage: only then would starting it anew lose something."""
    return bool(read_json(run_dir / RUN, "Remove the folder, or choose another.").get("seconds"))


def _recorded(path: Path) -> set[tuple[str, int]]:
    """Stage and epoch of every row of metrics.csv; its last line may be torn."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            rows = [(row.get("stage"), row.get("epoch") or "") for row in csv.DictReader(file)]
    except (OSError, csv.Error):
        return set()
    return {(stage, int(epoch)) for stage, epoch in rows if epoch.isdecimal()}


def _column_order(column: str) -> tuple[bool, bool, str]:
    """Stage and epoch, the other plain columns, then train/... and val/...; each in order of appearance."""
    part, slash, _ = column.partition("/")
    return column != "stage", column != "epoch", part if slash else ""


def _csv(columns: list[str], rows: list[dict[str, Any]], header: bool = False) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows({key: _number(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _number(value: Any) -> Any:
    """NumPy and torch scalars as Python numbers."""
    return value.item() if hasattr(value, "item") else value


def _strict(value: Any) -> Any:
    """`value` in the types of strict JSON."""
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    value = _number(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
