"""What a run tells its user: bars on a terminal, plain lines elsewhere; and what its folder keeps of it."""

import io
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from rich import console as rich_console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gnn_distill.errors import printable
from gnn_distill.formatting import Format, metric_label, spoken
from gnn_distill.training.terminal import UnfailingStream

if TYPE_CHECKING:
    from gnn_distill.data.task import TaskSpec
    from gnn_distill.storage.run_directory import RunDirectory

Results = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Metrics by role and split, as in summary.json: {"student": {"val": {"accuracy": 0.8}, "test": {...}}}."""
LOG_WIDTH = 120


class Console:
    """Messages, progress and the final table. NO_COLOR is respected; off a terminal there are no control codes.

    `file` is where it all goes, stdout by default. It may be gone, or full: the work goes on, and a run's folder keeps
    what was said.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        stream = file or sys.stdout
        stream = stream if isinstance(stream, UnfailingStream) else UnfailingStream(stream)
        self._rich = rich_console.Console(file=stream, highlight=False, markup=False, emoji=False)
        self.notices: list[str] = []
        """Every notice and warning so far, each once, as it was printed."""
        self._log: Path | None = None
        self._early: list[str] = []
        self._directory: RunDirectory | None = None
        self._thread = threading.get_ident()

    def keep(self, directory: "RunDirectory") -> None:
        """Keep every line, those before this call too, in a run's console.log, and notices in its run.json.

        A run that goes on adds to what was kept before.
        """
        self._directory, self._log = directory, directory.console_log
        for text in self._early:
            self._write(text)
        self._early.clear()
        self.notices = list(dict.fromkeys([*directory.facts.get("notices", ()), *self.notices]))
        directory.remember(notices=self.notices)

    def say(self, text: str) -> None:
        """A line."""
        self._print(text)

    def notice(self, text: str) -> None:
        """Something the user should know."""
        self._print(f"Note: {text}", "cyan")
        self._note(f"Note: {text}")

    def warn(self, text: str, lasting: bool = True) -> None:
        """Something that went wrong and does not stop the run; not `lasting`: of no interest once the run has ended."""
        self._print(f"Warning: {text}", "yellow")
        if lasting:
            self._note(f"Warning: {text}")

    def stage(self, title: str, detail: str = "") -> None:
        """The heading of a stage."""
        self._show(f"\n{title}", "bold", end="  " if detail else "\n")
        if detail:
            self._show(detail)
        self._write(f"\n{title}  {detail}".rstrip())

    def progress(self, total_epochs: int, description: str = "") -> "BarProgress | LineProgress":
        """A context manager whose `update(epoch, loss, metrics, lr)` is called after every epoch, counted from 1."""
        if self._rich.is_interactive:
            lines = LineProgress(self._write, total_epochs, description)
            return BarProgress(self._rich, total_epochs, description, lines)
        return LineProgress(self._print, total_epochs, description)

    def work(self, description: str) -> "Work":
        """A context manager whose `update(done, total)` is called as often as one likes; short work is not told of."""
        return Work(self._rich, self._print, description)

    def result_table(self, spec: "TaskSpec", results: Results, run_dir: Path) -> None:
        """The primary metric by role and split, who is ahead by how much, and where the files are."""
        splits = [split for split in ("val", "test") if any(split in role for role in results.values())]
        values = {
            role: [splits_of.get(split, {}).get(spec.metric, float("nan")) for split in splits]
            for role, splits_of in results.items()
        }
        number = Format.of(spec.metric, [value for row in values.values() for value in row], digits=4)
        rows = {role: [number(value) for value in row] for role, row in values.items()}
        if {"teacher", "student"} <= values.keys():
            rows |= _leads(values["teacher"], values["student"], number, spec.higher_is_better)
        table = Table(
            title=f"\n{printable(spec.name)}", title_justify="left", title_style="bold", caption_justify="left"
        )
        table.add_column("")
        for split in splits:
            table.add_column(f"{split} {metric_label(spec.metric)}", justify="right")
        for role, row in rows.items():
            table.add_row(role, *row, end_section=role == "student")
        self._rich.print(table)
        self._write(_plain_text(table))
        if spec.note:
            self._print(f"{spec.name}: {spec.note}", "dim")
        self._print(f"Files: {run_dir}")

    def log(self, text: str) -> None:
        """A line for the run's console.log alone."""
        self._write(text)

    def _print(self, text: str, style: str | None = None) -> None:
        self._show(text, style)
        self._write(text)

    def _show(self, text: str, style: str | None = None, end: str = "\n") -> None:
        self._rich.print(printable(text), style=style, end=end, soft_wrap=True)
        self._rich.file.flush()

    def _write(self, text: str) -> None:
        if self._log is None:
            self._early.append(text)
            return
        with suppress(OSError), open(self._log, "a", encoding="utf-8") as file:  # no line is worth a run
            file.write(f"{printable(text)}\n")

    def _note(self, text: str) -> None:
        if text in self.notices:
            return
        self.notices.append(text)
        # A tracker warns from a thread of its own: what it says is written with what the run remembers next.
        if self._directory is not None and threading.get_ident() == self._thread:
            self._directory.remember(notices=self.notices)


class BarProgress:
    """A bar with epoch, loss, validation metric, rate and time left; `lines` hears the same."""

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
    name, value = next(iter(metrics.items()), ("", 0.0))
    metric = name.removeprefix("val/")
    return f"loss {loss:.4g}" + (f"  val {metric} {spoken(value, metric)}" if name else "")


def _leads(
    teacher: Sequence[float], student: Sequence[float], number: Format, higher_is_better: bool
) -> dict[str, list[str]]:
    """By how much the one that is ahead is ahead, a row for the teacher, one for the student, as they are wanted."""
    sign = 1 if higher_is_better else -1
    leads = [sign * (ours - theirs) for ours, theirs in zip(student, teacher, strict=True)]
    rows = {
        "teacher ahead by": [number(-lead) if lead < 0 else "" for lead in leads],
        "student ahead by": [number(lead) if lead >= 0 else "" for lead in leads],
    }
    return {name: row for name, row in rows.items() if any(row)}


def _plain_text(table: Table) -> str:
    """The table as lines for a file."""
    page = rich_console.Console(file=io.StringIO(), width=LOG_WIDTH, color_system=None, force_terminal=False)
    page.print(table)
    return page.file.getvalue().rstrip("\n")


def duration(seconds: float) -> str:
    """`2 h 5 min`, `3 min 20 s`, `7 s`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
