"""The table of `gnn-distill compare`: rows of another table, a single data set, and its folds or seeds."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from omegaconf import OmegaConf

from gnn_distill.config.naming import title
from gnn_distill.config.schema.compare import CompareCommand
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.config.schema.table import ColumnConfig, RowConfig, TableConfig
from gnn_distill.data.reading.loading import load_task
from gnn_distill.errors import UserError, refuse, suggest
from gnn_distill.experiments.cells import sized
from gnn_distill.experiments.composing import Composer

FIRST = ("floor", "teacher", "alone")
"""Rows that are always there, in this order."""
SPLIT = ("dataset.fold", "dataset.split_seed")
UNASKED = ("probe.at_end=false", "probe.profiles_at_end=false")
"""What models know of structure is another question, and takes time."""


def compared_table(command: CompareCommand) -> TableConfig:
    """The rows that are asked for, against the student alone, on the data set that is given.

    Settings are those of the data set, the same for every row: nothing is tuned.

    Raises:
        UserError: for unknown rows, or if the data set has fewer folds than pairs.
    """
    known = command.table.rows
    if "alone" not in known:
        raise refuse("table.rows", ", ".join(known), "no row 'alone' to compare with. Choose table=main.")
    for name in command.rows:
        if name not in known:
            raise refuse("rows", name, f"no such row. Choices: {', '.join(known)}.{suggest(name, known)}")
    rows = {name: _row(known[name], command.given) for name in dict.fromkeys((*FIRST, *command.rows)) if name in known}
    config: TrainConfig = OmegaConf.to_object(Composer().validated(command.given, "compare"))
    name = title(config.dataset)
    column = ColumnConfig(label=name, pairs=_pairs(command, config))
    wanted = replace(command.table, rows=rows, columns={plain(name): column}, sizes={}, size="full", reference="alone")
    return sized(replace(wanted, title=f"Does distillation help on {name}?"))


def _row(row: RowConfig, given: Sequence[str]) -> RowConfig:
    """The row with the given overrides before its own, which win; a model that it does not have needs no settings."""
    own = {key_of(word) for word in row.overrides}
    without = tuple(f"{key_of(word)}." for word in row.overrides if word in ("teacher=none", "student=none"))
    words = [word for word in (*UNASKED, *given) if key_of(word) not in own and not key_of(word).startswith(without)]
    return replace(row, overrides=[*words, *row.overrides], tuned=None)


def key_of(word: str) -> str:
    """The key that an override sets."""
    return word.lstrip("+~").partition("=")[0]


def _pairs(command: CompareCommand, config: TrainConfig) -> dict[str, list[int]]:
    """`dataset.fold: [0, 1, …]` if the data set has several folds, unless one is given; else `seed: [0, 1, …]`."""
    numbers = list(range(command.pairs))
    chosen = [word for word in command.given if key_of(word) in SPLIT]
    if command.by == "seed" or (command.by == "auto" and (chosen or not _has_folds(config))):
        return {"seed": numbers}
    try:
        test_part(config, numbers[-1])
    except UserError as error:
        raise refuse("pairs", command.pairs, f"{error} Choose fewer, or by=seed.") from error
    return {"dataset.fold": numbers}


def _has_folds(config: TrainConfig) -> bool:
    """Whether another fold has another test part: sources refuse folds that they do not have."""
    first = test_part(config, 0)
    try:
        return not torch.equal(first, test_part(config, 1))
    except UserError:
        return False


def test_part(config: TrainConfig, fold: int) -> torch.Tensor:
    """The examples that a fold tests. Raises UserError for a fold that does not exist."""
    return load_task(replace(config.dataset, fold=fold), config.paths).splits.test


def plain(name: str) -> str:
    """A data set's name as part of the names of folders."""
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower())
