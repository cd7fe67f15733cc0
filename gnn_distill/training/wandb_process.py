"""The process that talks to Weights & Biases; started as a script, it reads JSON lines.

A process of its own, since a thread cannot be left behind: wandb's exit hooks wait for its service, its import
holds the interpreter lock, and a login prompt looks for the terminal. This file imports nothing of the package.
"""

import json
import os
import sys
import threading
import time
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

LINGER = 120.0
"""Seconds that wandb may take after the end of the run before this process gives up."""
INIT_TIMEOUT = 20.0
"""Seconds for going online."""
QUIET = {
    "silent": True,
    "console": "off",
    "save_code": False,
    "disable_code": True,
    "disable_git": True,
    "symlink": False,
    "x_disable_stats": True,  # they would be those of this process
    "x_disable_meta": True,
    "init_timeout": INIT_TIMEOUT,
}


class WandbRun:
    """One W&B run: `init` starts it, and every other method is one message of the tracker."""

    def init(self, mode: str, stages: list[str], **arguments: Any) -> dict[str, str]:
        """Start the run, offline if online fails; returns its folder and address, and a warning where one is due."""
        import wandb

        known = getattr(wandb.Settings, "model_fields", QUIET)
        settings = wandb.Settings(**{key: value for key, value in QUIET.items() if key in known})
        reply = {"mode": mode}
        try:
            self.run = wandb.init(mode=mode, settings=settings, **arguments)
        except Exception as error:
            if mode == "offline":
                raise
            reply = {"mode": "offline", "warning": f"cannot go online ({describe(error)}); logging offline instead"}
            self.run = wandb.init(mode="offline", settings=settings, **arguments)
        for stage in stages:  # the stages count their epochs each from 1, W&B's own step only goes up
            self.run.define_metric(f"{stage}/epoch", hidden=True)
            self.run.define_metric(f"{stage}/*", step_metric=f"{stage}/epoch")
        url = getattr(self.run, "url", None) if reply["mode"] == "online" else None
        return reply | {"folder": str(self.run.settings.sync_dir), "url": url or ""}

    def log(self, row: dict[str, Any]) -> None:
        """One row of the history."""
        self.run.log(row)

    def summary(self, values: dict[str, Any]) -> None:
        """Final values of the run."""
        self.run.summary.update(values)

    def image(self, key: str, path: str) -> None:
        """A figure."""
        import wandb

        self.run.log({key: wandb.Image(path)})

    def table(self, key: str, columns: list[str], rows: list[list[Any]]) -> None:
        """A table."""
        import wandb

        self.run.log({key: wandb.Table(columns=columns, data=rows, allow_mixed_types=True)})


def describe(error: BaseException) -> str:
    """The first line of an error, short."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__


def read(messages: SimpleQueue) -> None:
    """Pass the lines of stdin on; when they end, so does this process, in time or by force."""
    for line in sys.stdin:
        messages.put(json.loads(line))
    messages.put(None)
    time.sleep(LINGER)
    os._exit(1)


def main() -> None:
    """Serve messages `[method, arguments]` until stdin closes; replies are JSON lines on stdout."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing else may speak on this channel

    def reply(**message: str) -> None:
        with suppress(OSError):  # the run may be gone: there is nobody left to tell
            replies.write(json.dumps(message) + "\n")

    messages: SimpleQueue = SimpleQueue()
    threading.Thread(target=read, args=(messages,), daemon=True).start()
    run = WandbRun()
    try:
        for method, arguments in iter(messages.get, None):
            try:
                if answer := getattr(run, method)(**arguments):
                    reply(**answer)
            except Exception as error:
                if method == "init":
                    raise
                reply(warning=f"{method} failed ({describe(error)})")
        if hasattr(run, "run"):
            run.run.finish()
    except BaseException as error:
        reply(warning=f"stopped ({describe(error)})")
    os._exit(0)  # skips exit hooks, which may wait without end; finish() has written all there is


if __name__ == "__main__":
    main()
