"""The split of a CSV file of molecules, by `dataset.split`: no molecule, however it is written, is in two parts."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Int, Num
from torch import Tensor

from gnn_distill.data.assembly.group_splits import group_split, joined, numbered, time_split
from gnn_distill.data.assembly.molecules import murcko_scaffold, scaffold_split
from gnn_distill.data.assembly.splits import check_fold, random_split, stratified_split, take, to_splits
from gnn_distill.data.task import Splits
from gnn_distill.errors import UserError, refuse, suggest

if TYPE_CHECKING:
    from gnn_distill.config.schema.molecules import SmilesConfig

COLUMNS = {"group": "group_column", "time": "time_column", "column": "split_column"}
READS = {**COLUMNS, "file": "test_path"}
"""Splits that read a key of their own."""
SPLITS = ("auto", "random", "stratified", "scaffold", "scaffold_balanced", *READS)
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Words in `dataset.split_column`."""
VAL_SHARE = 0.1


@dataclass(frozen=True)
class Rows:
    """The rows of a file that are kept, in order."""

    smiles: list[str]
    lines: tuple[int, ...]
    strata: Int[np.ndarray, " rows"]
    molecules: Int[np.ndarray, " rows"]
    """Number of the molecule, which several rows may have."""
    cells: list[str]
    """Those of the column that the split reads; of split=file `train` and `test`."""


def name_of_split(dataset: "SmilesConfig") -> str:
    """What `dataset.split` comes to. Raises UserError where the keys that splits read do not fit it."""
    given = [name for name, key in READS.items() if getattr(dataset, key) is not None]
    if dataset.split == "auto":
        if len(given) > 1:
            keys = " and ".join(f"dataset.{READS[name]}" for name in given)
            raise UserError(f"{keys}: each is a split of its own. Choose by dataset.split={' or '.join(given)}.")
        return given[0] if given else "random"
    if dataset.split in READS and dataset.split not in given:
        raise refuse("dataset.split", dataset.split, f"needs dataset.{READS[dataset.split]}.")
    if other := next((name for name in given if dataset.split not in READS), None):
        key = READS[other]
        raise refuse(f"dataset.{key}", getattr(dataset, key), f"dataset.split={dataset.split} does not read it.")
    return dataset.split


def split_molecules(name: str, dataset: "SmilesConfig", rows: Rows) -> tuple[Splits, list[str]]:
    """The split `name`, and notices of it.

    Raises:
        UserError: for a fold that does not exist, cells that cannot be read, and parts that stay empty.
    """
    fold, folds, seed = dataset.fold, dataset.folds, dataset.split_seed
    match name:
        case "stratified":
            return by_molecule(rows, lambda strata: stratified_split(strata, fold, folds, seed)), []
        case "scaffold":
            return scaffold_split(find_scaffolds(rows), fold, folds), []
        case "scaffold_balanced":
            return group_split(numbered(find_scaffolds(rows)), rows.strata, fold, folds, seed, name), []
        case "group":
            groups = joined(numbered(_filled(rows, dataset.group_column)), rows.molecules)
            return group_split(groups, rows.strata, fold, folds, seed), []
        case "time":
            return time_split(_latest(read_times(rows, dataset.time_column), rows.molecules), fold, folds), []
        case "column" | "file":
            return without_copies(named_parts(name, dataset, rows), rows)
    check_fold(fold, 1, f"dataset.split={dataset.split}")
    return by_molecule(rows, lambda strata: random_split(strata, seed)), []


def by_molecule(rows: Rows, split: Callable[[np.ndarray], Splits]) -> Splits:
    """A split of the molecules, each with the stratum of its first row, as a split of the rows."""
    _, first = np.unique(rows.molecules, return_index=True)
    parts = split(rows.strata[first])
    if len(first) == len(rows.molecules):
        return parts

    def rows_of(ids: Tensor) -> Tensor:
        return torch.from_numpy(np.flatnonzero(np.isin(rows.molecules, ids.numpy())))

    return replace(parts, **{part: rows_of(ids) for part, ids in parts.tensors().items()})


def named_parts(name: str, dataset: "SmilesConfig", rows: Rows) -> Splits:
    """The parts that the cells name, as words or as numbers of folds; a tenth of training validates where none does."""
    kind, cells = ("file" if name == "file" else "column"), _filled(rows, dataset.split_column or "")
    if all(cell.isdecimal() for cell in cells):
        folds = np.array([int(cell) for cell in cells])
        known = np.unique(folds)
        check_fold(dataset.fold, len(known), f"column '{dataset.split_column}'")
        part = np.where(folds == known[dataset.fold], "test", "train")
    else:
        check_fold(dataset.fold, 1, f"dataset.split={kind}")
        part = np.array([_part(cell, line, dataset) for cell, line in zip(cells, rows.lines, strict=True)])
    if absent := [word for word in ("train", "test") if word not in part]:
        raise UserError(f"dataset.split={kind}: no row that can be used is for {' or '.join(absent)}.")
    if "val" not in part:
        train = np.flatnonzero(part == "train")
        own = replace(rows, strata=rows.strata[train], molecules=numbered(rows.molecules[train].tolist()))
        rng = np.random.default_rng([dataset.split_seed, dataset.fold])

        def tenth(strata: np.ndarray) -> Splits:
            taken = take(strata, VAL_SHARE, rng, leave=1)
            return to_splits(np.flatnonzero(~taken), np.flatnonzero(taken), np.empty(0, dtype=int))

        part[train[by_molecule(own, tenth).val.numpy()]] = "val"
    return to_splits(*(np.flatnonzero(part == word) for word in ("train", "val", "test")), kind=kind)


def without_copies(splits: Splits, rows: Rows) -> tuple[Splits, list[str]]:
    """Named parts without rows for training of molecules in a later part, and rows for validation of tested ones."""
    of = {part: rows.molecules[ids.numpy()] for part, ids in splits.tensors().items()}
    known = {"train": np.concatenate([of["val"], of["test"]]), "val": of["test"]}
    copies = {part: torch.from_numpy(np.isin(of[part], others)) for part, others in known.items()}
    counts = [f"{int(found.sum())} of {part}" for part, found in copies.items() if found.any()]
    if not counts:
        return splits, []
    kept = replace(splits, **{part: getattr(splits, part)[~found] for part, found in copies.items()})
    return kept, [f"Rows left out since their molecule is in a later part (train, val, test): {', '.join(counts)}."]


def find_scaffolds(rows: Rows) -> list[str]:
    """The scaffold of each molecule. Raises UserError, naming the line, for one that is too large."""
    scaffolds = []
    for text, line in zip(rows.smiles, rows.lines, strict=True):
        try:
            scaffolds.append(murcko_scaffold(text))
        except UserError as error:
            raise UserError(f"dataset.split=scaffold: line {line}: {error}") from error
    return scaffolds


def read_times(rows: Rows, column: str) -> Num[np.ndarray, " rows"]:
    """Numbers, or dates in seconds. Raises UserError, naming the line, for a cell that is neither."""
    import pandas as pd

    cells = pd.Series(_filled(rows, column))
    numbers = pd.to_numeric(cells, errors="coerce")
    if numbers.notna().all():
        return numbers.to_numpy()
    dates = pd.to_datetime(cells, errors="coerce", format="ISO8601", utc=True)
    if dates.isna().any():
        place = int(dates.isna().argmax())
        raise UserError(
            f"dataset.time_column={column}: line {rows.lines[place]} has '{cells[place]}', which is no date like "
            "2024-07-31, and not all cells are numbers. Correct it."
        )
    return (dates - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy()


def _latest(times: np.ndarray, molecules: np.ndarray) -> np.ndarray:
    """The time of each row's molecule: that of its last row, so that nothing in training is of the test's time."""
    latest = np.full(molecules.max() + 1, -np.inf)
    np.maximum.at(latest, molecules, times)
    return latest[molecules]


def _filled(rows: Rows, column: str) -> list[str]:
    """The cells. Raises UserError for an empty one."""
    if empty := [line for cell, line in zip(rows.cells, rows.lines, strict=True) if not cell]:
        raise UserError(f"Column '{column}', by which rows are split, is empty in line {empty[0]}. Fill it.")
    return rows.cells


def _part(cell: str, line: int, dataset: "SmilesConfig") -> str:
    if (found := PARTS.get(cell.lower())) is None:
        raise UserError(
            f"dataset.split_column={dataset.split_column}: line {line} has '{cell}'. Choices: train, val, test, or in "
            f"all lines the number of a fold.{suggest(cell, PARTS)}"
        )
    return found
