"""Graphs that were handed to `gnn_distill.distill`, as a task."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch_geometric.data import Data

from gnn_distill.api.given import Given, now
from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.nodes import assemble_nodes
from gnn_distill.data.assembly.splits import choose_split
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import PRIMARY, Features, GraphTask, Splits
from gnn_distill.errors import UserError

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import DatasetConfig, PathsConfig

MAX_DEGREE = 64
"""Degrees are the features of graphs without any, capped at this."""


def load(dataset: "DatasetConfig", paths: "PathsConfig") -> GraphTask:
    """The task of what was given; without splits they are seeded, as `dataset.split` says."""
    given = now()
    return _nodes(dataset, given) if isinstance(given.graphs, Data) else _graphs(dataset, paths, given)


def _nodes(dataset: "DatasetConfig", given: Given) -> GraphTask:
    masks = {}
    for part, ids in given.splits.items():
        masks[f"{part}_mask"] = torch.zeros(given.graphs.num_nodes, dtype=torch.bool).index_fill_(0, ids, True)
    known = {key: given.graphs[key] for key in ("x", "edge_index", "edge_attr") if key in given.graphs}
    whole = masks or {key: given.graphs[key] for key in ("train_mask", "val_mask", "test_mask") if key in given.graphs}
    x = known.pop("x").clone() if "x" in known else None  # normalised in place
    return assemble_nodes(dataset, Data(x=x, y=given.targets, **known, **whole))


def _graphs(dataset: "DatasetConfig", paths: "PathsConfig", given: Given) -> GraphTask:
    targets = given.targets.reshape(len(given.graphs), -1)
    kind = given.kind or kind_of(targets)
    degrees = given.graphs[0].x is None
    pipeline = InputPipeline(max_degree=MAX_DEGREE if degrees else None)
    featured = [_featured(data, degrees) for data in given.graphs]
    packed = PackedGraphs.from_data_list(featured, num_targets=targets.size(1))
    y = targets if targets.dtype == torch.double and kind == "regression" else targets.float()
    packed = pipeline.apply(replace(packed, y=y))
    names = _names(kind, targets)
    if given.splits:
        splits, notices = Splits(**given.splits), []
    else:
        splits, notices = choose_split(dataset, paths, packed.y, kind)
    return assemble(
        dataset,
        packed,
        splits,
        kind=kind,
        metric=PRIMARY[kind],
        target_names=names,
        node_features=Features("categorical", (MAX_DEGREE + 1,)) if degrees else features_of(packed.x),
        edge_features=None if packed.edge_attr is None else features_of(packed.edge_attr),
        notices=notices,
        degree_features=degrees,
        pipeline=pipeline,
    )


def kind_of(targets: Tensor) -> str:
    """The kind of task: of one column binary for 0 and 1, multiclass for whole numbers by type; of several multilabel.

    All else is a regression. targets: [graphs, columns].
    """
    known = targets[~targets.isnan()] if targets.is_floating_point() else targets
    two = bool(((known == 0) | (known == 1)).all())
    if targets.size(1) > 1:
        return "multilabel" if two else "regression"
    return "binary" if two else "regression" if targets.is_floating_point() else "multiclass"


def features_of(values: Tensor) -> Features:
    """Whole numbers are categories, from 0 to the largest of their column; all else is continuous."""
    if values.is_floating_point():
        return Features("continuous", (values.size(1),))
    if len(values) and values.min() < 0:
        raise UserError("Graphs: features of whole numbers are categories from 0 on; some are negative.")
    return Features("categorical", tuple((values.amax(0) + 1).tolist() if len(values) else [1] * values.size(1)))


def _names(kind: str, targets: Tensor) -> Sequence[str]:
    if kind == "multiclass":
        return tuple(map(str, range(int(targets.max()) + 1)))
    return ("target",) if targets.size(1) == 1 else tuple(f"target_{number}" for number in range(targets.size(1)))


def _featured(data: Data, degrees: bool) -> Data:
    """A graph with features of the number formats that models read, and without its label."""
    x = torch.empty(data.num_nodes, 0) if degrees else _cast(data.x)
    return Data(x=x, edge_index=data.edge_index, edge_attr=None if data.edge_attr is None else _cast(data.edge_attr))


def _cast(values: Tensor) -> Tensor:
    return values.float() if values.is_floating_point() else values.long()
