"""From one PyG graph to a node-level task: features, edges, splits, and the nodes visible to training."""

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import coalesce, subgraph

from gnn_distill.data.assembly.checks import count_rows, describe
from gnn_distill.data.assembly.graphs import assemble, check_counts
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.node_splits import choose_node_split
from gnn_distill.data.packed import PackedGraphs, mean_log_degree, pointers
from gnn_distill.data.task import Features, GraphTask
from gnn_distill.errors import UserError

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import NodeDatasetConfig

MASKS = ("train_mask", "val_mask", "test_mask")


def assemble_nodes(dataset: "NodeDatasetConfig", data: Data, note: str = "") -> GraphTask:
    """A checked task of `data`: x [N, C] of floats, edge_index, y [N] the class of every node; masks are optional.

    Two classes make a binary task, measured by ROC-AUC, more a multi-class one, measured by accuracy. Features are
    normalised in place. A node with negative y has no label, and may not be in a split. Raises UserError as `assemble`
    does, for classes without nodes, and for features that cannot be normalised.
    """
    check_graph(dataset.name, data)
    y = data.y.view(-1)
    num_classes = int(y.max()) + 1
    kind = "binary" if num_classes == 2 else "multiclass"
    raw = PackedGraphs(
        x=data.x,
        edge_index=data.edge_index,
        edge_attr=data.edge_attr,
        y=y.float()[:, None],
        node_ptr=pointers(torch.tensor([data.x.size(0)])),
        edge_ptr=pointers(torch.tensor([data.edge_index.size(1)])),
        level="node",
    )
    check_counts(dataset.name, raw)
    pipeline = InputPipeline(
        merge_edges=True, undirected=dataset.undirected, normalize_features=dataset.normalize_features
    )
    graphs = pipeline.apply(raw)
    task = assemble(
        dataset,
        graphs,
        choose_node_split(dataset, data, graphs.y, kind),
        kind=kind,
        metric="roc_auc" if kind == "binary" else "accuracy",
        target_names=("label",) if kind == "binary" else tuple(map(str, range(num_classes))),
        node_features=Features("continuous", (data.x.size(1),)),
        edge_features=None if raw.edge_attr is None else Features("continuous", (raw.edge_attr.size(1),)),
        notices=notices_on_edges(dataset, raw, graphs),
        note=note,
        pipeline=pipeline,
    )
    unused = len(graphs.x) - sum(map(len, (task.splits.train, task.splits.val, task.splits.test)))
    if unused:
        task.notices.append(
            f"{unused:,} of {len(graphs.x):,} nodes are in no split: the model sees them but never their labels."
        )
    return hide_evaluation_nodes(task) if dataset.setting == "inductive" else task


def check_graph(name: str, data: Data) -> None:
    """Raise UserError, naming all errors, unless `data` has features, edges, integer classes and complete masks."""
    wrong = []
    if data.x is None or data.x.dim() != 2 or data.x.dtype != torch.float:
        wrong.append(f"x must be torch.float [nodes, features]; it is {describe(data.x)}.")
    if data.edge_index is None or data.edge_index.dtype != torch.long or data.edge_index.size(0) != 2:
        wrong.append(f"edge_index must be torch.long [2, edges]; it is {describe(data.edge_index)}.")
    elif data.edge_attr is not None and data.edge_attr.shape[:-1] != data.edge_index.shape[1:]:
        wrong.append(f"edge_attr must be torch.float [edges, features]; it is {describe(data.edge_attr)}.")
    y = data.y
    nodes = len(y) if data.x is None and y is not None else data.num_nodes
    if y is None or y.shape not in ((nodes,), (nodes, 1)):
        wrong.append(f"y must be the class of every node, [{nodes}]; it is {describe(y)}.")
    elif y.is_floating_point() and not torch.equal(y, y.floor()):
        wrong.append(f"y must be whole numbers: {count_rows(y.view(-1) != y.view(-1).floor(), 'nodes')} are not.")
    else:
        classes = y[y >= 0].long().unique()
        absent = sorted(set(range(int(classes.max()) + 1 if len(classes) else 1)) - set(classes.tolist()))
        if absent:
            wrong.append(
                f"no node is of class {', '.join(map(str, absent))}: number the classes from 0 on without gaps."
            )
        elif len(classes) < 2:
            wrong.append("all nodes are of class 0: there is nothing to learn.")
    masks = [data[name] for name in MASKS if name in data]
    if 0 < len(masks) < len(MASKS) or any(
        mask.dtype not in (torch.bool, torch.uint8) or len(mask) != nodes for mask in masks
    ):
        found = ", ".join(f"{name} {describe(data.get(name))}" for name in MASKS)
        wrong.append(f"there must be three masks, torch.bool [{nodes}] or [{nodes}, folds]; found {found}.")
    if wrong:
        raise UserError(f"{name}: {' '.join(wrong)}")


def notices_on_edges(dataset: "NodeDatasetConfig", raw: PackedGraphs, graphs: PackedGraphs) -> list[str]:
    """Notices of duplicate edges, and of reverses that were added."""
    listed, after, notices = raw.edge_index.size(1), graphs.edge_index.size(1), []
    once = coalesce(raw.edge_index, num_nodes=len(raw.x)).size(1)
    if once < listed:
        notices.append(f"{listed - once:,} of {listed:,} edges of {dataset.name} are duplicates: each is kept once.")
    if after > once:
        notice = f"The {once:,} directed edges of {dataset.name} became {after:,} with their reverses added."
        notices.append(f"{notice} dataset.undirected=false keeps them directed.")
    return notices


def hide_evaluation_nodes(task: GraphTask) -> GraphTask:
    """The inductive form, three graphs: the whole one, for predictions on test nodes; the training graph, without
    validation and test nodes; and the validation graph, without test nodes.

    So the selection of epochs and settings never depends on features or edges of test nodes. Nodes in no split are in
    all three.
    """
    whole, splits = task.graphs, task.splits
    without_test = _without(whole, splits.test)
    without_both = _without(whole, torch.cat([splits.val, splits.test]))
    graphs, (_, train_start, val_start, _) = _joined(whole, [without_both, without_test])
    train = train_start + torch.searchsorted(without_both.kept, splits.train)
    val = val_start + torch.searchsorted(without_test.kept, splits.val)
    spec = replace(task.spec, log_degree=mean_log_degree(graphs, train))
    return replace(
        task,
        spec=spec,
        graphs=graphs,
        splits=replace(splits, train=train, val=val),
        setting="inductive",
        nodes=torch.cat([torch.arange(len(whole.x)), without_both.kept, without_test.kept]),
    )


class Part(NamedTuple):
    """Some nodes of a graph, and the edges among them."""

    kept: Tensor
    """Ids of the nodes, ascending."""
    edge_index: Tensor
    """Between the new ids of the nodes."""
    edge_attr: Tensor | None


def _without(whole: PackedGraphs, hidden: Tensor) -> Part:
    num_nodes = len(whole.x)
    seen = torch.ones(num_nodes, dtype=torch.bool).index_fill_(0, hidden, False)
    edges = subgraph(seen, whole.edge_index, whole.edge_attr, relabel_nodes=True, num_nodes=num_nodes)
    return Part(seen.nonzero().flatten(), *edges)


def _joined(whole: PackedGraphs, parts: list[Part]) -> tuple[PackedGraphs, list[int]]:
    """The graph and its parts end to end, and the first node of each."""
    sizes = [len(whole.x), *(len(part.kept) for part in parts)]
    ptr = pointers(torch.tensor(sizes))
    x = whole.x.new_empty(int(ptr[-1]), whole.x.size(1))  # filled in place: features may take gigabytes
    x[: len(whole.x)] = whole.x
    for part, start, stop in zip(parts, ptr[1:-1].tolist(), ptr[2:].tolist(), strict=True):
        torch.index_select(whole.x, 0, part.kept, out=x[start:stop])
    attrs = None if whole.edge_attr is None else torch.cat([whole.edge_attr, *(part.edge_attr for part in parts)])
    counts = [whole.edge_index.size(1), *(part.edge_index.size(1) for part in parts)]
    graphs = PackedGraphs(
        x=x,
        edge_index=torch.cat([whole.edge_index, *(part.edge_index for part in parts)], dim=1),
        edge_attr=attrs,
        y=torch.cat([whole.y, *(whole.y[part.kept] for part in parts)]),
        node_ptr=ptr,
        edge_ptr=pointers(torch.tensor(counts)),
        level="node",
    )
    return graphs, ptr.tolist()
