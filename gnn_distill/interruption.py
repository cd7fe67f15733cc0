"""Signals that ask a run to stop: it ends in order, with its own exit code, and can be resumed."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType
from typing import Any, Self

SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1")
"""Ctrl-C; what schedulers send first; what `sbatch --signal=USR1@60` sends before the time limit."""
DEFAULT_HANDLERS = (signal.SIG_DFL, signal.default_int_handler)


class Interrupted(BaseException):
    """A signal asked the run to stop. Not an `Exception`: no error handler may swallow it."""

    exit_code = 75
    """EX_TEMPFAIL of sysexits.h: the same command may succeed later."""
    announced = False
    """Whether the user has been told of it, and how to resume."""


class Interruption:
    """Within it signals raise `Interrupted`: at once, or, within `held`, when the holder checks.

    A signal that has another handler already (of a launcher that requeues its jobs) is left to that. One within another
    replaces it, and knows the signal that came before. Only the main thread of a process receives signals.
    """

    def __init__(self) -> None:
        self.asked = ""
        """Name of the first signal that came; empty before."""
        self._held = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
                handler = signal.getsignal(number)
                outer = getattr(handler, "__self__", None)
                if isinstance(outer, Interruption):
                    self.asked = self.asked or outer.asked
                if isinstance(outer, Interruption) or handler in DEFAULT_HANDLERS:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Delay the first signal until `stop_if_asked`, or the end of the block; a second one takes effect at once."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self.stop_if_asked()

    def stop_if_asked(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self.asked:
            raise Interrupted(self.asked)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        waits = self._held and not self.asked
        self.asked = self.asked or name  # an exception may be lost, as in a callback of the garbage collector
        if not waits:
            raise Interrupted(name)


JOB = threading.Lock()
"""Held while a worker process runs a job."""


@contextmanager
def working_for(launcher: int) -> Iterator[None]:
    """Run a job of the process `launcher` within it: in that process, or in a worker process.

    A worker does not outlive its launcher: once that is gone, its job is asked to stop, and the worker ends.
    """
    if os.getppid() != launcher:
        yield
        return
    _watch_parent(launcher)
    with JOB:
        yield


@cache
def _watch_parent(launcher: int) -> None:
    threading.Thread(target=_end_with, args=(launcher,), daemon=True).start()


def _end_with(launcher: int, every: float = 0.5) -> None:
    while os.getppid() == launcher:
        time.sleep(every)
    if JOB.locked():
        os.kill(os.getpid(), signal.SIGTERM)
    with JOB:
        os._exit(Interrupted.exit_code)
