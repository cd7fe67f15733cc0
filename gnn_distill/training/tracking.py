"""Copy a run to a tracker, which can neither fail nor delay it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from queue import Full, Queue
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gnn_distill.config.module_files import PACKAGE
from gnn_distill.config.plugins import module_of
from gnn_distill.formatting import ROLES
from gnn_distill.storage.privacy import shorten_paths
from gnn_distill.training.tracker import Tracker

if TYPE_CHECKING:
    import pandas as pd

    from gnn_distill.config.schema.run import TrackerConfig, TrainConfig

MAX_WAITING = 10_000
"""Messages queued for a slow tracker; more are dropped, with a warning."""
SECONDS_TO_FINISH, SECONDS_TO_STOP = 30.0, 5.0
"""How long a run waits for its tracker at its end, and when it has been stopped."""
MEBIBYTE = 2**20
CHILD = (
    "import json, sys; ours, *others = json.loads(sys.argv[1]); sys.path.insert(0, ours); import gnn_distill; "
    "sys.path[:1] = []; sys.path += others; from gnn_distill.training.tracker_process import main; main()"
)
"""This very package, wherever else there is one. With -P, and with our other places at the end: what is installed comes
before what is called like it in the working folder."""


class TrackerProcess(Tracker):
    """A tracker in a process of its own; problems become one warning, and the run continues."""

    def __init__(
        self, module: ModuleType, config: "TrackerConfig", run: dict[str, Any], warn: Callable[[str], None]
    ) -> None:
        self.title = getattr(module, "TITLE", config.name)
        self._config, self._warn, self._warned = config, warn, False
        self._started = False
        self._messages: Queue = Queue(MAX_WAITING)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", CHILD, json.dumps([str(PACKAGE.parent), *map(os.path.abspath, sys.path)])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for the run; the tracker then sees its end and closes in order
        )
        self._send("start", module=module.__name__, config=asdict(config), run=run)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        threading.Thread(target=self._write, daemon=True).start()

    def log(self, stage: str, row: Mapping[str, float]) -> None:
        """Of one epoch."""
        self._send("log", stage=stage, row=row)

    def restore(self, stage: str, rows: Sequence[Mapping[str, float]]) -> None:
        """One message, however many rows."""
        self._send("restore", stage=stage, rows=rows)

    def summary(self, values: Mapping[str, Any]) -> None:
        """Without the locations of files."""
        self._send("summary", values=shorten_paths(dict(values)))

    def image(self, key: str, path: str) -> None:
        """A PNG file."""
        self._send("image", key=key, path=str(Path(path).resolve()))

    def table(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """NaN becomes an empty cell."""
        cells = [[None if cell != cell else cell for cell in row] for row in rows]
        self._send("table", key=key, columns=columns, rows=cells)

    def artifact(self, key: str, kind: str, files: Sequence[str]) -> None:
        """Those files that are not too large."""
        sizes = {str(Path(file).resolve()): Path(file).stat().st_size / MEBIBYTE for file in files}
        for file, size in sizes.items():
            if size > self._config.artifact_mb:
                self._warn(
                    f"{self.title} gets no copy of {Path(file).name}: its {size:.0f} MiB are more than "
                    f"tracker.artifact_mb={self._config.artifact_mb:g}."
                )
        if small := [file for file, size in sizes.items() if size <= self._config.artifact_mb]:
            self._send("artifact", key=key, kind=kind, files=small)

    def finish(self, completed: bool = True, timeout: float | None = None) -> None:
        """Wait a bounded time for the tracker to write the rest. Never raises."""
        if timeout is None:
            timeout = SECONDS_TO_FINISH if completed else SECONDS_TO_STOP
        self._send("finish", completed=completed)
        try:
            self._messages.put_nowait(None)
            self._process.wait(timeout)
            self._reader.join(1.0)
        except (Full, subprocess.TimeoutExpired):  # the process ends by itself, in time or by force
            self._problem("is still busy" if self._started else "did not start in time")
        if not self._started:
            self._problem("did not start")
        elif self._process.returncode:
            self._problem("has ended before the run did")

    def _send(self, method: str, **arguments: Any) -> None:
        try:
            self._messages.put_nowait(json.dumps([method, arguments], default=_plain) + "\n")
        except Full:
            self._problem("does not keep up; rows are lost to it")
        except (TypeError, ValueError) as error:
            self._problem(f"cannot log this ({error})")

    def _write(self) -> None:
        with suppress(OSError), self._process.stdin as stdin:  # if it has ended, its reply or finish says why
            for line in iter(self._messages.get, None):
                stdin.write(line)
                stdin.flush()

    def _read(self) -> None:
        for line in self._process.stdout:
            reply = json.loads(line)
            if "where" in reply:
                self._started, self.where = True, f"{self.title}: {where}" if (where := reply["where"]) else ""
            if warning := reply.get("warning"):
                self._problem(warning)

    def _problem(self, text: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"{self.title} {text}. The run itself is whole: see metrics.csv and summary.json.")


def start_tracker(
    cfg: "TrainConfig",
    run_dir: Path,
    name: str,
    group: str | None = None,
    tags: Sequence[str] = (),
    warn: Callable[[str], None] = print,
    run_id: str | None = None,
    resumed: bool = False,
    stages: Sequence[str] = tuple(ROLES),
) -> Tracker:
    """The tracker that `cfg.tracker` names; returns at once. WANDB_MODE=disabled turns W&B off.

    `run_id` identifies a run that may be resumed, `resumed` whether it is; `stages` count their epochs each from 1.
    `cfg.tracker.group` and `cfg.tracker.tags` come before, and with, the arguments of these names.

    Raises UserError if it is a module of the user's that does not exist, or has no function `start`.
    """
    chosen = cfg.tracker.name
    if chosen == "none" or (chosen == "wandb" and os.environ.get("WANDB_MODE") == "disabled"):
        return Tracker()
    from omegaconf import OmegaConf

    module = module_of("tracker.name", chosen, "start")
    try:
        run = {
            "name": name,
            "id": run_id,
            "resumed": resumed,
            "folder": str(Path(run_dir).resolve()),
            "group": cfg.tracker.group or group,
            "tags": list(dict.fromkeys([*cfg.tracker.tags, *tags])),
            "stages": list(stages),
            "config": shorten_paths(OmegaConf.to_container(cfg, resolve=True)),
            "pid": os.getpid(),
        }
        return TrackerProcess(module, OmegaConf.to_object(cfg.tracker), run, warn)
    except Exception as error:  # no tracker is worth a run
        warn(f"tracker={chosen} cannot be started ({error}). The run continues without it.")
        return Tracker()


def cells(frame: "pd.DataFrame") -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of a table, as a tracker takes them."""
    return [*frame.columns], frame.to_numpy(dtype=object).tolist()


def _plain(value: Any) -> Any:
    """NumPy and torch scalars as numbers, all else as text."""
    return value.item() if hasattr(value, "item") else str(value)
