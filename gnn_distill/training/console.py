"""A run's messages to its user, on a terminal and in the run's folder."""

import io
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rich import console as rich_console
from rich.table import Table

from gnn_distill.errors import printable
from gnn_distill.formatting import ROLES, Format, bounds, describe_difference, metric_label, role_label
from gnn_distill.training.progress import BarProgress, LineProgress, Work
from gnn_distill.training.terminal import UnfailingStream

if TYPE_CHECKING:
    from gnn_distill.data.task import TaskSpec
    from gnn_distill.storage.run_directory import RunDirectory
    from gnn_distill.training.uncertainty import Uncertainty

Results = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Metrics by role and split, as in summary.json: {"student": {"val": {"accuracy": 0.8}, "test": {...}}}."""
LOG_WIDTH = 120


class Console:
    """Messages, progress and the final table. NO_COLOR is respected; off a terminal there are neither bars nor control
    codes, but colours where FORCE_COLOR is set, as notebooks do.

    `file` receives all output, stdout by default. It may be closed, or its disk full: the run continues, and its folder
    keeps what was printed.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        stream = file or sys.stdout
        stream = stream if isinstance(stream, UnfailingStream) else UnfailingStream(stream)
        # In a notebook rich would make an output of its own of every line, whatever stdout is.
        plain = {"highlight": False, "markup": False, "emoji": False, "force_jupyter": False}
        # With FORCE_COLOR rich would draw a bar in whatever it writes to.
        self._rich = rich_console.Console(
            file=stream, force_interactive=None if _is_terminal(stream) else False, **plain
        )
        self.notices: list[str] = []
        """All notices and warnings so far, each once, as printed."""
        self._log: Path | None = None
        self._early: list[str] = []
        self._directory: RunDirectory | None = None
        self._thread = threading.get_ident()

    def keep(self, directory: "RunDirectory") -> None:
        """Keep every line, those before this call too, in a run's console.log, and notices in its run.json.

        A resumed run appends to what was kept before.
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

    def progress(self, total_epochs: int, description: str = "") -> BarProgress | LineProgress:
        """A context manager whose `update(epoch, loss, metrics, lr)` is called after every epoch, counted from 1."""
        if self._rich.is_interactive:
            lines = LineProgress(self._write, total_epochs, description)
            return BarProgress(self._rich, total_epochs, description, lines)
        return LineProgress(self._print, total_epochs, description)

    def work(self, description: str) -> Work:
        """A context manager whose `update(done, total)` is called as often as one likes; short work is not shown."""
        return Work(self._rich, self._print, description)

    def result_table(
        self, spec: "TaskSpec", results: Results, run_dir: Path, uncertainty: "Uncertainty | None" = None
    ) -> None:
        """The primary metric by model and split, who is ahead by how much and how surely, and where the files are."""
        splits = [split for split in ("val", "test") if any(split in role for role in results.values())]
        values = {
            role: [splits_of.get(split, {}).get(spec.metric, float("nan")) for split in splits]
            for role, splits_of in results.items()
        }
        number = Format.of(spec.metric, [value for row in values.values() for value in row], digits=4)
        rows = {role_label(role): [number(value) for value in row] for role, row in values.items()}
        if {"teacher", "student"} <= values.keys():
            rows |= _leads(values["teacher"], values["student"], number, spec.higher_is_better)
        if "alone" in values:
            sign = 1 if spec.higher_is_better else -1
            gains = [sign * (ours - theirs) for ours, theirs in zip(values["student"], values["alone"], strict=True)]
            rows["gain by its teacher"] = [number(gain, sign=True) for gain in gains]
        table = Table(
            title=f"\n{printable(spec.name)}", title_justify="left", title_style="bold", caption_justify="left"
        )
        table.add_column("")
        for split in splits:
            table.add_column(f"{split} {metric_label(spec.metric)}", justify="right")
        floors = [role_label(role) for role in values if role not in ROLES]
        for role, row in rows.items():
            table.add_row(role, *row, end_section=role in ("student", *floors[-1:]))
        self._rich.print(table)
        self._write(_plain_text(table))
        for text in _describe_uncertainty(spec, uncertainty) if uncertainty else ():
            self._print(text)
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
        # A tracker warns from a thread of its own: its warning is written with what the run remembers next.
        if self._directory is not None and threading.get_ident() == self._thread:
            self._directory.remember(notices=self.notices)


def _describe_uncertainty(spec: "TaskSpec", found: "Uncertainty") -> Iterator[str]:
    """The intervals in a line, and a line for each difference between two models."""
    values = [bound for one in found.intervals.values() for bound in (one.low, one.high)]
    number = Format.of(spec.metric, values)
    shown = {role_label(name): bounds(one.low, one.high, number) for name, one in found.intervals.items()}
    if told := ", ".join(f"{name} {interval}" for name, interval in shown.items() if interval):
        n = max(one.n for one in found.intervals.values())
        yield f"95 % intervals over {n:,} {found.split} {found.unit}s: {told}"
    for difference in found.differences:
        text = describe_difference(vars(difference), number, found.unit)
        yield f"{text[0].upper()}{text[1:]}"


def _leads(
    teacher: Sequence[float], student: Sequence[float], number: Format, higher_is_better: bool
) -> dict[str, list[str]]:
    """By how much either is ahead: a row for the teacher, one for the student; without rows that would be empty."""
    sign = 1 if higher_is_better else -1
    leads = [sign * (ours - theirs) for ours, theirs in zip(student, teacher, strict=True)]
    rows = {
        "teacher ahead by": [number(-lead) if lead < 0 else "" for lead in leads],
        "student ahead by": [number(lead) if lead >= 0 else "" for lead in leads],
    }
    return {name: row for name, row in rows.items() if any(row)}


def _is_terminal(stream: UnfailingStream) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # not a whole file, or a closed one
        return False


def _plain_text(table: Table) -> str:
    """The table as lines for a file."""
    plain = {"color_system": None, "force_terminal": False, "force_jupyter": False}
    page = rich_console.Console(file=io.StringIO(), width=LOG_WIDTH, **plain)
    page.print(table)
    return page.file.getvalue().rstrip("\n")
