"""`gnn-distill table`: make the runs of a table that are missing, and render it."""

import sys
from collections import Counter
from pathlib import Path

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console as RichConsole

from gnn_distill.console import Console
from gnn_distill.environment import code_version
from gnn_distill.errors import UserError
from gnn_distill.results.cells import LOG, PlannedRun, plan, scores, sized, status, tuned_file
from gnn_distill.results.comparison import make_table
from gnn_distill.results.launch import failure, launch
from gnn_distill.results.publish import publish
from gnn_distill.results.rendering import to_markdown, to_rich
from gnn_distill.results.runs import newest, read_runs
from gnn_distill.schema.table import TableCommand, TableConfig

TO_EVERY_RUN = ("paths.", "trainer.", "tracker.", "tracker=")
RERUN = {"none": ["missing"], "failed": ["missing", "failed"], "stale": ["missing", "stale"]}


def main(cfg: DictConfig) -> None:
    """Plan, run what is missing, write the table to Hydra's output folder."""
    command: TableCommand = OmegaConf.to_object(cfg)
    table = sized(command.table)
    hydra = HydraConfig.get()
    # The console keeps the terminal while runs write to their logs.
    console = Console(sys.stdout)
    given = ["tracker=none", *(text for text in hydra.overrides.task if text.lstrip("+").startswith(TO_EVERY_RUN))]
    runs = plan(table, given)
    # A run counts wherever it lies; those of this table lie in its cells.
    places = [*table.search, table.cells]
    known = status(runs, read_runs(places))
    if table.status:
        return tell_status(console, table, known)
    if table.run:
        wanted = [run for run in runs if known[run] in RERUN[table.rerun]]
        tell_plan(console, table, known, len(wanted))
        if wanted:
            make(wanted, table, [text for text in hydra.overrides.hydra if "launcher" in text], console)
            known = status(runs, read_runs(places))

    found = read_runs(places)
    values = scores(runs, found, table)
    made = make_table(table, values, remarks=tell_tuned(table))
    folder = Path(hydra.runtime.output_dir)
    ours = newest(found, code_version()["sources"])
    publish(folder, made, ours[ours["config_hash"].isin({run.config_hash for run in runs})], values)
    terminal = RichConsole()
    terminal.print(to_rich(made)) if terminal.is_terminal else print(to_markdown(made))
    console.say(f"Files: {folder}")
    failed = [run for run in runs if known[run] == "failed"]
    for run in failed:
        console.warn(f"{run}: {failure(run)}  Log: {run.folder / LOG}")
    if failed and table.run:
        raise UserError(
            f"table={table.name}: {len(failed)} of {len(runs)} runs failed; they are missing in the table. Read their "
            "logs above, and try them again with table.rerun=failed."
        )


def make(wanted: list[PlannedRun], table: TableConfig, given: list[str], console: Console) -> None:
    """Make these runs; only one process at a time does that in a folder of cells."""
    cells = Path(table.cells)
    cells.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(cells / ".lock", timeout=0):
            launch(wanted, cells, given, console)
    except Timeout as error:
        raise UserError(
            f"table.cells={cells}: another process is making runs in there. Wait for it, choose another folder, or "
            "render what is there with table.run=false."
        ) from error


def tell_plan(console: Console, table: TableConfig, known: dict[PlannedRun, str], wanted: int) -> None:
    """How many runs there are, of which kind, and how many will be made."""
    counts = Counter(known.values())
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    console.stage(f"{table.title or table.name}", f"{len(known)} runs: {told}; {wanted} to be made")


def tell_status(console: Console, table: TableConfig, known: dict[PlannedRun, str]) -> None:
    """A line for each run that is not finished, with its folder, and the counts."""
    for run, kind in known.items():
        if kind != "finished":
            why = f"  {failure(run)}  Log: {run.folder / LOG}" if kind == "failed" else ""
            console.say(f"{kind:<8}  {run}{why}")
    tell_plan(console, table, known, 0 if not table.run else sum(known[run] in RERUN[table.rerun] for run in known))


def tell_tuned(table: TableConfig) -> list[str]:
    """A footnote for each tuned setting that is used, with the study it comes from."""
    return [
        f"{method.label}, {columns.label}: settings of tuned={tuned}."
        for column, columns in table.columns.items()
        for method in table.rows.values()
        if (tuned := tuned_file(column, method.tuned))
    ]
