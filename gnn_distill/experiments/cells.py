"""What runs a table is made of, and how each of them stands."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.check import validate
from gnn_distill.config.quoting import for_hydra
from gnn_distill.config.schema.table import TableConfig
from gnn_distill.errors import UserError, suggest
from gnn_distill.experiments.tuned import pair_name, pairs_of, tuned_file
from gnn_distill.results.runs import newest, of_other_data
from gnn_distill.storage.files import is_held
from gnn_distill.storage.provenance import code_version, config_hash
from gnn_distill.storage.run_directory import FAILED
from gnn_distill.storage.run_lock import RUNNING

TO_EVERY_RUN = ("paths.", "trainer.", "pretrain.", "tracker.", "tracker=")
PLAIN = re.compile(r"[\w/.-]+")
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
    data: str
    """Hash of the settings of its data: runs of one are compared, and must have seen the same graphs and split."""
    folder: Path
    """Where it is made; another version of the code makes it somewhere else."""

    def __str__(self) -> str:
        pair = ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in self.pair)
        return f"{self.column}, {self.row}, {pair}"


def sized(table: TableConfig) -> TableConfig:
    """The table in the chosen size; what has no label is called by its key."""
    parts = {
        part: {key: replace(value, label=value.label or key) for key, value in getattr(table, part).items()}
        for part in ("rows", "columns")
    }
    table = replace(table, title=table.title or table.name, **parts)
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
    """The runs of a cell: its config is composed once for the pairs whose overrides are alike, then the pair is set."""
    pairs = table.columns[column].pairs
    if not all([pairs, *pairs.values()]):
        raise UserError(f"table.columns.{column}.pairs: there are none. Give it values: {{seed: [0, 1, 2]}}.")
    for key in pairs:
        if key not in PAIR_KEYS:
            raise UserError(
                f"table.columns.{column}.pairs: {key} does not tell pairs apart. Choices: {', '.join(PAIR_KEYS)}."
            )
    runs: list[PlannedRun] = []
    composed: dict[tuple[str, ...], tuple[DictConfig, str]] = {}
    for pair in pairs_of(table.columns[column]):
        overrides = (*cell_overrides(table, row, column, given, pair),)
        if overrides not in composed:
            config = compose(overrides, f"row {row}, column {column}")
            composed[overrides] = config, code_version(config)["sources"]
        config, sources = composed[overrides]
        for key, value in pair.items():
            OmegaConf.update(config, key, value)
        digest, data = config_hash(config), config_hash(OmegaConf.create({"dataset": config.dataset}))
        folder = Path(table.cells) / f"{column}-{row}-{pair_name(pair)}-{digest[:8]}-{sources[:6]}"
        texts = (*overrides, *(f"{key}={value}" for key, value in pair.items()))
        runs.append(PlannedRun(row, column, tuple(pair.items()), texts, digest, sources, data, folder))
    return runs


def cell_overrides(
    table: TableConfig, row: str, column: str, given: Sequence[str] = (), pair: Mapping[str, int] | None = None
) -> list[str]:
    """What a cell changes in the config of `train`, the last word last; with a pair the settings tuned inside it."""
    method = table.rows[row]
    file = tuned_file(column, method.tuned, pair)
    choice = f"{column}/{file.stem}" if file else ""
    tuned = [f"tuned={choice if PLAIN.fullmatch(choice) else for_hydra(choice)}"] if choice else []
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


def compose(overrides: Sequence[str], where: str) -> DictConfig:
    """The config of `train` with these overrides, checked."""
    import hydra

    from gnn_distill.config.hydra_errors import explain

    try:
        return validate(hydra.compose("train", overrides=list(overrides)))
    except Exception as stop:
        error = explain(stop)
        if error is None:
            raise
        raise UserError(f"{where}: {error}") from stop


def taken(runs: Iterable[PlannedRun], found: pd.DataFrame, table: TableConfig) -> pd.DataFrame:
    """The rows of a table's runs: for each run that is finished the one that counts; none of data that have changed."""
    rows, changed = _newest(list(runs), found, table)
    return rows[~changed]


def describe_changed(runs: Iterable[PlannedRun], found: pd.DataFrame, table: TableConfig) -> Iterator[str]:
    """A sentence where finished runs do not count, since the data have changed after them."""
    _, changed = _newest(list(runs), found, table)
    if count := int(changed.sum()):
        yield (
            f"{count} runs saw other data than the latest run with the same data settings: the data, or the code that "
            "reads them, have changed. These runs are left out, and made again where runs are made."
        )


def _newest(runs: Sequence[PlannedRun], found: pd.DataFrame, table: TableConfig) -> tuple[pd.DataFrame, pd.Series]:
    sources = {run.config_hash: run.sources for run in runs}
    rows = newest(found[found["config_hash"].isin(sources)], sources, table.name)
    return rows, of_other_data(rows, {run.config_hash: run.data for run in runs})


def status(runs: Iterable[PlannedRun], rows: pd.DataFrame) -> dict[PlannedRun, str]:
    """How each run stands: finished, stale (finished by another version of the code), failed, running or missing.

    rows: those that `taken` gives.
    """
    known = rows.set_index("config_hash")["sources"].to_dict()

    def of(run: PlannedRun) -> str:
        if run.config_hash in known:
            return "finished" if known[run.config_hash] == run.sources else "stale"
        if (run.folder / FAILED).exists():
            return "failed"
        return "running" if is_held(run.folder / RUNNING) else "missing"

    return {run: of(run) for run in runs}


def scores(runs: Iterable[PlannedRun], rows: pd.DataFrame, table: TableConfig) -> pd.DataFrame:
    """The test scores of a table's finished runs, one line each: what tables are made from.

    rows: those that `taken` gives.
    """
    by_hash = rows.set_index("config_hash").to_dict("index")
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
                **{key: done[key] for key in ("metric", "higher_is_better", "n_train", "n_test", "path", "sources")},
                "constant": done["constant_test"],
                "stale": done["sources"] != run.sources,
            }
        )
    columns = ("row", "column", "fold", "split_seed", "seed", "value", "metric", "higher_is_better")
    return pd.DataFrame(lines, columns=[*columns, "constant", "n_train", "n_test", "path", "sources", "stale"])


def mixed(values: pd.DataFrame, table: TableConfig) -> Iterator[str]:
    """A sentence where the runs of a cell, which differ in nothing but seed or fold, are of several versions."""
    versions = values.groupby(["column", "row"], sort=False)["sources"].nunique()
    told = [
        f"{table.columns[column].label}: {table.rows[row].label} {count}"
        for (column, row), count in versions[versions > 1].items()
    ]
    if told:
        yield f"Cells whose runs are of several versions of the code, and how many: {'; '.join(told)}."


def _keep(known: dict[str, Any], wanted: list[str], key: str) -> dict[str, Any]:
    for name in wanted:
        if name not in known:
            raise UserError(f"{key}: there is no {name}. Choices: {', '.join(known)}.{suggest(name, known)}")
    return {name: known[name] for name in wanted or known}
