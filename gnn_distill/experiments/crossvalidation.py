"""The table of `gnn-distill crossval`: teacher, student and floor of the same runs, on every fold and seed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from omegaconf import OmegaConf

from gnn_distill.config.naming import title
from gnn_distill.config.schema.crossval import CrossvalCommand
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.config.schema.table import ColumnConfig, RowConfig, TableConfig
from gnn_distill.errors import UserError, refuse
from gnn_distill.experiments.cells import sized
from gnn_distill.experiments.comparing import UNASKED, key_of, plain, test_part
from gnn_distill.experiments.composing import Composer
from gnn_distill.results.out_of_fold import write_out_of_fold
from gnn_distill.results.replicates import describe_interval
from gnn_distill.results.significance import interval
from gnn_distill.results.tables import Table

OWN = {"seed": "seeds", "dataset.fold": "folds", "dataset.folds": "folds"}
"""Keys of `train` that the command sets itself, and its key for each."""


def table_of_folds(command: CrossvalCommand) -> TableConfig:
    """Rows are the models of one run each; the pairs of its column are folds and seeds.

    Raises:
        UserError: for a key that the command sets itself, or if the data set has fewer folds.
    """
    for word in command.given:
        if (key := key_of(word)) in OWN and (key == "seed" or command.folds > 1):
            raise refuse(key, word.partition("=")[2], f"crossval sets it for every run. Set {OWN[key]}=.")
    config = _composed(command.given)
    words, pairs = _folds(command, config)
    models = {
        "floor": RowConfig(role="floor") if config.floors != "none" else None,
        "teacher": RowConfig(role="teacher") if config.teacher.name != "none" else None,
        "student": RowConfig(role="student") if config.student.name != "none" else None,
    }
    every = [*UNASKED, *command.given, *words]
    rows = {name: replace(row, overrides=every) for name, row in models.items() if row}
    name, reference = title(config.dataset), "teacher" if "student" in rows and "teacher" in rows else None
    column = ColumnConfig(label=name, pairs=pairs)
    made = replace(command.table, rows=rows, columns={plain(name): column}, sizes={}, size="full", reference=reference)
    what = "Cross-validation" if command.folds > 1 else "Seeds"
    return sized(replace(made, title=f"{what}: {' and '.join(name for name in rows if name != 'floor')} on {name}"))


def _composed(words: list[str]) -> TrainConfig:
    return OmegaConf.to_object(Composer().validated(words, "crossval"))


def _folds(command: CrossvalCommand, config: TrainConfig) -> tuple[list[str], dict[str, list[int]]]:
    """Words that choose a split with so many folds, and the pairs; a split without folds becomes a stratified one."""
    seeds = {"seed": list(range(command.seeds))}
    if command.folds == 1:
        return [], seeds
    words = [f"dataset.folds={command.folds}"]
    try:
        _check_folds(config, command.folds)
    except UserError as error:
        if any(key_of(word) == "dataset.split" for word in command.given):
            raise refuse("folds", command.folds, f"{error} Choose fewer, or another dataset.split.") from error
        words.append("dataset.split=stratified")
        try:
            _check_folds(_composed([*command.given, *words]), command.folds)
        except UserError:
            raise refuse("folds", command.folds, f"{error} Choose folds=1, for seeds alone.") from error
    return words, {"dataset.fold": list(range(command.folds)), **seeds}


def _check_folds(config: TrainConfig, folds: int) -> None:
    """Raise UserError unless the first and the last fold exist, and differ."""
    config = replace(config, dataset=replace(config.dataset, folds=folds))
    if torch.equal(test_part(config, 0), test_part(config, folds - 1)):
        raise UserError("The split has no folds.")


def describe_scores(table: Table, values: pd.DataFrame, folder: Path) -> list[str]:
    """Mean, spread and interval of every row, and what out_of_fold.csv, which is written here, holds."""
    return [*_intervals(table), *write_out_of_fold(folder, values["path"].unique().tolist())]


def _intervals(table: Table) -> Iterator[str]:
    for (row, key), cell in table.cells.items():
        column = table.columns[key]
        if len(cell.values):
            found = interval(cell.values.to_numpy(), column.overlap)
            told = describe_interval(found, cell.std, column.metric, column.units[0], column.runs // column.pairs)
            yield f"{table.rows[row]}: {told}"
