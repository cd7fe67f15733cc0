"""Signals that ask a run to stop: it ends in order, with a code of its own, and can be gone on with."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1")
"""Ctrl-C; what schedulers send first; what `sbatch --signal=USR1@60` sends ahead of the end."""
OURS_TO_TAKE = (signal.SIG_DFL, signal.default_int_handler)


class Interrupted(BaseException):
    """A signal asked the run to stop. No `Exception`: nothing that mends errors may swallow it."""

    exit_code = 75
    """EX_TEMPFAIL of sysexits.h: the same command may succeed later."""
    told = False
    """Whether the user knows by now, and how to go on."""


class Interruption:
    """While it is entered, signals raise `Interrupted`: at once, or, while it is held, when the holder looks.

    A signal that something else handles (a launcher that requeues its jobs) is left to that; one within another takes
    over from it, with what that has heard. Only the main thread of a process hears signals.
    """

    def __init__(self) -> None:
        self.asked = ""
        """The signal that came."""
        self._held = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
                handler = signal.getsignal(number)
                outer = getattr(handler, "__self__", None)
                if isinstance(outer, Interruption):
                    self.asked = self.asked or outer.asked
                if isinstance(outer, Interruption) or handler in OURS_TO_TAKE:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the first signal wait until `stop_if_asked`, or the end of the block; a second one does not wait."""
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
        self.asked = self.asked or name  # an exception may be lost, in a callback of the garbage collector, say
        if not waits:
            raise Interrupted(name)
