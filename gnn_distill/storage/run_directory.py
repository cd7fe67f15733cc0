"""The run directory: what a run writes can be read at any moment, is never half a file, and can be verified."""

import json
import math
import os
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gnn_distill.config.quoting import resume_command
from gnn_distill.errors import UserError
from gnn_distill.storage.bounded import reading, stay_inside
from gnn_distill.storage.checksums import Damaged, OlderVersion, read_json, write_json
from gnn_distill.storage.files import append, fingerprint, remove_temporaries, replace_file, set_aside
from gnn_distill.storage.metrics_file import (
    METRICS_FILE,
    column_order,
    columns_by_stage,
    format_rows,
    plain_number,
    recorded_epochs,
)

SUMMARY = "summary.json"
RUN = "run.json"
"""Facts about a run, which a resumed one reads."""
PROBE = "probe.json"
"""What its models know of structure, if they were probed."""
PROFILE = "profile.json"
"""Influence, attention and errors by distance, if they were asked for."""
ALONE = "checkpoints/student_alone.safetensors"
"""The student alone of the same run, if it trained one."""
MANIFEST = "manifest.json"
SPLIT = "split.safetensors"
"""Ids of the graphs, or at node level of the nodes, of each part: train, val and test, int64."""
PREDICTIONS = "predictions.csv"
"""Labels of the validation and test examples, and what each model says of them."""
CONSOLE = "console.log"
"""What the run printed, line by line; a resumed run appends to it."""
FAILED = "failed.json"
"""Why a run failed: its message as `error`, and, unless a user caused it, the end of the `traceback`."""
KEPT = (METRICS_FILE, RUN, SPLIT, PREDICTIONS, "student.*", "checkpoints/*.safetensors", "figures/*", ".hydra/*.yaml")
"""Files that a manifest lists; summary.json carries its own checksum."""
REPEAT_RUN = "Repeat the run: remove its folder, or choose another."
START_OVER = "Remove the folder and start a new run."
LAST_LINES = 20
"""Number of lines of a traceback that are kept."""


class RunDirectory:
    """Folders and files of one run: metrics.csv, summary.json, run.json, console.log, checkpoints/ and others.

    `facts` is the content of run.json, `recorded` the epochs, as (stage, epoch), that an earlier process recorded.
    metrics.csv is rewritten from its first row on: a resumed run records again what its checkpoints hold. Only for a
    process that is `holding` the folder.

    Raises UserError if the folder cannot be written, holds a finished run, or, without `resume`, an unfinished one.
    """

    def __init__(self, path: Path | str, resume: bool = False) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.figures = self.path / "figures"
        self.last = self.checkpoints / "last.safetensors"
        """The student's state after the last epoch that was written."""
        self.console_log = self.path / CONSOLE
        self.facts: dict[str, Any] = {}
        self.recorded: set[tuple[str, int]] = set()
        self._rows: list[dict[str, Any]] = []
        self._columns: list[str] = []
        if (self.path / SUMMARY).exists():
            raise UserError(
                f"hydra.run.dir={self.path}: this folder holds a finished run. Choose another, or remove it first."
            )
        if resume and ((self.path / RUN).exists() or self.last.exists()):
            _stay_inside(self.path)
            self.facts = read_json(self.path / RUN, START_OVER)
            self.recorded = recorded_epochs(self.path / METRICS_FILE)
        elif self.last.exists() or ((self.path / RUN).exists() and _has_begun(self.path)):
            raise UserError(
                f"hydra.run.dir={self.path}: this folder holds an unfinished run. Resume it: "
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
        """Add facts to run.json, for resuming the run; that of a finished run stays unchanged."""
        self.facts |= facts
        if not (self.path / SUMMARY).exists():
            write_json(self.path / RUN, strict(self.facts))

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add a row to metrics.csv; a new column rewrites the file, so that its header is always the union."""
        self._rows.append(dict(row))
        if new := [key for key in row if key not in self._columns]:
            self._columns = sorted([*self._columns, *new], key=column_order)
            replace_file(self.path / METRICS_FILE, format_rows(self._columns, self._rows, header=True))
        else:
            append(self.path / METRICS_FILE, format_rows(self._columns, self._rows[-1:]))

    def forget(self, stage: str) -> None:
        """Drop the rows of a stage that starts from scratch."""
        others = [row for row in self._rows if row["stage"] != stage]
        if len(others) < len(self._rows):
            self._rows = others
            replace_file(self.path / METRICS_FILE, format_rows(self._columns, self._rows, header=True))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json, which marks the run as finished: keys as given, numbers that are not finite as null.

        All other files of the run exist by now: their checksums go to manifest.json first.
        """
        files = {name: fingerprint(self.path / name) for name in listed_files(self.path)}
        write_json(self.path / MANIFEST, {"files": files})
        write_json(self.path / SUMMARY, strict(summary))


class ReadDirectory(RunDirectory):
    """The run directory of a process that makes a run together with the one that writes it: nothing is written."""

    def __init__(self, path: Path, facts: dict[str, Any]) -> None:
        self.path, self.checkpoints, self.figures = path, path / "checkpoints", path / "figures"
        self.last, self.console_log = self.checkpoints / "last.safetensors", path / CONSOLE
        self.facts, self.recorded = facts, set()

    def remember(self, **facts: Any) -> None:
        """Nothing goes to run.json."""
        self.facts |= facts

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Nothing goes to metrics.csv."""

    def forget(self, stage: str) -> None:
        """There is nothing to drop."""

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """No summary.json."""


def write_failure(run_dir: Path, error: BaseException) -> None:
    """Write failed.json: the message of an error, and, unless a user caused it, the last lines of its traceback."""
    failure = {"error": str(error)}
    if not isinstance(error, UserError):
        lines = "".join(traceback.format_exception(error)).splitlines()
        failure = {"error": f"{type(error).__name__}: {error}", "traceback": "\n".join(lines[-LAST_LINES:])}
    replace_file(run_dir / FAILED, json.dumps(failure, indent=2) + "\n")


def read_summary(run_dir: Path | str) -> dict[str, Any]:
    """The summary of a finished run. Raises Damaged or OtherVersion, naming the file."""
    return read_json(Path(run_dir) / SUMMARY, REPEAT_RUN)


def is_finished(run_dir: Path) -> bool:
    """Whether a run has finished; a damaged or outdated summary is set aside, so that the run can be repeated."""
    try:
        return (run_dir / SUMMARY).exists() and bool(read_summary(run_dir))
    except (Damaged, OlderVersion):
        with suppress(FileNotFoundError):  # another process was faster
            set_aside(run_dir / SUMMARY)
        return False


def listed_files(run_dir: Path) -> list[str]:
    """Names of the files of a run that its manifest lists."""
    return [path.relative_to(run_dir).as_posix() for path in _matching(run_dir) if path.is_file()]


def _stay_inside(run_dir: Path) -> None:
    """Raise Damaged if a file or folder that a run writes links outside its folder."""
    for name in {pattern.partition("/")[0] for pattern in KEPT if "/" in pattern}:
        if not Path(os.path.realpath(run_dir / name)).is_relative_to(os.path.realpath(run_dir)):
            raise Damaged(run_dir / name, "it links outside its folder", REPEAT_RUN)
    for file in _matching(run_dir):
        stay_inside(run_dir, file, REPEAT_RUN)


def _matching(run_dir: Path) -> list[Path]:
    """Everything whose name a manifest would list, whatever kind of file it is."""
    return [path for pattern in KEPT for path in sorted(run_dir.glob(pattern))]


def verify_run(run_dir: Path, *names: str) -> None:
    """Raise Damaged, naming the file, if one of these files of a finished run (default: all) has changed since.

    Files of unfinished runs, and files that were removed, are not verified.
    """
    if not (run_dir / SUMMARY).exists() or not (run_dir / MANIFEST).exists():
        return
    listed = read_json(run_dir / MANIFEST, REPEAT_RUN)["files"]
    for name in names or listed:
        file = run_dir / name
        if name in listed and os.path.lexists(file):
            stay_inside(run_dir, file, REPEAT_RUN)
            with reading(file, REPEAT_RUN):
                if fingerprint(file) != listed[name]:
                    raise Damaged(file, f"its content does not match {MANIFEST}", REPEAT_RUN)


def read_metrics(run_dir: Path | str) -> dict[str, dict[str, list[float]]]:
    """Columns of metrics.csv by stage: an empty cell is NaN, a column that is empty for a stage is left out.

    Raises Damaged where a finished run left it otherwise.
    """
    run_dir = Path(run_dir)
    verify_run(run_dir, METRICS_FILE)
    return columns_by_stage(run_dir / METRICS_FILE, REPEAT_RUN)


def _has_begun(run_dir: Path) -> bool:
    """Whether an unfinished run has completed a stage: only then would starting over lose something."""
    return bool(read_json(run_dir / RUN, "Remove the folder, or choose another.").get("seconds"))


def strict(value: Any) -> Any:
    """`value` in the types of strict JSON."""
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    value = plain_number(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
