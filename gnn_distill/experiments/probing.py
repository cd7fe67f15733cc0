"""Probing the runs of a table: which are to be probed, and what their rows then hold."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.probe import ExamineFoundConfig
from gnn_distill.config.schema.table import TableConfig
from gnn_distill.errors import UserError
from gnn_distill.experiments.cells import PlannedRun, scores
from gnn_distill.formatting import duration
from gnn_distill.results.indices import INDEX_COLUMNS, QUANTITIES, ROLES
from gnn_distill.training.console import Console


def probe_runs(
    chosen: Mapping[PlannedRun, Path], settings: ExamineFoundConfig, paths: PathsConfig, console: Console
) -> dict[PlannedRun, str]:
    """Probe runs in their folders, those that were not probed with these settings by this code; why some cannot be.

    Every run is finished before the next one begins: stopped, the same command continues.
    """
    from gnn_distill.pipeline.finished_run import read_finished_run
    from gnn_distill.pipeline.probe import probe_run
    from gnn_distill.pipeline.profile import profile_run

    failed: dict[PlannedRun, str] = {}
    made, seconds = 0, 0.0
    for number, (run, folder) in enumerate(chosen.items(), start=1):
        started = time.monotonic()
        try:
            finished = read_finished_run(folder, settings.own_modules, "probe.own_modules")
            new = probe_run(finished, settings, paths, console, settings.own_modules)
            if settings.profiles:
                new = profile_run(finished, settings, paths, console, settings.own_modules) or new
        except UserError as error:
            failed[run] = str(error)
            console.warn(f"{run}: cannot be probed. {error}")
            continue
        if new:
            made, seconds = made + 1, seconds + time.monotonic() - started
            left = len(chosen) - number
            more = f"; at most {duration(seconds / made * left)} left" if left else ""
            console.say(f"{number}/{len(chosen)}  {run}: probed{more}")
    console.say(f"Probes: {made} made, {len(chosen) - made - len(failed)} found, {len(failed)} failed.")
    return failed


def to_probe(runs: Iterable[PlannedRun], rows: pd.DataFrame, table: TableConfig) -> dict[PlannedRun, Path]:
    """The finished runs that the table needs probes of, and their folders; of cells that share a run the first.

    A run of a teacher alone is needed only where no run of a student has that teacher. rows: those of `counted_rows`.
    """
    runs = list(runs)
    beside, folders = beside_students(runs, rows, table), rows.set_index("config_hash")["path"]
    models = [run for run in runs if table.rows[run.row].role != "floor"]
    needed = {run.config_hash: run for run in reversed(models) if run.config_hash not in beside}
    return {run: Path(folders[digest]) for digest, run in reversed(needed.items()) if folders.get(digest, "")}


def beside_students(runs: Sequence[PlannedRun], rows: pd.DataFrame, table: TableConfig) -> dict[str, str]:
    """For runs of a teacher alone the run of a student of the same column and pair with that teacher, by config hash.

    What a model knows is counted beside what the models of its run are given (docs/probes.md). Alone, a teacher is
    given less than beside a student, so that its indices are not those of the same targets.

    Of several runs one that is probed, given the same as the row `alone`; else the first.
    """
    known = rows.set_index("config_hash")
    cells: dict[tuple, list[PlannedRun]] = {}
    for run in runs:
        if run.config_hash in known.index:
            cells.setdefault((run.column, run.pair), []).append(run)
    found = {}
    for of_pair in cells.values():
        students = [run for run in of_pair if table.rows[run.row].role == "student" and _can_tell(known, run)]
        alone = {run.config_hash for run in of_pair} - {run.config_hash for run in students}
        given = next((known.at[run.config_hash, "given"] for run in students if run.row == table.alone), "")
        for digest in (run.config_hash for run in of_pair if table.rows[run.row].role == "teacher"):
            teacher = known.at[digest, "teacher_key"]
            same = [one.config_hash for one in students if known.at[one.config_hash, "teacher_key"] == teacher != ""]
            if same and digest in alone:  # one run may stand in a row of teachers and in one of students
                found[digest] = min(same, key=partial(_rank, known, given))
    return found


def _can_tell(known: pd.DataFrame, run: PlannedRun) -> bool:
    """Whether a run is probed, or its folder is there to be probed."""
    return bool(known.at[run.config_hash, "path"] or known.at[run.config_hash, "probe_settings"])


def _rank(known: pd.DataFrame, given: str, digest: str) -> tuple[bool, bool]:
    """The lowest is that of a run that is probed, and whose models are given these things."""
    run = known.loc[digest]
    return bool(pd.isna(run["teacher_local"])), run["given"] != given


def index_scores(runs: Sequence[PlannedRun], rows: pd.DataFrame, table: TableConfig) -> dict[str, pd.DataFrame]:
    """Each index in place of the scores, as `scores` gives them, without runs that lack it.

    Of teachers alone those that they have beside a student. rows: with their indices.
    """
    shown, found = rows_shown(runs, rows, table), {}
    for key, quantity in QUANTITIES.items():
        values = {f"{role}_test": shown[f"{role}_{key}"] for role in ROLES} | {"floor_test": float("nan")}
        changed = shown.assign(metric=quantity.metric, higher_is_better=True, constant_test=float("nan"), **values)
        found[key] = scores(runs, changed, table).dropna(subset="value")
    return found


def rows_shown(runs: Sequence[PlannedRun], rows: pd.DataFrame, table: TableConfig) -> pd.DataFrame:
    """Rows with the indices that the table shows: of teachers alone those of a run beside a student."""
    by_hash = rows.set_index("config_hash")[list(INDEX_COLUMNS)]
    taken = rows["config_hash"].replace(beside_students(runs, rows, table))
    return rows.assign(**by_hash.loc[taken].set_index(rows.index))


def describe_given(runs: Sequence[PlannedRun], rows: pd.DataFrame, table: TableConfig) -> Iterator[str]:
    """A sentence for each column in which models are given other things than the student alone.

    Then their awareness is of other targets, and of another floor. rows: with their indices.
    """
    shown = rows_shown(runs, rows, table)
    known = shown[shown["given"] != ""].set_index("config_hash")["given"].to_dict()
    for column, config in table.columns.items():
        given: dict[str, set[str]] = {row: set() for row in table.rows}
        for run in runs:
            if run.column == column and run.config_hash in known:
                given[run.row].add(known[run.config_hash])
        expected = given.get(table.alone, set())
        others = [table.rows[row].label for row, words in given.items() if words and expected and words != expected]
        if others:
            yield (
                f"{config.label}: the models of {', '.join(map(str, others))} are given other things than those of "
                f"{table.rows[table.alone].label}. Their awareness is of other targets, and cannot be compared."
            )
