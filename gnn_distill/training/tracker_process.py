"""The process that a tracker works in; it reads JSON lines.

A process of its own, since a thread cannot be left behind: a tracker's exit hooks may wait for a server, its import
holds the interpreter lock, and a login prompt looks for the terminal.
"""

import json
import os
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

from gnn_distill.training.tracker import TrackedRun, describe

LINGER = 120.0
"""Seconds that a tracker may take after the end of the run before this process gives up."""


def read(messages: SimpleQueue) -> None:
    """Pass the lines of stdin on; when they end, so does this process, in time or by force."""
    for line in sys.stdin:
        messages.put(json.loads(line))
    messages.put(None)
    time.sleep(LINGER)
    os._exit(1)


def main() -> None:
    """Serve messages `[method, arguments]` of a tracker until stdin closes; replies are JSON lines on stdout."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing else may speak on this channel

    def reply(**message: str) -> None:
        with suppress(OSError):  # the run may be gone: there is nobody left to tell
            replies.write(json.dumps(message) + "\n")

    def start(module: str, config: dict[str, Any], run: dict[str, Any]) -> Any:
        told = TrackedRun(**run, warn=lambda text: reply(warning=text))
        tracker = import_module(module).start(SimpleNamespace(**config), told)
        reply(where=getattr(tracker, "where", ""))
        return tracker

    messages: SimpleQueue = SimpleQueue()
    threading.Thread(target=read, args=(messages,), daemon=True).start()
    tracker, finished = None, False
    try:
        for method, arguments in iter(messages.get, None):
            if method == "start":
                tracker = start(**arguments)
                continue
            finished = finished or method == "finish"
            try:
                if call := getattr(tracker, method, None):  # a tracker of the user's has those methods that it needs
                    call(**arguments)
            except Exception as error:
                reply(warning=f"{method} failed ({describe(error)})")
        if not finished and hasattr(tracker, "finish"):  # the run was killed, or has failed
            tracker.finish(completed=False)
    except BaseException as error:
        reply(warning=f"stopped ({describe(error)})")
    os._exit(0)  # skips exit hooks, which may wait without end; finish() has written all there is
