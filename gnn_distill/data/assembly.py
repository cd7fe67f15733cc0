"""From graphs and a split to a task: the checks, target statistics and notices that every source shares."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gnn_distill.data.packed import PackedGraphs, mean_log_degree
from gnn_distill.data.splits import keep_fraction
from gnn_distill.data.task import LOWER_IS_BETTER, METRICS, Features, GraphTask, Splits, TaskSpec
from gnn_distill.errors import UserError

if TYPE_CHECKING:
    from gnn_distill.schema.data import DatasetConfig

NEED_BOTH_CLASSES = ("roc_auc", "average_precision")


def assemble(
    dataset: "DatasetConfig",
    graphs: PackedGraphs,
    splits: Splits,
    *,
    kind: str,
    metric: str,
    target_names: tuple[str, ...],
    node_features: Features,
    edge_features: Features | None = None,
    notices: list[str] | None = None,
    molecules: bool = False,
    degree_features: bool = False,
    note: str = "",
) -> GraphTask:
    """A checked task.

    metric: the set's own; `dataset.metric` goes before it. target_names: one an output (multiclass: the classes).
    Raises UserError for a metric that does not fit the kind, features that are not finite, graphs without nodes,
    and targets that cannot be learned or measured.
    """
    metric = dataset.metric or metric
    if metric not in METRICS[kind]:
        raise UserError(f"dataset.metric={metric}: {dataset.name} is {kind}; choose {', '.join(METRICS[kind])}.")
    notices = list(notices or []) + check_graphs(graphs)
    splits = keep_fraction(splits, graphs.y, kind, dataset.train_fraction, dataset.split_seed)
    if not all(len(ids) for ids in (splits.train, splits.val, splits.test)):
        raise UserError(f"{dataset.name}: {len(graphs)} graphs are too few for a train, a val and a test part.")
    notices += check_targets(graphs.y, splits, kind, metric, target_names, edited=dataset.train_fraction < 1)
    mean, std = standardisation(graphs.y[splits.train], kind, len(target_names))
    spec = TaskSpec(
        name=dataset.name,
        kind=kind,
        level="graph",
        num_outputs=len(target_names),
        node_features=node_features,
        edge_features=edge_features,
        metric=metric,
        higher_is_better=metric not in LOWER_IS_BETTER,
        target_names=target_names,
        target_mean=mean,
        target_std=std,
        molecules=molecules,
        degree_features=degree_features,
        log_degree=mean_log_degree(graphs, splits.train),
        note=note,
    )
    return GraphTask(spec, graphs, splits, notices)


def standardisation(y: Tensor, kind: str, num_outputs: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each regression target over its labels; 0 and 1 for other kinds. y: [G, T]."""
    if kind != "regression":
        return (0.0,) * num_outputs, (1.0,) * num_outputs
    columns = [column[~column.isnan()].double() for column in y.unbind(1)]
    return tuple(float(c.mean()) for c in columns), tuple(float(c.std(correction=0)) for c in columns)


def check_graphs(graphs: PackedGraphs) -> list[str]:
    """Notices on graphs of one node or no edges; raises UserError on empty graphs and on features not finite."""
    nodes, edges = graphs.num_nodes, graphs.num_edges
    _forbid(nodes == 0, "have no nodes. Remove them")
    for what, values, ptr in (("node", graphs.x, graphs.node_ptr), ("edge", graphs.edge_attr, graphs.edge_ptr)):
        if values is not None and values.is_floating_point():
            rows = (~values.isfinite().all(dim=1)).nonzero().flatten()
            bad = torch.zeros(len(graphs), dtype=torch.bool)
            bad[torch.searchsorted(ptr, rows, right=True) - 1] = True
            _forbid(bad, f"have {what} features that are NaN or infinite. Mend or remove them")
    notices = []
    for bad, what in ((nodes == 1, "one node only"), ((nodes > 1) & (edges == 0), "no edges")):
        if bad.any():
            notices.append(f"{_count(bad)} have {what}; they are kept, and structure says nothing about them.")
    return notices


def check_targets(
    y: Tensor, splits: Splits, kind: str, metric: str, names: tuple[str, ...], edited: bool = False
) -> list[str]:
    """Notices on classes absent from a part; raises UserError where learning or the metric would be meaningless.

    y: [G, T]; edited: the training part was thinned by `dataset.train_fraction`.
    """
    if y.isinf().any():
        raise UserError(f"{int(y.isinf().any(1).sum())} graphs have infinite labels. Mend or remove them.")
    thinner = " Or raise dataset.train_fraction." if edited else ""
    remedy = f"Choose another dataset.split, dataset.split_seed or dataset.fold.{thinner}"
    if kind == "regression":
        for name, column in zip(names, y[splits.train].unbind(1), strict=True):
            labels = column[~column.isnan()]
            if len(labels.unique()) < 2:
                state = f"is constant ({labels[0]:g})" if len(labels) else "has no value"
                raise UserError(f"Target '{name}' {state} in the training part: nothing to learn. {remedy}")
        return []
    parts = {"training": splits.train, "validation": splits.val, "test": splits.test}
    if kind == "multilabel":
        return _check_labels(y, parts, names, metric, remedy)
    classes = names if kind == "multiclass" else ("0", "1")
    notices = []
    for part, ids in parts.items():
        absent = [name for index, name in enumerate(classes) if not (y[ids, 0] == index).any()]
        if absent and (part == "training" or metric in NEED_BOTH_CLASSES):
            why = "it cannot be learned" if part == "training" else f"{metric} has no value there"
            raise UserError(f"Class {', '.join(absent)} is absent from the {part} part: {why}. {remedy}")
        if absent:
            notices.append(f"Class {', '.join(absent)} is absent from the {part} part.")
    return notices


def _check_labels(y: Tensor, parts: dict[str, Tensor], names: tuple[str, ...], metric: str, remedy: str) -> list[str]:
    notices = []
    for part, ids in parts.items():
        both = ((y[ids] == 1).any(0) & (y[ids] == 0).any(0)).tolist()
        single = [name for name, has in zip(names, both, strict=True) if not has]
        if len(single) == len(names) and (part == "training" or metric in NEED_BOTH_CLASSES):
            raise UserError(f"No label has both classes in the {part} part. {remedy}")
        if single:
            effect = "they cannot be learned" if part == "training" else "they are left out of ROC-AUC and the like"
            more = ", ..." if len(single) > 3 else ""
            notices.append(
                f"{len(single)} of {len(names)} labels have one class only in the {part} part; {effect}: "
                f"{', '.join(single[:3])}{more}."
            )
    return notices


def _forbid(bad: Tensor, what: str) -> None:
    if bad.any():
        raise UserError(f"{_count(bad)} {what}.")


def _count(bad: Tensor) -> str:
    first = bad.nonzero().flatten()[:3].tolist()
    return f"{int(bad.sum())} of {len(bad)} graphs (ids {', '.join(map(str, first))}{', ...' if bad.sum() > 3 else ''})"
