"""The runs of a table, and the state of each."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from gnn_distill.config.quoting import for_hydra
from gnn_distill.config.schema.table import TableConfig
from gnn_distill.errors import UserError, suggest
from gnn_distill.experiments.cell_settings import CellSettings
from gnn_distill.experiments.tuned import pair_name, pairs_of, tuned_file
from gnn_distill.formatting import counted
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
    """Which of the cell's runs it is, as in (("dataset.fold", 3),)."""
    overrides: tuple[str, ...]
    """Overrides of `train`, the pair's included."""
    config_hash: str
    sources: str
    """Hash of the code that its results depend on."""
    data: str
    """Hash of its data settings: runs with the same hash must have used the same graphs and split."""
    folder: Path
    """Its run directory; another version of the code has another."""

    def __str__(self) -> str:
        pair = ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in self.pair)
        return f"{self.column}, {self.row}, {pair}"


def sized(table: TableConfig) -> TableConfig:
    """The table in the chosen size; rows and columns without a label get their key as label."""
    parts = {
        part: {key: replace(value, label=value.label or key) for key, value in getattr(table, part).items()}
        for part in ("rows", "columns")
    }
    table = replace(table, title=table.title or table.name, **parts)
    for name, row in table.rows.items():
        _keep(table.columns, row.columns, f"table.rows.{name}.columns")
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


def plan(table: TableConfig, given: Sequence[str] = (), folder: Path | None = None) -> list[PlannedRun]:
    """The runs of a table, pair by pair.

    given: overrides of every run, from the command line.
    folder: where the settings of its cells are kept for the next time; None: nowhere.

    Needs a running Hydra, with whose search path it composes the runs' configs.
    Raises UserError if a cell's overrides give an invalid config.
    """
    settings = CellSettings(folder)
    cells = {
        (row, column): plan_cell(table, row, column, given, settings)
        for column in table.columns
        for row, method in table.rows.items()
        if method.is_in(column)
    }
    settings.write()
    longest = max(map(len, cells.values()), default=0)
    return [runs[index] for index in range(longest) for runs in cells.values() if index < len(runs)]


def plan_cell(
    table: TableConfig, row: str, column: str, given: Sequence[str], settings: CellSettings
) -> list[PlannedRun]:
    """The runs of a cell, in the order of its pairs."""
    pairs = table.columns[column].pairs
    if not all([pairs, *pairs.values()]):
        raise UserError(f"table.columns.{column}.pairs is empty. Give it values: {{seed: [0, 1, 2]}}.")
    for key in pairs:
        if key not in PAIR_KEYS:
            raise UserError(f"table.columns.{column}.pairs: unknown key {key}. Choices: {', '.join(PAIR_KEYS)}.")
    runs: list[PlannedRun] = []
    for pair in pairs_of(table.columns[column]):
        overrides = cell_overrides(table, row, column, given, pair)
        config = settings.of(overrides, pair, f"row {row}, column {column}")
        sources, digest = code_version(config)["sources"], config_hash(config)
        data = config_hash({"dataset": config["dataset"]})
        folder = Path(table.cells) / f"{column}-{row}-{pair_name(pair)}-{digest[:8]}-{sources[:6]}"
        texts = (*overrides, *(f"{key}={value}" for key, value in pair.items()))
        runs.append(PlannedRun(row, column, tuple(pair.items()), texts, digest, sources, data, folder))
    return runs


def cell_overrides(
    table: TableConfig, row: str, column: str, given: Sequence[str] = (), pair: Mapping[str, int] | None = None
) -> list[str]:
    """A cell's overrides of `train`, later ones winning; for a pair with the settings that were tuned inside it."""
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
    """The overrides of a command that each of its runs gets, too."""
    # Compared runs must have the same batch size, and a student alone is a row of its own.
    return [
        "tracker=none",
        "alone=false",
        "trainer.out_of_memory=stop",
        *(text for text in overrides if text.lstrip("+").startswith(TO_EVERY_RUN)),
    ]


def given_to_launcher(overrides: Sequence[str]) -> list[str]:
    """The overrides of a command that configure Hydra's launcher."""
    return [text for text in overrides if text.lstrip("+").startswith(("hydra/launcher", "hydra.launcher"))]


def counted_rows(runs: Iterable[PlannedRun], found: pd.DataFrame, table: TableConfig) -> pd.DataFrame:
    """For each finished run of a table the row that counts; without runs whose data have changed since."""
    rows, changed = _newest(list(runs), found, table)
    return rows[~changed]


def describe_changed(runs: Iterable[PlannedRun], found: pd.DataFrame, table: TableConfig) -> Iterator[str]:
    """A sentence if finished runs do not count because their data have changed since."""
    _, changed = _newest(list(runs), found, table)
    if count := int(changed.sum()):
        yield (
            f"{counted(count, 'run')} used other data than the latest run with the same data settings: the data, or "
            "the code that reads them, have changed. They are left out, and repeated when the table makes runs."
        )


def _newest(runs: Sequence[PlannedRun], found: pd.DataFrame, table: TableConfig) -> tuple[pd.DataFrame, pd.Series]:
    sources = {run.config_hash: run.sources for run in runs}
    rows = newest(found[found["config_hash"].isin(sources)], sources, table.name)
    return rows, of_other_data(rows, {run.config_hash: run.data for run in runs})


def status(runs: Iterable[PlannedRun], rows: pd.DataFrame) -> dict[PlannedRun, str]:
    """The state of each run: finished, stale (finished by another version of the code), failed, running or missing.

    rows: those of `counted_rows`.
    """
    known = rows.set_index("config_hash")["sources"].to_dict()

    def state_of(run: PlannedRun) -> str:
        if run.config_hash in known:
            return "finished" if known[run.config_hash] == run.sources else "stale"
        if (run.folder / FAILED).exists():
            return "failed"
        return "running" if is_held(run.folder / RUNNING) else "missing"

    return {run: state_of(run) for run in runs}


def scores(runs: Iterable[PlannedRun], rows: pd.DataFrame, table: TableConfig) -> pd.DataFrame:
    """The test scores of a table's finished runs, one line each.

    rows: those of `counted_rows`.
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
    """A sentence if the runs of a cell, which should differ in seed or fold only, come from several code versions."""
    versions = values.groupby(["column", "row"], sort=False)["sources"].nunique()
    cells = [
        f"{table.columns[column].label}: {table.rows[row].label} {count}"
        for (column, row), count in versions[versions > 1].items()
    ]
    if cells:
        yield f"Cells whose runs come from several versions of the code, and from how many: {'; '.join(cells)}."


def _keep(known: dict[str, Any], names: list[str], key: str) -> dict[str, Any]:
    for name in names:
        if name not in known:
            raise UserError(f"{key}: unknown name {name}. Choices: {', '.join(known)}.{suggest(name, known)}")
    return {name: known[name] for name in names or known}
