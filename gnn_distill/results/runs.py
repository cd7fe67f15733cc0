"""Finished runs as rows of a data frame: from run directories, and from CSV files of such rows."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from gnn_distill.errors import UserError
from gnn_distill.formatting import counted
from gnn_distill.results import spreadsheets
from gnn_distill.results.indices import INDEX_COLUMNS, INDEX_NUMBERS, INDEX_TEXTS, has_indices
from gnn_distill.storage.bounded import lies_inside, read_texts
from gnn_distill.storage.checksums import Damaged, OtherVersion
from gnn_distill.storage.files import replace_file
from gnn_distill.storage.provenance import LOCATION_SECTIONS
from gnn_distill.storage.run_directory import SUMMARY, read_summary, verify_run

OVERRIDES = ".hydra/overrides.yaml"
RUNS = "runs.csv"
"""The rows of a table's runs, in its folder."""
ADDED = ("constant_test", "floor_test", "floor", "data")
"""Columns that older CSV files lack: the test scores of the best constant prediction and of the best floor, which floor
that is, and the fingerprint of the data."""
PLACED = ("path", "file")
"""Where a row was found: the folder of its run, or the CSV file; not written to CSV files."""
ROLES, PARTS = ("teacher", "student"), ("train", "val", "test")
NUMBERS = (
    *("seed", "fold", "split_seed", "n_train", "n_val", "n_test"),
    *(f"{role}_{part}" for role in ROLES for part in PARTS),
    *("constant_test", "floor_test", "best_epoch", "epochs", "seconds_total", "threads", *INDEX_NUMBERS),
)
TEXTS = (
    *("config_hash", "name", "dataset", "metric", "higher_is_better", "level", "split", "floor", "data"),
    *("version", "sources", "commit", "torch", "torch_geometric", "python", "device", "finished", "overrides", *PLACED),
    *INDEX_TEXTS,
)
COLUMNS = (
    *("config_hash", "name", "dataset", "metric", "higher_is_better", "level", "split", "fold", "split_seed", "seed"),
    *("n_train", "n_val", "n_test", *(f"{role}_{part}" for role in ROLES for part in PARTS), *ADDED),
    *("best_epoch", "epochs", "seconds_total", "version", "sources", "commit", "torch", "torch_geometric", "python"),
    *("device", "threads", "finished", "overrides", *PLACED, *INDEX_COLUMNS),
)
"""All columns, in the order of the CSV files. Scores are the primary metric, in original units. Files of runs without
probes have no INDEX_COLUMNS."""
REQUIRED = tuple(name for name in COLUMNS if name not in (*PLACED, *ADDED, *INDEX_COLUMNS))
"""The columns that every such file has."""


def read_runs(places: Iterable[Path | str], warn: Callable[[str], None] = lambda text: None) -> pd.DataFrame:
    """One row per finished run, in the order found; `places` are folders, searched recursively, and CSV files.

    CSV files in a folder are read, too, if `write_rows` wrote them; missing places are skipped. `warn` receives a
    message for every damaged summary, and the number of those of another version: these runs are ignored.
    """
    others: list[str] = []

    def row(run: Path) -> dict[str, Any] | None:
        try:
            return row_of(run)
        except Damaged as error:
            warn(f"{error.path}: is damaged: {error.why}. The run is ignored.")
        except OtherVersion as error:
            others.append(str(error))
        return None

    rows: list[dict[str, Any]] = []
    frames: list[pd.DataFrame] = []
    seen: set[Path] = set()  # a place may be inside another one
    for place in map(Path, places):
        if place.is_dir():
            files = [*sorted(place.rglob(SUMMARY)), *sorted(place.rglob("*.csv"))]
            files = [file for file in files if (real := file.absolute()) not in seen and not seen.add(real)]
            rows += [found for file in files if file.name == SUMMARY and (found := row(file.parent)) is not None]
            tables = [file for file in files if file.name != SUMMARY and lies_inside(file, place)]
            frames += [frame for file in tables if (frame := read_rows(file)) is not None]
        elif place.suffix == ".csv" and place.is_file():
            frame = read_rows(place)
            if frame is None:
                columns = ", ".join(REQUIRED)
                raise UserError(
                    f"table.search: {place} is not a file of finished runs. It must have columns {columns}."
                )
            frames.append(frame)
    if others:
        warn(f"{len(others)} folders of runs are ignored. {others[0]}")
    return pd.concat([_typed(pd.DataFrame(rows, columns=list(COLUMNS))), *frames], ignore_index=True)


def row_of(run: Path) -> dict[str, Any] | None:
    """The row of a run directory; None if `train` did not write its summary. Raises Damaged or OtherVersion."""
    summary = read_summary(run)
    try:
        metric, split, environment = summary["metric"], summary["split"], summary["environment"]
        packages, code = environment["packages"], environment["code"]
        scores = {f"{role}_{part}": summary.get(role, {}).get(part, {}).get(metric) for role in ROLES for part in PARTS}
        return {
            **{key: summary[key] for key in ("config_hash", "name", "metric", "seed", "best_epoch", "epochs")},
            **{key: summary.get(key) for key in ("dataset", "higher_is_better", "level", "finished", "data")},
            **{"split": split["kind"], "fold": split["fold"], "split_seed": split["split_seed"]},
            **{f"n_{part}": split["sizes"][part] for part in PARTS},
            **scores,
            **{f"{what}_test": summary.get(what, {}).get("test", {}).get(metric) for what in ("constant", "floor")},
            "floor": summary.get("floor", {}).get("name"),
            "seconds_total": round(sum(summary["seconds"].values()), 1),
            **{key: code.get(key) for key in ("version", "sources", "commit")},
            **{key: packages.get(key) for key in ("torch", "torch_geometric")},
            **{key: environment.get(key) for key in ("python", "device", "threads")},
            "overrides": " ".join(_overrides(run)),
            "path": str(run),
            "file": "",
            "teacher_key": next(iter(summary.get("store", {}).get("teachers", [])), ""),
        }
    except (KeyError, AttributeError, TypeError):
        return None


def read_rows(file: Path) -> pd.DataFrame | None:
    """The rows of a CSV file; None if it holds something else."""
    try:
        with open(file, encoding="utf-8", newline="") as opened:  # most are metrics of a run
            if not {*REQUIRED} <= {*next(csv.reader(opened), [])}:
                return None
    except (OSError, ValueError, csv.Error):
        return None
    frame = pd.read_csv(file, dtype=dict.fromkeys(TEXTS, "string"), keep_default_na=False, na_values=[""])
    return _typed(spreadsheets.restored(frame).assign(path="", file=str(file)).reindex(columns=list(COLUMNS)))


def write_rows(frame: pd.DataFrame, file: Path) -> None:
    """Write runs as CSV, numbers to the last digit, without their location on this machine."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unknown = [*PLACED, *(() if has_indices(frame) else INDEX_COLUMNS)]
    kept = frame[list(COLUMNS)].drop(columns=unknown).sort_values(["dataset", "name", "config_hash"])
    replace_file(file, spreadsheets.to_csv(kept))


def newest(frame: pd.DataFrame, sources: Mapping[str, str], table: str = "") -> pd.DataFrame:
    """One run per config hash: made by the code in `sources`, else in the file of `table`, else the latest.

    The file of a table is table_<name>.csv, or the runs.csv that the table wrote. A run found both in its folder and
    in a CSV file is taken from its folder, where its epochs can be read.
    """
    ours = frame["sources"] == frame["config_hash"].map(sources)
    keys = pd.MultiIndex.from_frame(frame[["config_hash", "finished"]])
    own = keys.isin(keys[[_is_file_of(table, Path(file)) for file in frame["file"]]]) & ~ours
    ranked = frame.assign(ours=ours, own=own).sort_values(["ours", "own", "finished", "path"])
    return ranked.drop_duplicates("config_hash", keep="last").drop(columns=["ours", "own"])


def of_other_data(rows: pd.DataFrame, settings: Mapping[str, str]) -> "pd.Series[bool]":
    """Which rows were made on different data than the latest row with the same data settings.

    settings: a name for the data settings, by config hash. Rows without a fingerprint of their data are never marked.
    """
    known = rows[rows["data"] != ""].sort_values("finished")
    latest = known.groupby(known["config_hash"].map(settings))["data"].last()
    expected = rows["config_hash"].map(settings).map(latest)
    return (rows["data"] != "") & (rows["data"] != expected)


def left_out(frame: pd.DataFrame, taken: pd.DataFrame) -> Iterator[str]:
    """A sentence if runs of `frame` have the config of one that was `taken`, but other code or another score."""
    pairs = frame.merge(taken, on="config_hash", suffixes=("", "_taken"))
    scores = ("teacher_test", "student_test")
    moved = pd.concat([pairs[name].fillna(0) != pairs[f"{name}_taken"].fillna(0) for name in scores], axis=1).any(
        axis=1
    )
    pairs = pairs.assign(moved=moved)
    others = pairs[moved | (pairs["sources"] != pairs["sources_taken"])]
    if others.empty:
        return
    places = [file or str(Path(path).parent) for file, path in zip(others["file"], others["path"], strict=True)]
    ignored = [
        f"{place} ({len(rows)}, {int(rows['moved'].sum())} of them with another score)"
        for place, rows in others.groupby(pd.Series(places, index=others.index))
    ]
    count = others["config_hash"].nunique()
    yield (
        f"{counted(count, 'run exists', 'runs exist')} more than once, made by different code: one of this version is "
        f"used, else that of the table's own file, else the latest. Left out: {', '.join(ignored)}."
    )


def _is_file_of(table: str, file: Path) -> bool:
    return file.name == f"table_{table}.csv" or (file.name == RUNS and file.parent.parent.name == table)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    texts = {key: frame[key].astype("string").fillna("") for key in TEXTS}
    numbers = {key: pd.to_numeric(frame[key]).astype("float64") for key in NUMBERS}
    truth = {"higher_is_better": texts["higher_is_better"].str.lower() == "true"}
    return pd.DataFrame({key: (texts | numbers | truth)[key] for key in COLUMNS}, index=frame.index)


def _overrides(run: Path) -> list[str]:
    try:
        verify_run(run, OVERRIDES)
        texts = read_texts(run / OVERRIDES, run)
    except UserError:
        return []
    return [text for text in texts if not text.lstrip("+~").startswith(LOCATION_SECTIONS)]


def origin(runs: pd.DataFrame) -> list[str]:
    """With which code, where and when runs were made, in one sentence; empty without runs."""
    if runs.empty:
        return []

    def used(column: str) -> str:
        values = runs[column].dropna().map(lambda value: f"{value:g}" if isinstance(value, float) else str(value))
        return " or ".join(sorted(values.unique())) or "unknown"

    days = sorted({str(time)[:10] for time in runs["finished"].dropna()})
    when = " to ".join(dict.fromkeys([*days[:1], *days[-1:]])) or "on an unknown day"
    commits = sorted({str(commit)[:7] for commit in runs["commit"].dropna()})
    code = f"gnn-distill {used('version')}" + (f" (commit {' or '.join(commits)})" if commits else "")
    packages = f"Python {used('python')}, torch {used('torch')}, torch_geometric {used('torch_geometric')}"
    return [f"Runs: {len(runs)}, {when}, on {used('device')}, threads: {used('threads')}; {code}, {packages}."]
