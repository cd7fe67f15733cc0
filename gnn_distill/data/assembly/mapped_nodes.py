"""From an open node folder to a node-level task that stays on disk."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch_geometric.data import Data

from gnn_distill.config.naming import title
from gnn_distill.config.schema.data import LOWER_IS_BETTER
from gnn_distill.data.assembly.graphs import refuse_hidden_nodes
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.label_checks import check_targets
from gnn_distill.data.assembly.node_splits import choose_node_split
from gnn_distill.data.assembly.nodes import MASKS, hide_evaluation_nodes
from gnn_distill.data.assembly.splits import keep_fraction
from gnn_distill.data.in_edges import MappedGraph
from gnn_distill.data.reading.node_folder import NodeFolder
from gnn_distill.data.task import METRICS, Features, GraphTask, TaskSpec
from gnn_distill.errors import refuse

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import NodeDatasetConfig


def assemble_mapped(dataset: "NodeDatasetConfig", found: NodeFolder) -> GraphTask:
    """The task of a node folder, as `assemble_nodes` makes one of a graph in memory; inductive copies are in memory.

    Raises UserError for settings that the folder cannot follow, and for splits and labels that cannot be learned.
    """
    _check_settings(dataset, found)
    nodes, classes = len(found.y), found.about["classes"]
    kind = "binary" if classes == 2 else "multiclass"
    metric = dataset.metric or ("roc_auc" if kind == "binary" else "accuracy")
    if metric not in METRICS[kind]:
        raise refuse("dataset.metric", metric, f"{dataset.name} is {kind}. Choose {', '.join(METRICS[kind])}.")
    y = torch.from_numpy(np.array(found.y)).float()[:, None]
    y[y < 0] = torch.nan
    graphs = MappedGraph(torch.from_numpy(found.x), y, found.in_edges, found.about["kinds"])
    masks = Data(num_nodes=nodes)
    if found.part is not None:
        for number, name in enumerate(MASKS):
            masks[name] = torch.from_numpy(found.part == number)
    splits = choose_node_split(dataset, masks, y, kind)
    splits = keep_fraction(splits, y, kind, dataset.train_fraction, dataset.split_seed)
    names = ("label",) if kind == "binary" else tuple(map(str, range(classes)))
    thinned = ["train_fraction"] if dataset.train_fraction < 1 else []
    spec = TaskSpec(
        name=title(dataset),
        kind=kind,
        level="node",
        num_outputs=len(names),
        node_features=Features("continuous", (found.x.shape[1],)),
        edge_features=None,
        metric=metric,
        higher_is_better=metric not in LOWER_IS_BETTER,
        target_names=names,
        target_mean=(0.0,) * len(names),
        target_std=(1.0,) * len(names),
        # Rounded for the same reason as in `mean_log_degree`.
        log_degree=round(float(np.log1p(np.diff(found.in_edges.ptr)[splits.train]).mean()), 9) or 1.0,
    )
    notices = check_targets(y, splits, kind, metric, names, thinned, "node")
    notices += _notices(dataset, found, nodes - sum(map(len, (splits.train, splits.val, splits.test))))
    pipeline = InputPipeline(merge_edges=True, undirected=found.about["undirected"])
    task = GraphTask(spec, graphs, splits, notices, pipeline=pipeline)
    return hide_evaluation_nodes(task) if dataset.setting == "inductive" else task


def _check_settings(dataset: "NodeDatasetConfig", found: NodeFolder) -> None:
    if dataset.undirected != found.about["undirected"]:
        how = str(found.about["undirected"]).lower()
        raise refuse(
            "dataset.undirected", str(dataset.undirected).lower(),
            f"{found.folder} was converted with undirected={how}. Set dataset.undirected={how}, or convert it again.",
        )  # fmt: skip
    if dataset.normalize_features:
        raise refuse(
            "dataset.normalize_features", "true",
            f"the features of {found.folder} are read as they are on disk. Divide them before the conversion.",
        )  # fmt: skip
    if dataset.label_fraction < 1:
        raise refuse_hidden_nodes(dataset)


def _notices(dataset: "NodeDatasetConfig", found: NodeFolder, unused: int) -> list[str]:
    nodes, degree = len(found.y), np.diff(found.in_edges.ptr)
    notices = []
    if unused:
        notices.append(f"{unused:,} of {nodes:,} nodes are in no split: the model sees them but never their labels.")
    if lonely := int((degree == 0).sum()):
        notices.append(f"{lonely:,} of {nodes:,} nodes of {dataset.name} receive no edges.")
    return notices
