"""The user's own molecules, from a CSV file of SMILES and targets."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import Data

from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.molecule_overlap import with_shared_molecules
from gnn_distill.data.assembly.molecules import describe_clipped, handle_invalid, murcko_scaffold, scaffold_split
from gnn_distill.data.assembly.molecules_ogb import CODINGS
from gnn_distill.data.assembly.splits import check_fold, check_split_name, random_split, strata, stratified_split
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.reading.columns import Column
from gnn_distill.data.reading.csv_files import need, read_table
from gnn_distill.data.reading.targets import read_targets
from gnn_distill.data.task import GraphTask, Splits
from gnn_distill.errors import UserError, refuse

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import PathsConfig, SmilesConfig

METRIC = {"binary": "roc_auc", "multilabel": "roc_auc", "multiclass": "accuracy", "regression": "rmse"}


def load(dataset: "SmilesConfig", paths: "PathsConfig") -> GraphTask:
    """Molecules and targets of the file; split=auto is a random split, stratified if there are classes.

    Rows without a label are skipped with a notice; one of several targets suffices.
    """
    check_split_name(dataset, "auto", "random", "stratified", "scaffold")
    table, notices = read_table(Path(dataset.path).expanduser())
    check_columns(table, dataset)
    smiles, lines = table.pop(dataset.smiles_column).tolist(), table.index.to_numpy()
    written = np.array([bool(text) for text in smiles])
    if not written.any():
        raise UserError(f"dataset.path={dataset.path}: no row has a SMILES in column '{dataset.smiles_column}'.")
    columns = [
        Column(str(name), tuple(cells[written]), tuple(lines[written].tolist()))
        for name, cells in table.items()
        if not str(name).startswith("Unnamed: ")  # the name that pandas gives to unnamed columns: row numbers
    ]
    targets = read_targets(columns, dataset)
    y = np.full((len(smiles), targets.y.shape[1]), np.nan)
    y[written] = targets.y
    node_features, edge_features = CODINGS[dataset.features]
    pipeline = InputPipeline(smiles=dataset.features, chirality="cip")
    graphs = [pipeline.read_smiles(text) if text else None for text in smiles]
    kept, more = choose_rows(smiles, lines, graphs, ~np.isnan(y).all(1), targets.columns, dataset)
    notices += targets.notices + more
    for row in kept:
        graphs[row].y = torch.from_numpy(y[row])
    packed = PackedGraphs.from_data_list([graphs[row] for row in kept], num_targets=y.shape[1])
    kept_smiles, kept_lines = [smiles[row] for row in kept], tuple(lines[kept].tolist())
    task = assemble(
        dataset,
        packed,
        split(dataset, kept_smiles, kept_lines, strata(packed.y, targets.kind)),
        kind=targets.kind,
        metric=METRIC[targets.kind],
        target_names=targets.target_names,
        node_features=node_features,
        edge_features=edge_features,
        notices=notices,
        molecules=True,
        class_names=targets.class_names,
        lines=kept_lines,
        pipeline=pipeline,
    )
    return with_shared_molecules(task, kept_smiles)


def choose_rows(
    smiles: list[str],
    lines: np.ndarray,
    graphs: list[Data | None],
    labelled: np.ndarray,
    columns: tuple[str, ...],
    dataset: "SmilesConfig",
) -> tuple[list[int], list[str]]:
    """The rows with a graph and a label in one of `columns`; and notices of the others.

    Raises UserError if there is none, or, with dataset.on_invalid=error, if a SMILES cannot be read.
    """
    readable = np.array([data is not None for data in graphs])
    kept = np.flatnonzero(readable & labelled).tolist()

    def written(rows: Iterable[int]) -> list[tuple[int, str]]:
        return [(int(lines[row]), smiles[row]) for row in rows]

    invalid = written(np.flatnonzero(~readable))
    notices = handle_invalid(invalid, len(smiles), dataset.on_invalid, dataset.path)
    if without := int((readable & ~labelled).sum()):
        notices.append(f"{without} of {len(smiles)} rows have no label in {', '.join(columns)}: skipped.")
    if not kept:
        raise UserError(f"dataset.path={dataset.path}: no row has both a readable SMILES and a label.")
    if clipped := [row for row in kept if graphs[row].get("clipped")]:
        notices.append(describe_clipped(written(clipped)))
    return kept, notices


def check_columns(table: pd.DataFrame, dataset: "SmilesConfig") -> None:
    """Raise UserError unless the columns in the config exist, each once."""
    need(table, dataset.path, "dataset.smiles_column", dataset.smiles_column)
    for column in dataset.target_columns:
        need(table, dataset.path, "dataset.target_columns", column)
        if column == dataset.smiles_column:
            raise UserError(f"dataset.target_columns: '{column}' is the SMILES column.")
    if len(set(dataset.target_columns)) < len(dataset.target_columns):
        raise refuse("dataset.target_columns", list(dataset.target_columns), "a column is listed twice.")


def split(dataset: "SmilesConfig", smiles: list[str], lines: tuple[int, ...], groups: np.ndarray) -> Splits:
    """The split named by `dataset.split`."""
    if dataset.split == "stratified":
        return stratified_split(groups, dataset.fold, dataset.folds, dataset.split_seed)
    if dataset.split == "scaffold":
        return scaffold_split(find_scaffolds(smiles, lines), dataset.fold, dataset.folds)
    check_fold(dataset.fold, 1, f"dataset.split={dataset.split}")
    return random_split(groups, dataset.split_seed)


def find_scaffolds(smiles: list[str], lines: tuple[int, ...]) -> list[str]:
    """The scaffold of each molecule. Raises UserError, naming the line, for one that is too large."""
    scaffolds = []
    for text, line in zip(smiles, lines, strict=True):
        try:
            scaffolds.append(murcko_scaffold(text))
        except UserError as error:
            raise UserError(f"dataset.split=scaffold: line {line}: {error}") from error
    return scaffolds
