"""Contenders in separate processes, each with its own memory and settings, that run on request.

Process-wide settings of our training would change the speed of a peer in the same process.
"""

import multiprocessing
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
# Imported once, in a process that never computes: threads and GPUs do not survive a fork.
CONTEXT.set_forkserver_preload(["benchmarks.contenders"])


class Remote:
    """The object `make(*arguments)` in a new process: `remote("epoch")` calls its method of that name there."""

    def __init__(self, make: Callable[..., Any], *arguments: Any) -> None:
        self._pipe, end = CONTEXT.Pipe()
        self._process = CONTEXT.Process(target=serve, args=(end, make, arguments))
        self._process.start()
        end.close()
        self._answer()

    def __call__(self, method: str) -> Any:
        self._pipe.send(method)
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join()

    def _answer(self) -> Any:
        answer, error = self._pipe.recv()
        if error:
            raise RuntimeError(f"a contender's process failed:\n{error}")
        return answer


@contextmanager
def remotes(makers: dict[str, tuple]) -> Iterator[dict[str, Remote]]:
    """A process for each of `makers`, (make, *arguments) by name; all end with the block."""
    running: dict[str, Remote] = {}
    try:
        for name, (make, *arguments) in makers.items():
            running[name] = Remote(make, *arguments)
        yield running
    finally:
        for remote in running.values():
            remote.close()


def serve(pipe: Connection, make: Callable[..., Any], arguments: tuple) -> None:
    """Make the contender, then answer calls of its methods until the pipe is closed."""
    answer: Callable[[], Any] = lambda: None  # noqa: E731
    try:
        contender = make(*arguments)
        while True:
            pipe.send((answer(), ""))
            answer = getattr(contender, pipe.recv())
    except EOFError:
        pass
    except BaseException:
        pipe.send((None, traceback.format_exc()))


def resident(what: str) -> int:
    """Resident bytes of this process now (VmRSS), or at their peak (VmHWM); Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(what))
