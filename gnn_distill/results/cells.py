"""What runs a table is made of, and how each of them stands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from gnn_distill.environment import code_version, config_hash
from gnn_distill.errors import UserError, suggest
from gnn_distill.files import is_held
from gnn_distill.results.runs import newest
from gnn_distill.run_directory import FAILED, RUNNING
from gnn_distill.schema.table import TableConfig
from gnn_distill.validation import validate

TO_EVERY_RUN = ("paths.", "trainer.", "tracker.", "tracker=")
PAIR_KEYS = ("seed", "dataset.fold", "dataset.split_seed")
LOG = "run.log"


@dataclass(frozen=True)
class PlannedRun:
    """A run that a table needs."""

    row: str
    column: str
    pair: tuple[tuple[str, int], ...]
    """Which of the cell's runs it is: (("dataset.fold", 3),)."""
    overrides: tuple[str, ...]
    """Of `train`, the pair's among them."""
    config_hash: str
    sources: str
    """Hash of the code that its numbers depend on."""
    folder: Path
    """Where it is made; another version of the code makes it somewhere else."""

    def __str__(self) -> str:
        pair = ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in self.pair)
        return f"{self.column}, {self.row}, {pair}"


def sized(table: TableConfig) -> TableConfig:
    """The table in the chosen size."""
    if table.size == "full":
        return table
    if table.size not in table.sizes:
        known = ["full", *table.sizes]
        raise UserError(
            f"table.size={table.size}: table={table.name} has no such size. Choices: {', '.join(known)}."
            f"{suggest(table.size, known)}"
        )
    size = table.sizes[table.size]
    columns = _keep(table.columns, size.columns, f"table.sizes.{table.size}.columns")
    if size.pairs:
        columns = {name: replace(column, pairs=size.pairs) for name, column in columns.items()}
    rows = _keep(table.rows, size.rows, f"table.sizes.{table.size}.rows")
    rows = {name: replace(row, overrides=[*row.overrides, *size.overrides]) for name, row in rows.items()}
    return replace(table, rows=rows, columns=columns)


def plan(table: TableConfig, given: Sequence[str] = ()) -> list[PlannedRun]:
    """The runs of a table in its size, pair by pair; `given`: overrides of every run, from the command line.

    Needs Hydra to be running, whose search path it composes the runs' configs from.
    Raises UserError where a cell's overrides make no valid config.
    """
    cells = {(row, column): plan_cell(table, row, column, given) for column in table.columns for row in table.rows}
    longest = max(map(len, cells.values()), default=0)
    return [runs[index] for index in range(longest) for runs in cells.values() if index < len(runs)]


def plan_cell(table: TableConfig, row: str, column: str, given: Sequence[str] = ()) -> list[PlannedRun]:
    """The runs of a cell: its config is composed once, then the pairs are set."""
    overrides = cell_overrides(table, row, column, given)
    config = compose(overrides, f"row {row}, column {column}")
    pairs = table.columns[column].pairs
    if not all([pairs, *pairs.values()]):
        raise UserError(f"table.columns.{column}.pairs: there are none. Give it values: {{seed: [0, 1, 2]}}.")
    for key in pairs:
        if key not in PAIR_KEYS:
            raise UserError(
                f"table.columns.{column}.pairs: {key} does not tell pairs apart. Choices: {', '.join(PAIR_KEYS)}."
            )
    runs, sources = [], code_version(config)["sources"]
    for values in product(*pairs.values()):
        pair = tuple(zip(pairs, values, strict=True))
        for key, value in pair:
            OmegaConf.update(config, key, value)
        digest = config_hash(config)
        told = "-".join(f"{key.rpartition('.')[2]}{value}" for key, value in pair)
        folder = f"{column}-{row}-{told}-{digest[:8]}-{sources[:6]}"
        texts = (*overrides, *(f"{key}={value}" for key, value in pair))
        runs.append(PlannedRun(row, column, pair, texts, digest, sources, Path(table.cells) / folder))
    return runs


def cell_overrides(table: TableConfig, row: str, column: str, given: Sequence[str] = ()) -> list[str]:
    """What a cell changes in the config of `train`, the last word last."""
    method = table.rows[row]
    tuned = [f"tuned={column}/{method.tuned}"] if tuned_file(column, method.tuned) else []
    return [
        *table.columns[column].overrides,
        *table.overrides,
        *method.overrides,
        *tuned,
        *given,
    ]


def given_to_runs(overrides: Sequence[str]) -> list[str]:
    """What a command hands on to each of its runs, of what it was told itself."""
    # Runs that are compared have batches of one size.
    return [
        "tracker=none",
        "trainer.out_of_memory=stop",
        *(text for text in overrides if text.lstrip("+").startswith(TO_EVERY_RUN)),
    ]


def given_to_launcher(overrides: Sequence[str]) -> list[str]:
    """What was said of Hydra's launcher."""
    return [text for text in overrides if text.lstrip("+").startswith(("hydra/launcher", "hydra.launcher"))]


def tuned_file(column: str, method: str | None) -> Path | None:
    """The file of the group `tuned` with a method's settings for a column: the first on Hydra's search path, if any."""
    from hydra.core.global_hydra import GlobalHydra

    if not method:
        return None
    entries = GlobalHydra.instance().config_loader().get_search_path().get_path()
    paths = (Path(entry.path.removeprefix("file://"), "tuned", column, f"{method}.yaml") for entry in entries)
    return next((path for path in paths if path.is_file()), None)


def compose(overrides: Sequence[str], where: str) -> DictConfig:
    """The config of `train` with these overrides, checked."""
    import hydra

    from gnn_distill.complaints import explain

    try:
        return validate(hydra.compose("train", overrides=list(overrides)))
    except Exception as stop:
        error = explain(stop)
        if error is None:
            raise
        raise UserError(f"{where}: {error}") from stop


def status(runs: Iterable[PlannedRun], found: pd.DataFrame) -> dict[PlannedRun, str]:
    """How each run stands: finished, stale (finished by another version of the code), failed, running or missing."""
    runs = list(runs)
    known = newest(found, sources_of(runs)).set_index("config_hash")["sources"].to_dict()

    def of(run: PlannedRun) -> str:
        if run.config_hash in known:
            return "finished" if known[run.config_hash] == run.sources else "stale"
        if (run.folder / FAILED).exists():
            return "failed"
        return "running" if is_held(run.folder / RUNNING) else "missing"

    return {run: of(run) for run in runs}


def sources_of(runs: Iterable[PlannedRun]) -> dict[str, str]:
    """The code that each of the runs would be made with now, by config hash."""
    return {run.config_hash: run.sources for run in runs}


def scores(runs: Iterable[PlannedRun], found: pd.DataFrame, table: TableConfig) -> pd.DataFrame:
    """The test scores of a table's finished runs, one line each: what tables are made from."""
    runs = list(runs)
    by_hash = newest(found, sources_of(runs)).set_index("config_hash").to_dict("index")
    lines: list[dict[str, Any]] = []
    for run in runs:
        if (done := by_hash.get(run.config_hash)) is None:
            continue
        lines.append(
            {
                "row": run.row,
                "column": run.column,
                "fold": done["fold"],
                "split_seed": done["split_seed"],
                "seed": done["seed"],
                "value": done[f"{table.rows[run.row].role}_test"],
                **{key: done[key] for key in ("metric", "higher_is_better", "n_train", "n_test", "path")},
                "stale": done["sources"] != run.sources,
            }
        )
    columns = ("row", "column", "fold", "split_seed", "seed", "value", "metric", "higher_is_better")
    return pd.DataFrame(lines, columns=[*columns, "n_train", "n_test", "path", "stale"])


def _keep(known: dict[str, Any], wanted: list[str], key: str) -> dict[str, Any]:
    for name in wanted:
        if name not in known:
            raise UserError(f"{key}: there is no {name}. Choices: {', '.join(known)}.{suggest(name, known)}")
    return {name: known[name] for name in wanted or known}
