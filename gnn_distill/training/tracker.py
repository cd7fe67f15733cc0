"""What a tracker is, and what it is told of the run that it copies."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class Tracker:
    """Tracks nothing (`tracker=none`); the interface of every tracker, whose methods may fail and take their time."""

    where = ""
    """Where the user finds what was logged: an address, or a command."""

    def log(self, stage: str, row: Mapping[str, float]) -> None:
        """An epoch as in metrics.csv: `epoch`, counted from 1 in each stage, `lr`, `train/loss`, `val/accuracy`, …"""

    def restore(self, stage: str, rows: Sequence[Mapping[str, float]]) -> None:
        """Epochs that earlier processes of a resumed run have logged; some may have been lost with these."""

    def summary(self, values: Mapping[str, Any]) -> None:
        """The content of summary.json: the run has a result."""

    def image(self, key: str, path: str) -> None:
        """A figure, a PNG file."""

    def table(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table; an empty cell is None."""

    def artifact(self, key: str, kind: str, files: Sequence[str]) -> None:
        """Files that belong together, such as a student's; kind: model or dataset."""

    def finish(self, completed: bool = True) -> None:
        """Write what is pending. completed: whether the run has come to its end, or failed or was stopped."""


@dataclass(frozen=True)
class TrackedRun:
    """The run that a tracker copies."""

    name: str
    id: str | None
    """Stays when a run is resumed; None: it cannot be."""
    resumed: bool
    folder: str
    group: str | None
    tags: list[str]
    stages: list[str]
    config: dict[str, Any]
    """All settings of the run, without the locations of files."""
    pid: int
    """The process that makes the run; a tracker has one of its own."""
    warn: Callable[[str], None]
    """Tell the user, as in `run.warn("cannot go online")`; of several warnings the first is shown."""


def flat(values: Mapping[str, Any], separator: str) -> dict[str, Any]:
    """Nested values by joined keys: {"optim.lr": 0.001}; an empty section and a list stay what they are."""
    found = {}
    for key, value in values.items():
        inner = flat(value, separator) if isinstance(value, Mapping) and value else None
        found |= {key: value} if inner is None else {f"{key}{separator}{name}": item for name, item in inner.items()}
    return found


def scores_of(summary: Mapping[str, Any]) -> dict[str, float]:
    """The metrics in a summary by model and part: {"student/test/accuracy": 0.8}."""
    models = {name: parts for name, parts in summary.items() if isinstance(parts, Mapping) and "val" in parts}
    return {key: value for key, value in flat(models, "/").items() if isinstance(value, int | float)}


def describe(error: BaseException) -> str:
    """The first line of an error, short."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__


def short(folder: Path) -> str:
    """The path from here, where that is shorter."""
    try:
        return min(str(folder), os.path.relpath(folder), key=len)
    except ValueError:  # another drive
        return str(folder)
