"""The user's own molecules, from a CSV file of SMILES and targets."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import Data

from gnn_distill.data.assembly.duplicates import count_shared, describe_duplicates, merged, number_molecules
from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.molecule_overlap import with_smiles
from gnn_distill.data.assembly.molecule_splits import COLUMNS, SPLITS, Rows, name_of_split, split_molecules
from gnn_distill.data.assembly.molecules import describe_clipped, handle_invalid, parses
from gnn_distill.data.assembly.molecules_ogb import CODINGS
from gnn_distill.data.assembly.splits import check_split_name, strata
from gnn_distill.data.assembly.standardise import describe_fragments
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.reading.columns import Column
from gnn_distill.data.reading.csv_files import need, read_table
from gnn_distill.data.reading.smiles_column import NAMES, SAMPLE, find_smiles_column
from gnn_distill.data.reading.targets import read_targets
from gnn_distill.data.task import PRIMARY, DataColumns, GraphTask
from gnn_distill.errors import UserError, refuse

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import PathsConfig
    from gnn_distill.config.schema.molecules import SmilesConfig


def load(dataset: "SmilesConfig", paths: "PathsConfig") -> GraphTask:
    """Molecules and targets of the file, split as `split_molecules` does.

    Rows without a label are skipped with a notice; one of several targets suffices. Rows of one molecule are in one
    part of the split.
    """
    check_split_name(dataset, *SPLITS)
    split = name_of_split(dataset)
    check_duplicates(dataset, split)
    table, parts, notices = read_files(dataset, split)
    smiles_column, found = find_column(table, dataset)
    check_targets(table, smiles_column, dataset)
    cells = take_columns(table, smiles_column, dataset).get(split, parts)
    smiles, lines = table.pop(smiles_column).tolist(), table.index.to_numpy()
    written = np.array([bool(text) for text in smiles])
    if not written.any():
        raise UserError(f"dataset.path={dataset.path}: no row has a SMILES in column '{smiles_column}'.")
    columns = [
        Column(str(name), tuple(cells[written]), tuple(lines[written].tolist()))
        for name, cells in table.items()
        if not str(name).startswith("Unnamed: ")  # the name that pandas gives to unnamed columns: row numbers
    ]
    targets = read_targets(columns, dataset)
    y = np.full((len(smiles), targets.y.shape[1]), np.nan)
    y[written] = targets.y
    node_features, edge_features = CODINGS[dataset.features]
    pipeline = InputPipeline(smiles=dataset.features, chirality="cip", standardise=dataset.standardise)
    standard = [pipeline.standardised(text) if text else None for text in smiles]
    graphs = [None if text is None else pipeline.featurise(text) for text in standard]
    kept, more = choose_rows(smiles, lines, graphs, ~np.isnan(y).all(1), targets.columns, dataset)
    notices += [*found, *targets.notices, *more]
    for row in kept:
        graphs[row].y = torch.from_numpy(y[row])
    packed = PackedGraphs.from_data_list([graphs[row] for row in kept], num_targets=y.shape[1])
    kept_smiles, kept_lines = [standard[row] for row in kept], lines[kept].tolist()
    packed, molecule, first, told = with_merged(packed, kept_smiles, kept_lines, targets.kind, dataset.duplicates)
    kept_smiles, kept_lines = [kept_smiles[row] for row in first], tuple(kept_lines[row] for row in first)
    groups = strata(packed.y, targets.kind)
    rows = Rows(kept_smiles, kept_lines, groups, molecule, [cells[kept[row]] for row in first])
    splits, more = split_molecules(split, dataset, rows)
    task = assemble(
        dataset,
        packed,
        splits,
        kind=targets.kind,
        metric=PRIMARY[targets.kind],
        target_names=targets.target_names,
        node_features=node_features,
        edge_features=edge_features,
        notices=[*notices, *told, *more],
        molecules=True,
        class_names=targets.class_names,
        lines=kept_lines,
        pipeline=pipeline,
    )
    target = {"target": targets.columns[0]} if len(targets.columns) == 1 else {}
    columns = DataColumns(smiles_column, **target)
    return replace(with_smiles(task, kept_smiles), shared=count_shared(task.splits, molecule), columns=columns)


def find_column(table: pd.DataFrame, dataset: "SmilesConfig") -> tuple[str, list[str]]:
    """The column of SMILES, and a notice of it unless the config names it."""
    names = [str(name) for name in table]
    if dataset.smiles_column in names or dataset.smiles_column != NAMES[0]:
        need(table, dataset.path, "dataset.smiles_column", dataset.smiles_column)
        return dataset.smiles_column, []
    rows = table.head(SAMPLE).to_numpy().tolist()
    try:
        place, notice = find_smiles_column(names, rows, None, None, parses, "Set dataset.smiles_column to")
    except UserError as error:
        raise UserError(f"dataset.path={dataset.path}: {error}") from error
    return names[place], [notice]


def read_files(dataset: "SmilesConfig", split: str) -> tuple[pd.DataFrame, list[str], list[str]]:
    """The rows of the file, with split=file those of the test file after them; the part of each; and notices."""
    table, notices = read_table(Path(dataset.path).expanduser())
    if split != "file":
        return table, [""] * len(table), notices
    test, more = read_table(Path(dataset.test_path).expanduser(), "dataset.test_path")
    if missing := [str(name) for name in table if name not in test]:
        raise refuse("dataset.test_path", dataset.test_path, f"lacks columns: {', '.join(missing)}.")
    parts = ["train"] * len(table) + ["test"] * len(test)
    test.index += table.index[-1]
    return pd.concat([table, test[table.columns]]), parts, notices + more


def take_columns(table: pd.DataFrame, smiles_column: str, dataset: "SmilesConfig") -> dict[str, list[str]]:
    """The cells of the columns that say how rows are split, by the split that reads them; they are no targets."""
    taken = {}
    for split, key in COLUMNS.items():
        if (column := getattr(dataset, key)) is not None:
            need(table, dataset.path, f"dataset.{key}", column)
            if column in (smiles_column, *dataset.target_columns):
                raise refuse(f"dataset.{key}", column, "is the column of SMILES, or a target.")
            taken[split] = table.pop(column).tolist()
    return taken


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
        notices.append(f"{without:,} of {len(smiles):,} rows have no label in {', '.join(columns)}: skipped.")
    if not kept:
        raise UserError(f"dataset.path={dataset.path}: no row has both a readable SMILES and a label.")
    if clipped := [row for row in kept if graphs[row].get("clipped")]:
        notices.append(describe_clipped(written(clipped)))
    notices += describe_fragments(written(kept), len(kept), dataset.standardise)
    return kept, notices


def check_targets(table: pd.DataFrame, smiles_column: str, dataset: "SmilesConfig") -> None:
    """Raise UserError unless the targets in the config are columns, each once, and not that of the SMILES."""
    for column in dataset.target_columns:
        need(table, dataset.path, "dataset.target_columns", column)
        if column == smiles_column:
            raise UserError(f"dataset.target_columns: '{column}' is the SMILES column.")
    if len(set(dataset.target_columns)) < len(dataset.target_columns):
        raise refuse("dataset.target_columns", list(dataset.target_columns), "a column is listed twice.")


def with_merged(
    packed: PackedGraphs, smiles: list[str], lines: list[int], kind: str, how: str
) -> tuple[PackedGraphs, np.ndarray, list[int], list[str]]:
    """The graphs with dataset.duplicates=`how`, the number of each one's molecule, its row before, and a notice."""
    molecule = number_molecules(packed, smiles)
    notices = describe_duplicates(packed.y, molecule, lines, smiles, how)
    rows, y = merged(packed.y, molecule, kind, how)
    if not len(rows):
        raise refuse("dataset.duplicates", how, f"no molecule is left. {' '.join(notices)}")
    if how != "keep":
        packed = replace(packed.select(torch.from_numpy(rows)), y=y)
    return packed, molecule[rows], rows.tolist(), notices


def check_duplicates(dataset: "SmilesConfig", split: str) -> None:
    """Raise UserError where merging rows would join labels of several parts, or of several times."""
    if dataset.duplicates != "keep" and split in ("time", "column", "file"):
        told = f"would merge rows across the parts of dataset.split={split}. Choose keep."
        raise refuse("dataset.duplicates", dataset.duplicates, told)
