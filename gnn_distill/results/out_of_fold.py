"""What the models of all folds say of examples that they have not seen: the test rows of every run, in one file."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from gnn_distill.errors import UserError
from gnn_distill.formatting import counted
from gnn_distill.results import spreadsheets
from gnn_distill.results.predictions import rows_of_part
from gnn_distill.storage.files import replace_file
from gnn_distill.storage.run_directory import PREDICTIONS, REPEAT_RUN, read_summary

OUT_OF_FOLD = "out_of_fold.csv"
DIGITS = "%.10g"
"""As in predictions.csv."""
KEYS = ["seed", "fold", "split_seed"]
"""Columns before those of a run's predictions.csv."""


def write_out_of_fold(folder: Path, runs: Iterable[str | Path]) -> list[str]:
    """Write out_of_fold.csv of these runs, and say what it holds; runs without predictions are left out, and named.

    Columns: seed, fold, split_seed, then those of predictions.csv but for `split`: id, labels, outputs by model.
    """
    frames, told = [], []
    for run in map(Path, runs):
        try:
            frames.append(tested_by(run))
        except UserError as error:
            told.append(f"Left out of {OUT_OF_FOLD}: {error}")
    if not sum(map(len, frames)):  # the test part was not read, or runs are of an earlier version
        return []
    table = pd.concat(frames, ignore_index=True).sort_values(["split_seed", "seed", "id"], kind="stable")
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / OUT_OF_FOLD, spreadsheets.to_csv(table, float_format=DIGITS))
    return [*told, *_described(table)]


def tested_by(run: Path) -> pd.DataFrame:
    """The test rows of a run's predictions.csv, with its seed and fold.

    Raises:
        UserError: if the run has no such file, or it is damaged.
    """
    file = run / PREDICTIONS
    if not file.is_file():
        raise UserError(f"{file}: is missing. {REPEAT_RUN}")
    summary = read_summary(run)
    header, rows = rows_of_part(run, "test")
    known = {"seed": summary["seed"], "fold": summary["split"]["fold"], "split_seed": summary["split"]["split_seed"]}
    tested = pd.DataFrame(rows, columns=header, dtype=str).apply(pd.to_numeric)
    return tested.assign(**known)[[*KEYS, *tested.columns]]


def _described(table: pd.DataFrame) -> Iterator[str]:
    """How many examples are tested, and whether each is tested once."""
    examples = table["id"].nunique()
    seeds = len(table[["seed", "split_seed"]].drop_duplicates())
    times = f", each for {seeds} seeds" if seeds > 1 else ""
    yield f"{OUT_OF_FOLD}: {counted(examples, 'example')}, predicted by models that have not seen them{times}."
    if twice := int(table.duplicated(["seed", "split_seed", "id"]).sum()):
        rows = counted(twice, f"row of {OUT_OF_FOLD} is", f"rows of {OUT_OF_FOLD} are")
        yield f"Folds overlap: {rows} of examples that an earlier fold has tested, too."
