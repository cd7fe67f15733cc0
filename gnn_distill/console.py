"""What a run tells its user: bars on a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from rich import console as rich_console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gnn_distill.errors import printable

if TYPE_CHECKING:
    from gnn_distill.data.task import TaskSpec

Results = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Metrics by role and split, as in summary.json: {"student": {"val": {"accuracy": 0.8}, "test": {...}}}."""
PERCENT = ("accuracy", "macro_f1")


class Console:
    """Messages, progress and the final table. NO_COLOR is respected; off a terminal there are no control codes.

    `file` is where it all goes, stdout by default.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        self._rich = rich_console.Console(file=file, highlight=False, markup=False, emoji=False)

    def say(self, text: str) -> None:
        """A line."""
        self._print(text)

    def notice(self, text: str) -> None:
        """Something the user should know."""
        self._print(f"Note: {text}", "cyan")

    def warn(self, text: str) -> None:
        """Something that went wrong and does not stop the run."""
        self._print(f"Warning: {text}", "yellow")

    def stage(self, title: str, detail: str = "") -> None:
        """The heading of a stage."""
        self._print(f"\n{title}", "bold", end="  " if detail else "\n")
        if detail:
            self._print(detail)

    def progress(self, total_epochs: int, description: str = "") -> "BarProgress | LineProgress":
        """A context manager whose `update(epoch, loss, metrics, lr)` is called after every epoch, counted from 1."""
        if self._rich.is_interactive:
            return BarProgress(self._rich, total_epochs, description)
        return LineProgress(self._print, total_epochs, description)

    def work(self, description: str) -> "Work":
        """A context manager whose `update(done, total)` is called as often as one likes; short work is not told of."""
        return Work(self._rich, self._print, description)

    def result_table(self, spec: "TaskSpec", results: Results, run_dir: Path) -> None:
        """The primary metric by role and split, how far the teacher is ahead, and where the files are."""
        splits = [split for split in ("val", "test") if any(split in role for role in results.values())]
        scale, unit = (100, " (%)") if spec.metric in PERCENT else (1, "")
        values = {
            role: [scale * splits_of.get(split, {}).get(spec.metric, float("nan")) for split in splits]
            for role, splits_of in results.items()
        }
        if {"teacher", "student"} <= values.keys():
            sign = 1 if spec.higher_is_better else -1
            pairs = zip(values["teacher"], values["student"], strict=True)
            values["gap"] = [sign * (teacher - student) for teacher, student in pairs]
        table = Table(
            title=f"\n{printable(spec.name)}", title_justify="left", title_style="bold", caption_justify="left"
        )
        table.add_column("")
        for split in splits:
            table.add_column(f"{split} {spec.metric}{unit}", justify="right")
        for role, row in values.items():
            table.add_row(role, *(_cell(value, scale) for value in row), end_section=role == "student")
        self._rich.print(table)
        if "gap" in values:
            self._print("gap: how far the teacher is ahead", "dim")
        if spec.note:
            self._print(f"{spec.name}: {spec.note}", "dim")
        self._print(f"Files: {run_dir}")

    def _print(self, text: str, style: str | None = None, end: str = "\n") -> None:
        try:
            self._rich.print(printable(text), style=style, end=end, soft_wrap=True)
            self._rich.file.flush()
        except BrokenPipeError:
            raise
        except OSError:  # a terminal that is gone, a full disk: nothing that a run should die of
            pass


class BarProgress:
    """A bar with epoch, loss, validation metric, rate and time left."""

    def __init__(self, console: rich_console.Console, total: int, description: str) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[state]}"))
        # refreshed four times a second: drawing competes with training for the cores
        self._bar = Progress(*columns, TimeRemainingColumn(compact=True), console=console, refresh_per_second=4)
        self._task = self._bar.add_task(description, total=total, state=f"0/{total}")
        self._total, self._clock = total, Clock(total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._bar.stop()

    def update(self, epoch: int, loss: float, metrics: Mapping[str, float], lr: float | None = None) -> None:
        """Show the state after `epoch`; of the metrics the first."""
        rate, _ = self._clock.tick(epoch)
        state = f"{epoch}/{self._total}  {_state(loss, metrics)}  {rate}"
        self._bar.update(self._task, completed=epoch, state=state)


class LineProgress:
    """A line every tenth of the epochs, and at least every 30 s."""

    SECONDS = 30.0

    def __init__(self, say: Any, total: int, description: str) -> None:
        self._say, self._total, self._description = say, total, f"{description}  " if description else ""
        self._clock = Clock(total)
        self._said = self._clock.start
        self._last = self._pending = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._pending:  # stopped early: the last epoch is always told
            self._say(self._pending)

    def update(self, epoch: int, loss: float, metrics: Mapping[str, float], lr: float | None = None) -> None:
        """Tell the state after `epoch` if a line is due; of the metrics the first."""
        rate, left = self._clock.tick(epoch)
        width = len(str(self._total))
        count = f"{self._description}epoch {epoch:{width}d}/{self._total}"
        self._pending = "  ".join([count, _state(loss, metrics), rate, *([left] if epoch < self._total else [])])
        tenth = 10 * epoch // self._total > 10 * (epoch - 1) // self._total
        if tenth or epoch == 1 or time.monotonic() - self._said >= self.SECONDS:
            self._say(self._pending)
            self._said, self._pending = time.monotonic(), ""


class Work:
    """How far some work is, and the time left: a bar on a terminal, a line every 30 s elsewhere; nothing at first."""

    PATIENCE, SECONDS = 2.0, 30.0

    def __init__(self, console: rich_console.Console, say: Any, description: str) -> None:
        self._console, self._say, self._description = console, say, description
        self._start, self._said = time.monotonic(), -self.SECONDS
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, total: int) -> None:
        """Tell that `done` of `total` are done, if that is due."""
        seconds = time.monotonic() - self._start
        if seconds < self.PATIENCE:
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
    name, value = next(iter(metrics.items()), ("", None))
    return f"loss {loss:.4g}" + (f"  val {name.removeprefix('val/')} {value:.4g}" if name else "")


def duration(seconds: float) -> str:
    """`2 h 5 min`, `3 min 20 s`, `7 s`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _cell(value: float, scale: float) -> str:
    if value != value:
        return "-"
    return f"{value:.1f}" if scale == 100 else f"{value:#.4g}"
