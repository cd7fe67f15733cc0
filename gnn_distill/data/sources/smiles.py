"""The user's own molecules, from a CSV file of SMILES and targets."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from pandas.api.types import is_numeric_dtype

from gnn_distill.data.assembly import assemble
from gnn_distill.data.molecules import (
    ATOM_FEATURES,
    BOND_FEATURES,
    handle_invalid,
    murcko_scaffold,
    scaffold_split,
    smiles_to_data,
)
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.shared_molecules import with_shared_molecules
from gnn_distill.data.splits import check_fold, check_split_name, random_split, strata, stratified_split
from gnn_distill.data.task import GraphTask, Splits
from gnn_distill.errors import UserError, refuse, suggest

if TYPE_CHECKING:
    from gnn_distill.schema.data import PathsConfig, SmilesConfig

METRIC = {"binary": "roc_auc", "multilabel": "roc_auc", "multiclass": "accuracy", "regression": "rmse"}
FEW = 10
"""A regression target with no more different whole numbers than this may be a class: announced."""


def load(dataset: "SmilesConfig", paths: "PathsConfig") -> GraphTask:
    """Molecules and targets of the file; split=auto is a random split, stratified where there are classes.

    Rows without a label are left out, and announced; a multi-label row needs only one.
    """
    check_split_name(dataset, "auto", "random", "stratified", "scaffold")
    table = read_table(dataset)
    columns = choose_targets(table, dataset)
    kind, notices = choose_kind(table[columns], dataset.kind)
    y, target_names, more = encode_targets(table[columns], kind)
    labelled = ~np.isnan(y).all(1) if kind == "multilabel" else ~np.isnan(y).any(1)
    rows = [str(smiles) for smiles in table[dataset.smiles_column].fillna("")]
    molecules = [smiles_to_data(smiles) if smiles else None for smiles in rows]
    # The header is line 1.
    invalid = [(row + 2, rows[row]) for row, data in enumerate(molecules) if data is None]
    notices += more + handle_invalid(invalid, len(rows), dataset.on_invalid, dataset.path)
    unlabelled = sum(data is not None and not has for data, has in zip(molecules, labelled, strict=True))
    if unlabelled:
        notices.append(f"{unlabelled} of {len(rows)} rows have no label in {', '.join(columns)}: skipped.")
    kept = [row for row, data in enumerate(molecules) if data is not None and labelled[row]]
    for row in kept:
        molecules[row].y = torch.tensor(y[row], dtype=torch.float)
    if not kept:
        raise UserError(f"dataset.path={dataset.path}: no row has both a readable SMILES and a label.")
    graphs = PackedGraphs.from_data_list([molecules[row] for row in kept], num_targets=y.shape[1])
    kept_smiles = [rows[row] for row in kept]
    task = assemble(
        dataset,
        graphs,
        split(dataset, kept_smiles, strata(graphs.y, kind)),
        kind=kind,
        metric=METRIC[kind],
        target_names=target_names,
        node_features=ATOM_FEATURES,
        edge_features=BOND_FEATURES,
        notices=notices,
        molecules=True,
    )
    return with_shared_molecules(task, kept_smiles)


def read_table(dataset: "SmilesConfig") -> pd.DataFrame:
    """The CSV file; raises UserError when it is missing, is no table, or lacks the SMILES column."""
    path = Path(dataset.path).expanduser()
    if not path.is_file():
        near = suggest(path.name, [file.name for file in path.parent.glob("*.csv")] if path.parent.is_dir() else [])
        raise UserError(f"dataset.path={dataset.path}: there is no such file.{near}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # lines that are longer than the header
            header = pd.read_csv(path, header=None, nrows=1, dtype=str, index_col=False).iloc[0].dropna()
            # Blank lines are rows without SMILES, so that line numbers stay those of the file.
            table = pd.read_csv(path, skip_blank_lines=False, index_col=False, low_memory=False)
    except Exception as error:  # of any kind: pandas also opens archives, by their ending
        told = " ".join(str(error).split())
        raise UserError(
            f"dataset.path={dataset.path}: this is not a CSV file with a header ({told}). "
            "Save it as UTF-8 text, its columns separated by commas."
        ) from error
    if twice := sorted(header[header.duplicated()].unique()):
        raise UserError(f"dataset.path={dataset.path}: several columns are called {', '.join(twice)}. Rename them.")
    _need(table, dataset.path, "dataset.smiles_column", dataset.smiles_column)
    if table.empty:
        raise UserError(f"dataset.path={dataset.path}: the file has a header and no rows.")
    return table.loc[: table.dropna(how="all").index.max()]  # blank lines at the end are nobody's rows


def choose_targets(table: pd.DataFrame, dataset: "SmilesConfig") -> list[str]:
    """`dataset.target_columns`, else every numeric column; raises UserError for missing, empty, constant ones."""
    columns = list(dataset.target_columns)
    for column in columns:
        _need(table, dataset.path, "dataset.target_columns", column)
        if column == dataset.smiles_column:
            raise UserError(f"dataset.target_columns: '{column}' is the SMILES column.")
    if len(set(columns)) < len(columns):
        raise refuse("dataset.target_columns", columns, "a column stands there twice.")
    # Columns without a name are row numbers, as pandas writes them.
    given = [c for c in table if c != dataset.smiles_column and not c.startswith("Unnamed: ")]
    columns = columns or [c for c in given if is_numeric_dtype(table[c])]
    if not columns:
        raise UserError(
            f"dataset.path={dataset.path}: no numeric column to predict. "
            f"Set dataset.target_columns to some of {', '.join(given) or 'its columns; there are none'}."
        )
    for column in columns:
        values = table[column].dropna().unique()
        if len(values) < 2:
            state = f"is constant ({values[0]})" if len(values) else "is empty"
            raise UserError(f"dataset.target_columns: '{column}' {state}: nothing to learn. Choose other columns.")
    return columns


def choose_kind(targets: pd.DataFrame, kind: str) -> tuple[str, list[str]]:
    """The kind of task, given or read from the columns, and a notice where it was read.

    0/1 columns: binary, or multilabel if there are several; one column of words: multiclass, binary if there are
    two; other numbers: regression, whole numbers too.
    """
    columns = list(targets)
    if kind in ("binary", "multiclass") and len(columns) > 1:
        raise UserError(f"dataset.kind={kind}: it needs one target column, not {len(columns)}: {', '.join(columns)}.")
    if kind != "auto":
        return kind, []
    zero_one = [c for c in columns if is_numeric_dtype(targets[c]) and targets[c].dropna().isin([0, 1]).all()]
    words = [c for c in columns if not is_numeric_dtype(targets[c])]
    if len(zero_one) == len(columns):
        kind, why = ("binary" if len(columns) == 1 else "multilabel"), "0 and 1 only"
    elif words and len(columns) == 1:
        kind, why = ("binary" if targets[words[0]].nunique() == 2 else "multiclass"), "words"
    elif words or zero_one:
        odd, what = (words, "words") if words else (zero_one, "0 and 1 only")
        raise UserError(
            f"dataset.target_columns: {', '.join(odd)} hold {what}, the others do not. "
            "Choose columns of one kind, or set dataset.kind."
        )
    else:
        kind, why = "regression", "numbers"
    notices = [f"Task: {kind}; dataset.kind=auto found {why} in {', '.join(columns)}."]
    for column in columns if kind == "regression" else []:
        values = targets[column].dropna()
        if values.nunique() <= FEW and (values % 1 == 0).all():
            notices.append(
                f"'{column}' holds {values.nunique()} different whole numbers: set dataset.kind=multiclass "
                "if they are classes."
            )
    return kind, notices


def encode_targets(targets: pd.DataFrame, kind: str) -> tuple[np.ndarray, tuple[str, ...], list[str]]:
    """Labels [rows, T] with NaN where missing, the outputs' names, and a notice of how classes are numbered."""
    columns = tuple(targets)
    if kind in ("regression", "multilabel"):
        for column in columns:
            if not is_numeric_dtype(targets[column]):
                bad = targets[column][pd.to_numeric(targets[column], errors="coerce").isna()].dropna().iloc[0]
                raise UserError(f"dataset.kind={kind}: column '{column}' holds '{bad}', which is not a number.")
            if kind == "multilabel" and not targets[column].dropna().isin([0, 1]).all():
                raise UserError(f"dataset.kind=multilabel: column '{column}' holds other values than 0 and 1.")
        return targets.to_numpy(dtype=float, na_value=np.nan), columns, []
    classes = sorted(targets[columns[0]].dropna().unique())
    if kind == "binary" and len(classes) != 2:
        raise UserError(f"dataset.kind=binary: column '{columns[0]}' has {len(classes)} different values, not 2.")
    codes = pd.Categorical(targets[columns[0]], categories=classes).codes.astype(float)
    y = np.where(codes < 0, np.nan, codes)[:, None]
    names = tuple(str(name) for name in classes)
    plain = kind == "binary" and list(classes) == [0, 1]
    notices = [] if plain else ["Classes: " + ", ".join(f"{i} = {name}" for i, name in enumerate(names)) + "."]
    return y, columns if kind == "binary" else names, notices


def split(dataset: "SmilesConfig", smiles: list[str], groups: np.ndarray) -> Splits:
    """The split that `dataset.split` asks for."""
    if dataset.split == "stratified":
        return stratified_split(groups, dataset.fold, dataset.folds, dataset.split_seed)
    check_fold(dataset.fold, 1, f"dataset.split={dataset.split}")
    if dataset.split == "scaffold":
        return scaffold_split([murcko_scaffold(molecule) for molecule in smiles])
    return random_split(groups, dataset.split_seed)


def _need(table: pd.DataFrame, path: str, key: str, column: str) -> None:
    if column not in table:
        columns = ", ".join(map(str, table.columns))
        advice = suggest(column, table.columns) if len(table.columns) > 1 else " Columns are separated by commas."
        raise UserError(f"{key}: there is no column '{column}'.{advice} Columns: {columns}. File: {path}.")
