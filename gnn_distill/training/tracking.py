"""Copy a run to a tracker, which can neither fail nor delay it."""

import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Full, Queue
from typing import TYPE_CHECKING, Any

from gnn_distill.formatting import ROLES
from gnn_distill.storage.privacy import shorten_paths

if TYPE_CHECKING:
    import pandas as pd

    from gnn_distill.config.schema.run import TrainConfig

MAX_WAITING = 10_000
"""Messages queued for a slow tracker; more are dropped, with a warning."""
SECONDS_TO_FINISH = {"offline": 10.0, "online": 30.0}
"""How long the end of a run waits for W&B."""


class Tracker:
    """Tracks nothing (`tracker=none`); the interface of every tracker."""

    def log(self, row: Mapping[str, Any]) -> None:
        """One epoch: a row as it goes to metrics.csv; its `stage` becomes the prefix of its keys."""

    def summary(self, values: Mapping[str, Any]) -> None:
        """Final values of the run."""

    def image(self, key: str, path: Path) -> None:
        """A figure."""

    def table(self, key: str, frame: "pd.DataFrame") -> None:
        """A table, such as that of the results."""

    def finish(self, timeout: float | None = None) -> str:
        """Wait a bounded time for pending messages; returns a hint for the user, or "". Never raises."""
        return ""


class WandbTracker(Tracker):
    """Weights & Biases in a process of its own; problems become one warning, and the run continues."""

    def __init__(self, arguments: dict[str, Any], warn: Callable[[str], None]) -> None:
        self._warn, self._warned, self._mode = warn, False, arguments["mode"]
        self._started: dict[str, str] = {}
        self._messages: Queue = Queue(MAX_WAITING)
        # -P: a script's folder must not come before site-packages, its neighbours are named like other packages
        command = [sys.executable, "-P", str(Path(__file__).with_name("wandb_process.py"))]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for the run; W&B then sees its end and closes in order
        )
        self._send("init", **arguments)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        threading.Thread(target=self._write, daemon=True).start()

    def log(self, row: Mapping[str, Any]) -> None:
        """One epoch: `stage` becomes the prefix of the other keys, as in teacher/val/accuracy."""
        values = dict(row)
        stage = values.pop("stage", None)
        self._send("log", row={f"{stage}/{key}" if stage else key: value for key, value in values.items()})

    def summary(self, values: Mapping[str, Any]) -> None:
        """Final values of the run."""
        self._send("summary", values=shorten_paths(dict(values)))

    def image(self, key: str, path: Path) -> None:
        """A PNG file."""
        self._send("image", key=key, path=str(Path(path).resolve()))

    def table(self, key: str, frame: "pd.DataFrame") -> None:
        """A table; NaN becomes an empty cell."""
        rows = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
        self._send("table", key=key, columns=[*frame.columns], rows=rows)

    def finish(self, timeout: float | None = None) -> str:
        """Wait for W&B to write the rest; returns the command that syncs the run, or its address."""
        try:
            self._messages.put_nowait(None)
            self._process.wait(SECONDS_TO_FINISH[self._mode] if timeout is None else timeout)
            self._reader.join(1.0)
        except (Full, subprocess.TimeoutExpired):
            self._problem("is still busy" if self._started else "did not start in time")
            if not self._started and self._mode == "offline":  # going online may be slow, and ends by itself
                self._process.kill()
        if not self._started:
            self._problem("did not start")
            return ""
        url, own = self._started["url"], Path(self._started["folder"])
        offline = [*earlier_folders(own), *([] if url else [own])]
        hints = [url, shlex.join(["wandb", "sync", *map(_short, map(str, offline))]) if offline else ""]
        return ", and ".join(hint for hint in hints if hint)

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
            if "folder" in reply:
                self._started = reply
            if warning := reply.get("warning"):
                self._problem(warning)

    def _problem(self, text: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"Weights & Biases {text}. The run itself is whole: see metrics.csv and summary.json.")


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
    """The tracker that `cfg.tracker` names; returns at once. WANDB_MODE=disabled turns it off.

    `run_id` identifies a run that may be resumed, `resumed` whether it is; `stages` count their epochs each from 1.
    `cfg.tracker.group` and `cfg.tracker.tags` come before, and with, the arguments of these names.
    """
    if cfg.tracker.name == "none" or os.environ.get("WANDB_MODE") == "disabled":
        return Tracker()
    from omegaconf import OmegaConf

    try:
        arguments = {
            "mode": cfg.tracker.mode,
            "stages": list(stages),
            "project": cfg.tracker.project,
            "entity": cfg.tracker.entity,
            "group": cfg.tracker.group or group,
            "name": name,
            "tags": list(dict.fromkeys([*cfg.tracker.tags, *tags])),
            "dir": str(Path(run_dir).resolve()),
            "config": shorten_paths(OmegaConf.to_container(cfg, resolve=True)),
        }
        if run_id:
            arguments |= {"id": run_id, "resume": "allow" if resumed else None}
        return WandbTracker(arguments, warn)
    except Exception as error:  # no tracker is worth a run
        warn(f"Weights & Biases cannot be started ({error}). The run continues without it.")
        return Tracker()


def earlier_folders(own: Path) -> list[Path]:
    """Folders of a run that are still to be synced, besides its `own`: W&B makes one per process of the run."""
    run_id = own.name.rpartition("-")[2]
    parts = sorted(own.parent.glob(f"offline-run-*-{run_id}"))
    return [part for part in parts if part != own and not list(part.glob("*.wandb.synced"))]  # W&B's own mark


def _plain(value: Any) -> Any:
    """NumPy and torch scalars as numbers, all else as text."""
    return value.item() if hasattr(value, "item") else str(value)


def _short(folder: str) -> str:
    """The path from here, where that is shorter."""
    try:
        return min(folder, os.path.relpath(folder), key=len)
    except ValueError:  # another drive
        return folder
