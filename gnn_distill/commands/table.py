"""`gnn-distill table`: make the runs of a table that are missing, and render it."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console as RichConsole

from gnn_distill.console import Console
from gnn_distill.errors import UserError
from gnn_distill.quoting import for_hydra
from gnn_distill.results.cells import (
    LOG,
    PlannedRun,
    given_to_launcher,
    given_to_runs,
    plan,
    scores,
    sized,
    sources_of,
    status,
    tuned_file,
)
from gnn_distill.results.comparison import make_table
from gnn_distill.results.launch import failure, launch
from gnn_distill.results.publish import publish
from gnn_distill.results.rendering import to_markdown, to_rich
from gnn_distill.results.runs import newest, origin, read_runs
from gnn_distill.results.studies import read_facts
from gnn_distill.results.tables import Table
from gnn_distill.schema.table import TableCommand, TableConfig
from gnn_distill.tracking import start_tracker

RERUN = {"none": ["missing"], "failed": ["missing", "failed"], "stale": ["missing", "stale"]}
State = dict[PlannedRun, str]


def main(cfg: DictConfig) -> None:
    """Plan, run what is missing, write the table to Hydra's output folder."""
    command: TableCommand = OmegaConf.to_object(cfg)
    table = sized(command.table)
    # All that Hydra is asked for comes before the runs: some launchers leave it with the last run's settings.
    hydra, folder = HydraConfig.get().overrides, Path(HydraConfig.get().runtime.output_dir)
    console = Console(sys.stdout)  # bound here: the runs' own output goes to their logs
    given = [f"tracker.group={for_hydra(table.name)}", *given_to_runs(hydra.task)]
    runs, remarks = plan(table, given), list(tell_tuned(table))
    # A run counts wherever it lies; those of this table lie in its cells.
    places = [*table.search, table.cells]
    found = read_runs(places, console.warn)
    known = status(runs, found)
    if table.status:
        return tell_status(console, table, known)
    stopped = ""
    if table.run:
        wanted = to_make(table, known)
        tell_plan(console, table, known, len(wanted))
        if wanted:
            stopped = launch(wanted, Path(table.cells), given_to_launcher(hydra.hydra))
            found = read_runs(places)
            known = status(runs, found)
            if not stopped and any(known[run] == "missing" for run in wanted):
                stopped = "it left out runs without a word"

    values = scores(runs, found, table)
    ours = newest(found, sources_of(runs))
    ours = ours[ours["config_hash"].isin({run.config_hash for run in runs})]
    made = make_table(table, values, [*remarks, *origin(ours)])
    figures = publish(folder, made, ours, values)
    terminal = RichConsole()
    terminal.print(to_rich(made)) if terminal.is_terminal else print(to_markdown(made))
    console.say(f"Files: {folder}")
    mirror(cfg, made, folder, figures, console)
    tell_holes(console, table, known, stopped)


def to_make(table: TableConfig, known: State) -> list[PlannedRun]:
    """The runs to be made now; of cells with the same config only one."""
    wanted = [run for run, state in known.items() if state in RERUN[table.rerun]]
    return [*{run.config_hash: run for run in reversed(wanted)}.values()][::-1]


def mirror(cfg: DictConfig, table: Table, folder: Path, figures: Sequence[Path], console: Console) -> None:
    """Send the table and its figures where the runs went, into their group."""
    name, size = cfg.table.name, cfg.table.size
    tracker = start_tracker(cfg, folder, f"table {name} {size}", group=name, warn=console.warn)
    tracker.table("table", table.frame())
    for figure in figures:
        tracker.image(figure.stem, figure)
    if hint := tracker.finish():
        console.say(f"Weights & Biases: {hint}")


def tell_plan(console: Console, table: TableConfig, known: State, wanted: int) -> None:
    """How many runs there are, of which kind, and how many will be made."""
    told = ", ".join(f"{count} {kind}" for kind, count in Counter(known.values()).items())
    console.stage(f"{table.title or table.name}", f"{len(known)} runs: {told}; {wanted} to be made")


def tell_status(console: Console, table: TableConfig, known: State) -> None:
    """A line for each run that is not finished, with its folder, and the counts."""
    for run, kind in known.items():
        if kind != "finished":
            why = f"  {failure(run)}  Log: {run.folder / LOG}" if kind == "failed" else ""
            console.say(f"{kind:<8}  {run}{why}")
    tell_plan(console, table, known, len(to_make(table, known)) if table.run else 0)


def tell_holes(console: Console, table: TableConfig, known: State, stopped: str) -> None:
    """What the table still lacks, and why.

    Raises:
        UserError: if runs failed, or could not be made.
    """
    failed = [run for run, state in known.items() if state == "failed"]
    for run in failed:
        console.warn(f"{run}: {failure(run)}  Log: {run.folder / LOG}")
    if running := sum(state == "running" for state in known.values()):
        console.notice(f"{running} runs are being made by another process. Start again when it has ended.")
    if not table.run:
        return
    if stopped:
        missing = sum(state == "missing" for state in known.values())
        raise UserError(f"the launcher stopped ({stopped}). {missing} runs are missing; to go on, start again.")
    if failed:
        raise UserError(
            f"table={table.name}: {len(failed)} of {len(known)} runs failed; they are missing in the table. Read their "
            "logs above, and try them again with table.rerun=failed."
        )


def tell_tuned(table: TableConfig) -> Iterator[str]:
    """A footnote for each column with tuned settings: whose they are, and from which study."""
    methods = dict.fromkeys(method.tuned for method in table.rows.values() if method.tuned)
    for key, column in table.columns.items():
        files = {method: tuned_file(key, method) for method in methods}
        if any(files.values()):
            told = "; ".join(f"{method} ({tell_study(file)})" for method, file in files.items())
            yield f"{column.label}: settings tuned on validation, by method and study: {told}."


def tell_study(file: Path | None) -> str:
    """`8 trials, outputs/tune/main/nci1_kd, 2026-01-02 03:04:05`."""
    if file is None:
        return "not tuned"
    facts = read_facts(file)
    return f"{facts['trials']} trials, {facts['study']}, {facts['finished']}" if "study" in facts else str(file)
