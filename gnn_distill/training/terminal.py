"""An output stream whose loss ends no work: its reader may close it, its disk may fill."""

import os
import sys
from contextlib import suppress
from typing import IO, Any


class UnfailingStream:
    """A text stream that never fails: after the first error output is discarded, and stderr says so once.

    The descriptor is then redirected to the null device too, since the interpreter flushes it when it ends.
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
            null = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(null, self._stream.fileno())
            finally:
                os.close(null)
        if isinstance(error, ValueError):  # whoever closed it knows
            return
        with suppress(OSError, ValueError):
            print(
                f"gnn-distill: output is discarded from here on ({error.strerror or error}); the work continues, and "
                "every run keeps its messages in its console.log.",
                file=sys.stderr,
            )
