"""`gnn-distill table`: run what a results table still lacks, and render it."""

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console as RichConsole

from gnn_distill.config.quoting import for_hydra
from gnn_distill.config.schema.probe import ExamineSettings
from gnn_distill.config.schema.table import TableCommand, TableConfig
from gnn_distill.errors import UserError
from gnn_distill.experiments.absent import describe_absent
from gnn_distill.experiments.cells import (
    LOG,
    PlannedRun,
    counted_rows,
    describe_changed,
    given_to_launcher,
    given_to_runs,
    mixed,
    plan,
    scores,
    sized,
    status,
)
from gnn_distill.experiments.launch import failure, launch
from gnn_distill.experiments.probing import describe_given, index_scores, probe_runs, to_probe
from gnn_distill.experiments.tuned import describe_overlap, describe_tuned
from gnn_distill.experiments.workers import check_jobs, joblib_words, jobs_at_once
from gnn_distill.formatting import counted
from gnn_distill.results.awareness import with_awareness
from gnn_distill.results.comparison import make_table
from gnn_distill.results.indices import by_settings, describe_other_code, describe_other_settings, with_indices
from gnn_distill.results.publish import publish
from gnn_distill.results.rendering import to_markdown, to_rich
from gnn_distill.results.runs import left_out, origin, read_runs
from gnn_distill.results.tables import Table
from gnn_distill.training.console import Console
from gnn_distill.training.tracking import cells, start_tracker

RERUN = {"none": ["missing"], "failed": ["missing", "failed"], "stale": ["missing", "stale"]}
State = dict[PlannedRun, str]


def main(cfg: DictConfig) -> None:
    """Plan the runs, make the missing ones, and write the table to Hydra's output folder."""
    command: TableCommand = OmegaConf.to_object(cfg)
    # All sizes of a table share what is known of its cells.
    make_and_show(cfg, command, sized(command.table), plans=Path(command.table.folder) / command.table.name)


def make_and_show(
    cfg: DictConfig,
    command: TableCommand,
    table: TableConfig,
    judge: Callable[[Table, pd.DataFrame, Path], list[str]] = lambda *_: [],
    plans: Path | None = None,
) -> None:
    """Make what `table` lacks, write it and print it.

    judge: of the table, its scores and its folder, where it may write; says what it shows, the first of its notes.
    plans: folder that keeps the settings of its cells for the next time; None: that of the table.

    Raises:
        UserError: as `print_gaps`.
    """
    # Hydra is queried before the runs: some launchers leave it with the last run's settings.
    hydra, folder = HydraConfig.get().overrides, Path(HydraConfig.get().runtime.output_dir)
    console = Console(sys.stdout)  # bound now: the runs' own output goes to their logs
    launcher = given_to_launcher(hydra.hydra)
    check_jobs(table.jobs, launcher)
    overrides = [f"tracker.group={for_hydra(table.name)}", *given_to_runs(hydra.task)]
    runs = plan(table, overrides, plans or folder)
    remarks, limits = list(describe_tuned(table)), list(describe_overlap(table))
    # A run counts wherever it was found; those of this table are in its cells.
    places = [*table.search, table.cells]
    found = read_runs(places, console.warn)
    known = status(runs, counted_rows(runs, found, table))
    absent = list(describe_absent(known, found, places))
    for text in describe_changed(runs, found, table):
        console.warn(text)
    if table.status:
        return print_status(console, table, known, absent)
    stopped, unprobed = "", {}
    if table.run:
        queue = to_make(table, known)
        print_plan(console, table, known, len(queue))
        for text in absent[:-1]:
            console.notice(text)
        if queue:
            jobs = min(jobs_at_once(table.jobs, command.trainer), len(queue))
            stopped = launch(queue, Path(table.cells), launcher or joblib_words(jobs))
            found = read_runs(places)
            known = status(runs, counted_rows(runs, found, table))
            if not stopped and any(known[run] == "missing" for run in queue):
                stopped = "it skipped runs without an error"
        if table.probe:
            unprobed = probe_missing(console, command, table, runs, found)

    asked = command.probe if table.probe else None
    made, rows, values = filled(table, runs, found, remarks, limits, asked)
    verdict = judge(made, values, folder)
    made = replace(made, notes=(*verdict, *made.notes))
    figures = publish(folder, made, rows, values, command.report.figures)
    terminal = RichConsole()
    terminal.print(to_rich(made)) if terminal.is_terminal else print(to_markdown(made))
    for text in verdict:
        console.say(text)
    console.say(f"Files: {folder}")
    mirror(cfg, table, made, folder, figures, console)
    print_gaps(console, table, known, absent, stopped, unprobed)


def probe_missing(
    console: Console, command: TableCommand, table: TableConfig, runs: Sequence[PlannedRun], found: pd.DataFrame
) -> dict[PlannedRun, str]:
    """Probe the finished runs that lack it; why some cannot be."""
    chosen = to_probe(runs, counted_rows(runs, found, table), table)
    console.stage("Probes", counted(len(chosen), "finished run"))
    return probe_runs(chosen, command.probe, command.paths, console)


def filled(
    table: TableConfig,
    runs: Sequence[PlannedRun],
    found: pd.DataFrame,
    remarks: Sequence[str] = (),
    limits: Sequence[str] = (),
    probe: ExamineSettings | None = None,
) -> tuple[Table, pd.DataFrame, pd.DataFrame]:
    """The table of the runs that were found, with its notes; the rows of these runs, and their scores.

    probe: how runs must have been probed for the table to show what their models know of structure; None: it does not.
    """
    rows = counted_rows(runs, found, table)
    values = scores(runs, rows, table)
    limits = [*limits, *describe_changed(runs, found, table), *left_out(found, rows), *mixed(values, table)]
    made = make_table(table, values, [*remarks, *origin(rows)], limits)
    if probe is None:
        return made, rows, values
    rows = with_indices(rows)
    shown = by_settings(rows, probe)
    about = [*describe_other_settings(rows, probe), *describe_other_code(rows), *describe_given(runs, shown, table)]
    return with_awareness(made, table, index_scores(runs, shown, table), about), rows, values


def to_make(table: TableConfig, known: State) -> list[PlannedRun]:
    """The runs to make now; of cells with the same config only one."""
    chosen = [run for run, state in known.items() if state in RERUN[table.rerun]]
    return [*{run.config_hash: run for run in reversed(chosen)}.values()][::-1]


def mirror(
    cfg: DictConfig, table: TableConfig, made: Table, folder: Path, figures: Sequence[Path], console: Console
) -> None:
    """Send the table and its figures to the runs' tracker, into their group."""
    title = f"table {table.name} {table.size}"
    tracker = start_tracker(cfg, folder, title, group=table.name, warn=console.warn)
    tracker.table("table", *cells(made.frame()))
    for figure in figures:
        tracker.image(figure.stem, str(figure))
    tracker.finish()
    if tracker.where:
        console.say(tracker.where)


def print_plan(console: Console, table: TableConfig, known: State, to_run: int) -> None:
    """Print the number of runs by state, and how many will be made."""
    counts = ", ".join(f"{count} {kind}" for kind, count in Counter(known.values()).items())
    console.stage(f"{table.title or table.name}", f"{counted(len(known), 'run')}: {counts}; {to_run} to be made")


def print_status(console: Console, table: TableConfig, known: State, absent: Sequence[str]) -> None:
    """Print a line for each run that is not finished, with the log of a failed one, and the counts."""
    for run, kind in known.items():
        if kind != "finished":
            why = f"  {failure(run)}  Log: {run.folder / LOG}" if kind == "failed" else ""
            console.say(f"{kind:<8}  {run}{why}")
    print_plan(console, table, known, len(to_make(table, known)) if table.run else 0)
    for text in absent:
        console.notice(text)


def print_gaps(
    console: Console,
    table: TableConfig,
    known: State,
    absent: Sequence[str],
    stopped: str,
    unprobed: Mapping[PlannedRun, str],
) -> None:
    """Print what the table still lacks, and why.

    Raises:
        UserError: if runs failed, could not be made, or could not be probed.
    """
    failed = [run for run, state in known.items() if state == "failed"]
    for run in failed:
        console.warn(f"{run}: {failure(run)}  Log: {run.folder / LOG}")
    if running := sum(state == "running" for state in known.values()):
        being_made = counted(running, "run is", "runs are")
        console.notice(f"{being_made} being made by another process. Start the command again once it has ended.")
    if not table.run:
        for text in absent:
            console.notice(text)
        return
    if stopped:
        missing = counted(sum(state == "missing" for state in known.values()), "run is", "runs are")
        raise UserError(f"the launcher stopped ({stopped}). {missing} missing. Start the command again to continue.")
    if failed:
        raise UserError(
            f"table={table.name}: {len(failed)} of {counted(len(known), 'run')} failed and left the table incomplete. "
            "Read the logs above, and repeat them with table.rerun=failed."
        )
    if unprobed:
        raise UserError(
            f"table={table.name}: {counted(len(unprobed), 'run')} could not be probed. The warnings above say why; the "
            "table is written without their indices."
        )
