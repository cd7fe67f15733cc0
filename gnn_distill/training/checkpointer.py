"""The state of a stage on disk, so that it can be stopped, or killed, at any moment and resumed."""

import time
from pathlib import Path
from typing import Any

from gnn_distill import ranks
from gnn_distill.interruption import Interruption
from gnn_distill.storage import checkpoint

REMEDY = "Remove it to restart this stage."
ELSEWHERE = "a signal to another process of this run"


class Checkpointer:
    """Writes a stage's state when epochs end, and reads what an earlier process left of it.

    Every epoch is written, unless writing would take more than a twentieth of the time: epochs that are so short are
    cheaper to repeat than to record.
    """

    SHARE = 0.05

    def __init__(self, path: Path, interruption: Interruption | None = None) -> None:
        self.path, self._interruption = path, interruption or Interruption()
        self.parts = 1
        """Number of parts into which batches are split for want of memory; saved with the state."""
        self._written, self._cost, self._pending = time.monotonic(), 0.0, False

    def load(self) -> dict[str, Any] | None:
        """The saved state, or None. Raises Damaged or OtherVersion, which are UserErrors, where it cannot be read."""
        kept = checkpoint.load(self.path, remedy=REMEDY) if ranks.from_first(self.path.exists) else None
        ranks.wait()  # until all have read it
        return kept

    def check(self) -> None:
        """Between two steps: raise Interrupted if a signal has come and no finished epoch would be lost."""
        pending = self._agree()
        if not pending:
            self._interruption.stop_if_asked()

    def save(self, state: dict[str, Any], last: bool) -> None:
        """At the end of an epoch: write the state if that is due, and raise Interrupted if a signal has come."""
        self._agree()
        elapsed = time.monotonic() - self._written
        self._pending = not (last or self._interruption.asked or self._cost <= self.SHARE * elapsed)
        if not self._pending and ranks.is_first():
            started = time.monotonic()
            checkpoint.save(self.path, state | {"parts": self.parts})
            self._written = time.monotonic()
            self._cost = self._written - started
        if not last:
            self._interruption.stop_if_asked()

    def _agree(self) -> bool:
        """Let all processes know of a signal that came to one; whether the first one has an epoch to write."""
        asked, pending = ranks.any_of(bool(self._interruption.asked), self._pending and ranks.is_first())
        if asked:
            self._interruption.asked = self._interruption.asked or ELSEWHERE
        return pending
