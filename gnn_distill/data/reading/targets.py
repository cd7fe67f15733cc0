"""From the columns of a table to targets: which columns, what kind of task, and their labels."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gnn_distill.data.reading.columns import ABSENT, NEGATIVE, POSITIVE, Column, need_numbers
from gnn_distill.data.reading.target_columns import CHOOSE, HELD, choose_targets, first_names, too_many_classes
from gnn_distill.errors import UserError, refuse
from gnn_distill.formatting import counted

if TYPE_CHECKING:
    from gnn_distill.config.schema.molecules import SmilesConfig

FEW = 10
"""Regression targets with at most this number of distinct whole numbers may be classes, and get a notice."""


@dataclass
class Targets:
    """What the target columns say: the kind of task, labels [rows, T] with NaN where missing, and names."""

    kind: str
    y: np.ndarray
    target_names: tuple[str, ...]
    """One an output: the columns, of a multi-class task the classes."""
    class_names: tuple[str, ...] = ()
    notices: list[str] = field(default_factory=list)
    columns: tuple[str, ...] = ()


def read_targets(columns: list[Column], dataset: "SmilesConfig") -> Targets:
    """The targets among the columns of the file `dataset.path`, its SMILES left out.

    Raises UserError for columns that are missing, empty, constant or of several kinds, and for cells that do not fit.
    """
    chosen, notices = choose_targets(columns, dataset)
    kind, more = choose_kind(chosen, dataset)
    if dataset.positive is not None and kind not in ("binary", "multilabel"):
        raise refuse(
            "dataset.positive",
            dataset.positive,
            f"the task is {kind}; only two classes have a positive one.",
        )
    targets = {"regression": numbers, "multiclass": classes, "binary": binary, "multilabel": multilabel}[kind](
        chosen, dataset.positive
    )
    targets.columns = tuple(column.name for column in chosen)
    targets.notices = [*more, *notices, *targets.notices, *describe_absent(chosen, kind)]
    return targets


def choose_kind(columns: list[Column], dataset: "SmilesConfig") -> tuple[str, list[str]]:
    """The kind of task, given or inferred from the columns, and a notice if it was inferred.

    Truth values, 0 and 1 among them: binary, or multilabel if there are several columns; one column of words:
    multiclass, binary if there are two; other numbers: regression, whole numbers too.
    """
    names = first_names([column.name for column in columns])
    if dataset.kind in ("binary", "multiclass") and len(columns) > 1:
        raise UserError(f"dataset.kind={dataset.kind}: it needs one target column, not {len(columns)}: {names}.")
    if dataset.kind != "auto":
        return dataset.kind, []
    for column in columns:
        if column.kind == "mixed":
            need_numbers(column, "dataset.target_columns", "Fix the file, or set dataset.kind=multiclass.")
    by_kind = {kind: [c for c in columns if c.kind == kind] for kind in ("truth", "words", "numbers")}
    pairs = [column for column in by_kind["words"] if len(column.classes) == 2]
    if len(by_kind["truth"]) == len(columns):
        zero_one = all(column.classes == ["0", "1"] for column in columns)
        kind, why = "binary" if len(columns) == 1 else "multilabel", "0 and 1 only" if zero_one else "truth values"
    elif len(by_kind["numbers"]) == len(columns):
        kind, why = "regression", "numbers"
    elif len(columns) == 1:
        if len(columns[0].classes) > max(FEW, len(columns[0].cells) // 2):
            raise too_many_classes(columns[0])
        kind, why = ("binary" if pairs else "multiclass"), "words"
    elif len(pairs) == len(columns) and dataset.positive is not None:
        kind, why = "multilabel", "two words"
    else:
        held = "; ".join(f"{HELD[kind]}: {first_names([c.name for c in own])}" for kind, own in by_kind.items() if own)
        raise UserError(
            f"dataset.target_columns: the columns are of different kinds ({held}). Choose columns of one kind, or set "
            "dataset.kind; words in several columns need dataset.positive, too."
        )
    notices = [f"Task: {kind}; dataset.kind=auto found {why} in {names}."]
    for column in columns if kind == "regression" else []:
        if len(column.classes) <= FEW and (column.values[np.isfinite(column.values)] % 1 == 0).all():
            notices.append(
                f"'{column.name}' has {len(column.classes)} different whole numbers: set dataset.kind="
                f"{'binary' if len(column.classes) == 2 else 'multiclass'} if they are classes."
            )
    return kind, notices


def numbers(columns: list[Column], positive: str | None) -> Targets:
    """A regression. Raises UserError for cells that are not finite numbers."""
    for column in columns:
        need_numbers(column, "dataset.kind=regression", CHOOSE)
        if (infinite := np.isinf(column.values)).any():
            raise UserError(f"Column '{column.name}' contains infinite numbers ({column.quote(infinite)}). {CHOOSE}")
    return Targets("regression", np.stack([c.values for c in columns], axis=1), tuple(c.name for c in columns))


def classes(columns: list[Column], positive: str | None) -> Targets:
    """One column of classes, numbered by size or alphabetically."""
    (column,) = columns
    names = tuple(column.classes)
    codes = {name: float(code) for code, name in enumerate(names)}
    y = np.array([codes.get(name, np.nan) for name in column.names])[:, None]
    return Targets("multiclass", y, names, names, [describe_classes(names)])


def binary(columns: list[Column], positive: str | None) -> Targets:
    """One column of two classes."""
    (column,) = columns
    if len(column.classes) != 2:
        raise UserError(
            f"dataset.kind=binary: column '{column.name}' has {counted(len(column.classes), 'different value')}, not 2."
        )
    names, sure = two_classes(column, positive)
    y = np.array([np.nan if name is None else float(name == names[1]) for name in column.names])[:, None]
    notices = [] if names == ("0", "1") else [describe_classes(names, sure)]
    return Targets("binary", y, (column.name,), names, notices)


def multilabel(columns: list[Column], positive: str | None) -> Targets:
    """Several columns of two classes each."""
    for column in columns:
        pairs = column.kind == "truth" or (len(column.classes) == 2 and positive is not None)
        if not pairs:
            what = "other values than 0 and 1" if column.kind == "numbers" else "other values than truth values"
            raise UserError(
                f"dataset.kind=multilabel: column '{column.name}' has {what}: {', '.join(column.classes[:5])}. "
                "Two words per column work, too, if dataset.positive names one of them."
            )
    named = [two_classes(column, positive)[0] for column in columns]
    labels = [
        [np.nan if name is None else float(name == names[1]) for name in column.names]
        for column, names in zip(columns, named, strict=True)
    ]
    alike = len({tuple(name.lower() for name in names) for names in named}) == 1
    notices = []
    if not alike:
        notices = [f"{column.name}: {describe_classes(names)}" for column, names in zip(columns, named, strict=True)]
    elif named[0] != ("0", "1"):
        notices = [describe_classes(named[0])]
    names = tuple(column.name for column in columns)
    return Targets("multilabel", np.array(labels).T, names, named[0] if alike else (), notices)


def two_classes(column: Column, positive: str | None) -> tuple[tuple[str, str], bool]:
    """The classes 0 and 1 of a column that has two, and whether their order is known, not guessed."""
    one, other = column.classes
    if positive is not None:
        chosen = [name for name in (one, other) if name.lower() == positive.strip().lower()]
        if not chosen:
            raise refuse("dataset.positive", positive, f"column '{column.name}' has {one} and {other}. Choose one.")
        return ((other, one) if chosen == [one] else (one, other)), True
    if column.kind != "words":
        return (one, other), column.kind == "truth"
    positives = [name.lower() in POSITIVE for name in (one, other)]
    negatives = [name.lower() in NEGATIVE for name in (one, other)]
    for known, turned in ((positives, [True, False]), (negatives, [False, True])):
        if sum(known) == 1:
            return ((other, one) if known == turned else (one, other)), True
    return (one, other), False


def describe_classes(names: tuple[str, ...], sure: bool = True) -> str:
    """`Classes: 0 = no, 1 = yes.`, and how to swap them if that was a guess."""
    listed = "Classes: " + ", ".join(f"{index} = {name}" for index, name in enumerate(names)) + "."
    return listed if sure else f"{listed} Which is 1 is a guess: dataset.positive={names[0]} swaps them."


def describe_absent(columns: Iterable[Column], kind: str) -> list[str]:
    """Notices of cells that count as missing labels, of classes that look like it, and of similar classes."""
    notices = []
    for column in columns:
        if column.kind == "words":
            for name in (name for name in column.classes if name.lower() in ABSENT):
                rows = sum(cell == name for cell in column.names)
                notices.append(
                    f"'{name}' is a class of '{column.name}' ({counted(rows, 'row')}): a missing label is a blank cell."
                )
            small = [name.lower() for name in column.classes]
            if like := [name for name in column.classes if small.count(name.lower()) > 1]:
                notices.append(f"Classes of '{column.name}' that differ only in case: {', '.join(like)}.")
        elif (words := column.absent & ~column.blank).any():
            name = column.name
            told = counted(int(words.sum()), f"cell of '{name}' counts", f"cells of '{name}' count")
            notices.append(f"{told} as missing ({column.quote(words)}).")
    return notices
