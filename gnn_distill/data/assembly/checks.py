"""Checks of graphs, labels and splits that a loader returns: all errors are collected in one message."""

from collections.abc import Iterator
from itertools import combinations

import torch
from torch import Tensor

from gnn_distill.data.encodings.colours import scattered
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import METRICS, Features, Splits
from gnn_distill.errors import UserError
from gnn_distill.formatting import counted

PARTS = {"train": "training", "val": "validation", "test": "test"}
FEATURES = {"categorical": torch.long, "continuous": torch.float}


def check_parts(
    name: str,
    graphs: PackedGraphs,
    splits: Splits,
    kind: str,
    target_names: tuple[str, ...],
    node_features: Features,
    edge_features: Features | None,
) -> None:
    """Raise UserError, naming all errors, unless tensors, features, splits and labels match their descriptions.

    Only labels of the three splits are checked: others are never read.
    """
    if kind not in METRICS:
        raise UserError(f"{name}: kind={kind!r}: unknown kind of task. Choose {', '.join(METRICS)}.")
    _refuse(name, _wrong_shapes(graphs, kind, target_names))
    found = [*_wrong_features("node", "x", graphs.x, node_features)]
    found += _wrong_features("edge", "edge_attr", graphs.edge_attr, edge_features)
    wrong_splits = [*_wrong_splits(splits, len(graphs.y), graphs.level)]
    if not wrong_splits:
        ids = torch.cat([getattr(splits, part) for part in PARTS])
        found += _wrong_labels(graphs.y, ids.sort().values, kind, len(target_names), graphs.level)
        found += _splits_without_labels(graphs.y, splits)
    _refuse(name, [*found, *wrong_splits])


def count_missing(y: Tensor, splits: Splits) -> list[str]:
    """A notice of missing labels in the three splits. y: [N, T]."""
    missing = torch.cat([y[getattr(splits, part)] for part in PARTS]).isnan()
    if not missing.any():
        return []
    return [
        f"{int(missing.sum()):,} of {missing.numel():,} labels are missing (NaN): losses and metrics leave them out."
    ]


def notices_on_edges(graphs: PackedGraphs) -> list[str]:
    """Notices of directed graphs and of parallel edges; a single graph gets its own in `nodes`."""
    notices, (source, target), size = [], graphs.global_edge_index, graphs.x.size(0)
    owner = torch.repeat_interleave(graphs.num_edges)
    ahead, back = (
        torch.zeros(len(graphs), dtype=torch.long).index_add_(0, owner, scattered(keys))
        for keys in (source * size + target, target * size + source)
    )
    if (ahead != back).any():
        notices.append(
            f"{count_rows(ahead != back, 'graphs')} have edges without their reverse: messages follow their direction."
        )
    keys = source * size + target
    if not (keys.diff() > 0).all():  # PyG returns sorted edges, which need no sorting
        keys, place = keys.sort()
        repeated = torch.zeros(len(graphs), dtype=torch.bool)
        repeated[owner[place[1:][keys.diff() == 0]]] = True
        if repeated.any():
            notices.append(f"{count_rows(repeated, 'graphs')} contain parallel edges: each of them counts.")
    return notices


def describe(values: Tensor | None) -> str:
    """`float32 [7, 3]`."""
    return "missing" if values is None else f"{str(values.dtype).removeprefix('torch.')} {list(values.shape)}"


def count_rows(bad: Tensor, units: str, lines: tuple[int, ...] | None = None) -> str:
    """`2 of 10 graphs (ids 3, 6)` for the rows where `bad` [rows] is true, or their `lines` in a file."""
    first, what = bad.nonzero().flatten()[:3].tolist(), "ids"
    if lines:
        first, what = [lines[row] for row in first], "lines"
    more = ", ..." if bad.sum() > 3 else ""
    return (
        f"{int(bad.sum())} of {counted(len(bad), units.removesuffix('s'))} ({what} {', '.join(map(str, first))}{more})"
    )


def _refuse(name: str, errors: Iterator[str] | list[str]) -> None:
    if text := " ".join(errors):
        raise UserError(f"{name}: {text}")


def _wrong_shapes(graphs: PackedGraphs, kind: str, target_names: tuple[str, ...]) -> Iterator[str]:
    indices = (graphs.edge_index, graphs.node_ptr, graphs.edge_ptr)
    for what, value in zip(("edge_index", "node_ptr", "edge_ptr"), indices, strict=True):
        if value.dtype != torch.long:
            yield f"{what} must be whole numbers (torch.long); it is {describe(value)}."
    if graphs.edge_index.dim() != 2 or graphs.edge_index.size(0) != 2:
        yield f"edge_index must be [2, edges]; it is {describe(graphs.edge_index)}."
    for what, value in (("x", graphs.x), ("edge_attr", graphs.edge_attr)):
        if value is not None and value.dim() != 2:
            yield f"{what} must be [{'nodes' if what == 'x' else 'edges'}, features]; it is {describe(value)}."
    columns = 1 if kind == "multiclass" else len(target_names)
    if graphs.y.dim() != 2 or graphs.y.size(1) != columns or not graphs.y.is_floating_point():
        of = "the class itself" if kind == "multiclass" else f"one for each of target_names, {len(target_names)}"
        required = f"floats [{graphs.level}s, {columns}] of a {kind} task, its columns {of}"
        yield f"y must be {required}; it is {describe(graphs.y)}."
    elif kind == "binary" and columns != 1:
        yield f"a binary task has one target; target_names has {columns}. Choose kind='multilabel' or 'multiclass'."
    elif kind == "multiclass" and len(target_names) < 2:
        yield f"a multi-class task needs two classes or more; target_names has {len(target_names)}."


def _wrong_features(what: str, key: str, values: Tensor | None, features: Features | None) -> Iterator[str]:
    if values is None or features is None:
        if features is not None:
            yield f"{what}_features= is given, but the graphs have no {key}."
        elif values is not None:
            yield f"the graphs have {key} {describe(values)}: say with {what}_features= what they are, or remove them."
    elif features.kind not in FEATURES:
        yield f"Features({features.kind!r}, ...): unknown kind. Choose {' or '.join(FEATURES)}."
    elif values.size(1) != features.width:
        yield f"{what}_features= has {features.width} columns; {key} is {describe(values)}."
    elif values.dtype != FEATURES[features.kind]:
        required = str(FEATURES[features.kind])
        yield f"{key} has {features.kind} features, so it must be {required}; it is {describe(values)}."
    elif features.kind == "categorical" and len(values):
        low, high = (bound.tolist() for bound in torch.aminmax(values, dim=0))
        for column, (least, most, size) in enumerate(zip(low, high, features.sizes, strict=True)):
            if least < 0 or most >= size:
                outside = count_rows((values[:, column] < 0) | (values[:, column] >= size), f"{what}s")
                yield (
                    f"Column {column} of {key} has values from {least} to {most}, its vocabulary in {what}_features= "
                    f"is 0 to {size - 1}: {outside} are outside."
                )


def _wrong_splits(splits: Splits, size: int, level: str) -> Iterator[str]:
    taken = {}
    for part, name in PARTS.items():
        ids = getattr(splits, part)
        if ids.dtype != torch.long or ids.dim() != 1:
            remedy = " Call mask.nonzero().flatten()." if ids.dtype == torch.bool else ""
            yield f"The {name} split must be {level} numbers (torch.long) [count]; it is {describe(ids)}.{remedy}"
            continue
        outside = ids[(ids < 0) | (ids >= size)]
        if len(outside):
            yield f"The {name} split contains {_first(outside)}; only {level}s 0 to {size - 1} exist."
            continue
        taken[part] = torch.bincount(ids, minlength=size)
        if (taken[part] > 1).any():
            yield f"The {name} split contains {count_rows(taken[part] > 1, f'{level}s')} more than once."
    for one, other in combinations(taken, 2):
        both = (taken[one] > 0) & (taken[other] > 0)
        if both.any():
            yield f"{count_rows(both, f'{level}s')} are in both the {PARTS[one]} and the {PARTS[other]} split."


def _wrong_labels(y: Tensor, ids: Tensor, kind: str, classes: int, level: str) -> Iterator[str]:
    if kind == "regression":
        return
    labels = y[ids]
    bad = (labels < 0) | (labels >= (classes if kind == "multiclass" else 2)) | (labels != labels.floor())
    bad &= ~labels.isnan()
    rows = torch.zeros(len(y), dtype=torch.bool)
    if bad.any():
        rows[ids[bad.any(dim=1)]] = True
        choices = f"one of the classes 0 to {classes - 1}" if kind == "multiclass" else "0 or 1"
        yield (
            f"{count_rows(rows, f'{level}s')} have labels {_first(labels[bad].unique())}; of a {kind} task a label is "
            f"{choices}. {_remedy(kind, level)}"
        )
    if kind == "multiclass" and labels.isnan().any():
        rows.zero_()[ids[labels.isnan().any(dim=1)]] = True
        yield f"{count_rows(rows, f'{level}s')} have no label (NaN). {_remedy(kind, level)}"


def _remedy(kind: str, level: str) -> str:
    if kind != "multiclass":
        return "NaN marks a missing label."
    if level == "graph":
        return "Number classes from 0 on, and leave out graphs without a label."
    return "Number classes from 0 on, and give masks (train_mask, ...) that leave nodes without a label out."


def _splits_without_labels(y: Tensor, splits: Splits) -> Iterator[str]:
    for part, name in PARTS.items():
        ids = getattr(splits, part)
        if len(ids) and y[ids].isnan().all():
            yield f"The {name} split has no label: all are NaN."


def _first(values: Tensor) -> str:
    """The first three of `values`, and the number of the others."""
    listed = ", ".join(f"{value:g}" for value in values[:3].tolist())
    return listed + (f" and {len(values) - 3} more" if len(values) > 3 else "")
