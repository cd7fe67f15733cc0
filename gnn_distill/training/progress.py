"""Progress of training and of other work: bars on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from rich import console as rich_console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from gnn_distill.formatting import duration, spoken


class BarProgress:
    """A bar with epoch, loss, validation metric, rate and time left; `lines` gets the same."""

    def __init__(self, console: rich_console.Console, total: int, description: str, lines: "LineProgress") -> None:
        columns = (TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[state]}"))
        # refreshed four times a second: drawing competes with training for the cores
        self._bar = Progress(*columns, TimeRemainingColumn(compact=True), console=console, refresh_per_second=4)
        self._task = self._bar.add_task(description, total=total, state=f"0/{total}")
        self._total, self._clock, self._lines = total, Clock(total), lines

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._bar.stop()
        self._lines.__exit__(*exception)

    def update(self, epoch: int, loss: float, metrics: Mapping[str, float], lr: float | None = None) -> None:
        """Show the state after `epoch`; of the metrics the first."""
        rate, _ = self._clock.tick(epoch)
        state = f"{epoch}/{self._total}  {_state(loss, metrics)}  {rate}"
        self._bar.update(self._task, completed=epoch, state=state)
        self._lines.update(epoch, loss, metrics, lr)


class LineProgress:
    """A line every tenth of the epochs, and at least every 30 s."""

    SECONDS = 30.0

    def __init__(self, say: Callable[[str], None], total: int, description: str) -> None:
        self._say, self._total, self._description = say, total, f"{description}  " if description else ""
        self._clock = Clock(total)
        self._said = self._clock.start
        self._last = self._pending = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._pending:  # stopped early: the last epoch is always shown
            self._say(self._pending)

    def update(self, epoch: int, loss: float, metrics: Mapping[str, float], lr: float | None = None) -> None:
        """Print the state after `epoch` if a line is due; of the metrics the first."""
        rate, left = self._clock.tick(epoch)
        width = len(str(self._total))
        count = f"{self._description}epoch {epoch:{width}d}/{self._total}"
        self._pending = "  ".join([count, _state(loss, metrics), rate, *([left] if epoch < self._total else [])])
        tenth = 10 * epoch // self._total > 10 * (epoch - 1) // self._total
        if tenth or epoch == 1 or time.monotonic() - self._said >= self.SECONDS:
            self._say(self._pending)
            self._said, self._pending = time.monotonic(), ""


class Work:
    """Share done and time left: a bar on a terminal, a line every 30 s elsewhere; nothing before `QUIET` seconds."""

    QUIET, SECONDS = 2.0, 30.0

    def __init__(self, console: rich_console.Console, say: Callable[[str], None], description: str) -> None:
        self._console, self._say, self._description = console, say, description
        self._start, self._said = time.monotonic(), -self.SECONDS
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, total: int) -> None:
        """Show that `done` of `total` are done, if that is due."""
        seconds = time.monotonic() - self._start
        if seconds < self.QUIET:
            return
        if self._console.is_interactive:
            if self._bar is None:
                columns = (TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.percentage:.0f} %"))
                self._bar = Progress(*columns, TimeRemainingColumn(compact=True), console=self._console)
                self._bar.add_task(self._description)
                self._bar.start()
            self._bar.update(self._bar.task_ids[0], completed=done, total=total)
        elif seconds - self._said >= self.SECONDS:
            left = duration(seconds * (total - done) / max(done, 1))
            self._say(f"{self._description}  {done / total:.0%}  {left} left")
            self._said = seconds


class Clock:
    """Epochs per second and time left, from the start of the progress or the first epoch seen."""

    def __init__(self, total: int) -> None:
        self.total, self.start, self._first = total, time.monotonic(), None

    def tick(self, epoch: int) -> tuple[str, str]:
        """Both as text, after `epoch`."""
        if self._first is None:
            self._first = epoch - 1  # a resumed stage starts in the middle
        rate = (epoch - self._first) / max(time.monotonic() - self.start, 1e-9)
        speed = f"{rate:.3g} epochs/s" if rate >= 1 else f"{1 / rate:.3g} s/epoch"
        return speed, f"{duration((self.total - epoch) / rate)} left"


def _state(loss: float, metrics: Mapping[str, float]) -> str:
    name, value = next(iter(metrics.items()), ("", 0.0))
    metric = name.removeprefix("val/")
    return f"loss {loss:.4g}" + (f"  val {metric} {spoken(value, metric)}" if name else "")
