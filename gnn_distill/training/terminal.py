"""An output that work outlives: whoever reads it may go away, its disk may fill, and nothing ends for that."""

import os
import sys
from contextlib import suppress
from typing import IO, Any


class UnfailingStream:
    """A text stream that never fails: once it takes no more, what follows goes nowhere, and stderr says so once.

    The descriptor then leads nowhere too: the interpreter flushes it when it ends.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._lost = stream, False

    def write(self, text: str) -> int:
        """Write, if that is still possible."""
        if not self._lost:
            try:
                self._stream.write(text)
            except (OSError, ValueError) as error:  # ValueError: the stream is closed
                self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Flush, if that is still possible."""
        if not self._lost:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._lose(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _lose(self, error: OSError | ValueError) -> None:
        self._lost = True
        with suppress(OSError, ValueError):  # a stream in memory has no descriptor
            nowhere = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(nowhere, self._stream.fileno())
            finally:
                os.close(nowhere)
        if isinstance(error, ValueError):  # whoever closed it knows
            return
        with suppress(OSError, ValueError):
            print(
                f"gnn-distill: the output goes nowhere from here on ({error.strerror or error}); the work goes on, and "
                "every run keeps what it tells in its console.log.",
                file=sys.stderr,
            )
