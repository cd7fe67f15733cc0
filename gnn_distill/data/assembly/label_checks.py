"""Checks of labels: whether each part of a split can be learned, and measured."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gnn_distill.data.task import Splits
from gnn_distill.errors import UserError
from gnn_distill.formatting import counted

NEED_BOTH_CLASSES = ("roc_auc", "average_precision")
ROUNDING = 1e-15
"""A spread of labels, relative to the largest, that is mere rounding of float64."""


def check_targets(
    y: Tensor,
    splits: Splits,
    kind: str,
    metric: str,
    names: tuple[str, ...],
    thinned: Sequence[str] = (),
    level: str = "graph",
    class_names: tuple[str, ...] = (),
) -> list[str]:
    """Notices of classes absent from a split; raises UserError if learning or the metric would be meaningless.

    Published node splits lack rare classes in the training split: at node level two classes suffice there.
    y: [N, T]; thinned: the keys of `dataset` that have reduced the training labels.
    """
    if (beyond := y.abs() > torch.finfo(torch.float).max).any():
        have = counted(int(beyond.any(1).sum()), f"{level} has", f"{level}s have")
        raise UserError(f"{have} labels that are infinite or beyond 3e38. Fix or remove them.")
    thinner = f" Or raise dataset.{' or dataset.'.join(thinned)}." if thinned else ""
    remedy = f"Choose another dataset.split, dataset.split_seed or dataset.fold.{thinner}"
    parts = {"training": splits.train, "validation": splits.val, "test": splits.test}
    if kind == "regression":
        return _check_numbers(y, parts, names, remedy)
    if kind == "multilabel":
        return _check_labels(y, parts, names, metric, remedy)
    default = names if kind == "multiclass" else ("0", "1")
    classes = class_names if len(class_names) == len(default) else default  # files may contain one of two
    notices = []
    for part, ids in parts.items():
        absent = [name for index, name in enumerate(classes) if not (y[ids, 0] == index).any()]
        learnable = level == "node" and len(classes) - len(absent) >= 2
        if absent and (metric in NEED_BOTH_CLASSES or (part == "training" and not learnable)):
            why = "it cannot be learned" if part == "training" else f"{metric} is undefined there"
            raise UserError(f"Class {', '.join(absent)} is absent from the {part} split: {why}. {remedy}")
        if absent:
            why = ": it cannot be learned" if part == "training" else ""
            notices.append(f"Class {', '.join(absent)} is absent from the {part} split{why}.")
    return notices


def _check_numbers(y: Tensor, parts: dict[str, Tensor], names: tuple[str, ...], remedy: str) -> list[str]:
    notices = []
    for name, column in zip(names, y.unbind(1), strict=True):
        labels = column[parts["training"]]
        labels = labels[~labels.isnan()]
        if len(labels) < 2 or labels.max() - labels.min() <= ROUNDING * labels.abs().max():
            state = f"is constant ({labels[0]:g})" if len(labels) else "has no label"
            raise UserError(f"Target '{name}' {state} in the training split: nothing to learn. {remedy}")
        mean, std = labels.double().mean(), labels.double().std(correction=0)
        before, after = len(labels.unique()), len(((labels.double() - mean) / std).float().unique())
        if after < before:
            notices.append(
                f"Target '{name}': its {before:,} different labels become {after:,} in float32, which models use, "
                "since some labels are so much larger than others."
            )
    for part, ids in parts.items():
        absent = [name for name, column in zip(names, y[ids].unbind(1), strict=True) if column.isnan().all()]
        if absent:
            notices.append(
                f"{len(absent)} of {len(names)} targets have no label in the {part} split; they are left out of its "
                f"metrics: {_first(absent)}."
            )
    return notices


def _check_labels(y: Tensor, parts: dict[str, Tensor], names: tuple[str, ...], metric: str, remedy: str) -> list[str]:
    notices = []
    for part, ids in parts.items():
        both = ((y[ids] == 1).any(0) & (y[ids] == 0).any(0)).tolist()
        single = [name for name, has in zip(names, both, strict=True) if not has]
        if len(single) == len(names) and (part == "training" or metric in NEED_BOTH_CLASSES):
            raise UserError(f"No label has both classes in the {part} split. {remedy}")
        if single:
            effect = "they cannot be learned" if part == "training" else "they are left out of ROC-AUC and the like"
            notices.append(
                f"{len(single)} of {len(names)} labels have only one class in the {part} split; {effect}:  "
                f"{_first(single)}."
            )
    return notices


def _first(names: list[str]) -> str:
    return f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
