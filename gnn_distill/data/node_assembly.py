"""From one PyG graph to a node-level task: features, edges, split, and what training may see."""

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import coalesce, subgraph, to_undirected

from gnn_distill.data.assembly import assemble
from gnn_distill.data.node_splits import choose_node_split
from gnn_distill.data.packed import PackedGraphs, mean_log_degree, pointers
from gnn_distill.data.task import Features, GraphTask
from gnn_distill.errors import UserError

if TYPE_CHECKING:
    from gnn_distill.schema.data import NodeDatasetConfig


def assemble_nodes(dataset: "NodeDatasetConfig", data: Data, note: str = "") -> GraphTask:
    """A checked task of `data`: x [N, C] of floats, edge_index, y [N] the class of every node; masks are optional.

    Two classes make a binary task, measured by ROC-AUC, more a multi-class one, measured by accuracy. Features are
    normalised in place. Raises UserError as `assemble` does, and for features that cannot be normalised.
    """
    edge_index, edge_attr, notices = choose_edges(dataset, data)
    if dataset.normalize_features:
        normalize_rows(data.x)
    num_classes = int(data.y.max()) + 1
    kind = "binary" if num_classes == 2 else "multiclass"
    graphs = PackedGraphs(
        x=data.x,
        edge_index=edge_index,
        edge_attr=edge_attr,
        y=data.y.float()[:, None],
        node_ptr=pointers(torch.tensor([data.x.size(0)])),
        edge_ptr=pointers(torch.tensor([edge_index.size(1)])),
        level="node",
    )
    task = assemble(
        dataset,
        graphs,
        choose_node_split(dataset, data, graphs.y, kind),
        kind=kind,
        metric="roc_auc" if kind == "binary" else "accuracy",
        target_names=("label",) if kind == "binary" else tuple(map(str, range(num_classes))),
        node_features=Features("continuous", (data.x.size(1),)),
        edge_features=None if edge_attr is None else Features("continuous", (edge_attr.size(1),)),
        notices=notices,
        note=note,
    )
    unused = len(graphs.x) - sum(map(len, (task.splits.train, task.splits.val, task.splits.test)))
    if unused:
        task.notices.append(f"{unused} of {len(graphs.x)} nodes are in no part: they are seen, their labels never are.")
    return hide_evaluation_nodes(task) if dataset.setting == "inductive" else task


def choose_edges(dataset: "NodeDatasetConfig", data: Data) -> tuple[Tensor, Tensor | None, list[str]]:
    """Edges without repetition, with their reverses where `dataset.undirected`, their features, and a notice of it."""
    clean = to_undirected if dataset.undirected else coalesce
    edge_index, edge_attr = clean(data.edge_index, data.edge_attr, num_nodes=data.num_nodes, reduce="mean")
    before, after = data.edge_index.size(1), edge_index.size(1)
    if after <= before:
        return edge_index, edge_attr, []
    notice = f"The {before} directed edges of {dataset.name} became {after}, with their reverses."
    return edge_index, edge_attr, [f"{notice} dataset.undirected=false leaves them as they are."]


def normalize_rows(x: Tensor) -> None:
    """Divide each row by its sum, in place; rows of zeros stay. x: [N, C], no negative values."""
    if x.numel() and x.min() < 0:
        raise UserError("dataset.normalize_features=true: there are negative features. Set it to false.")
    total = x.sum(dim=1, keepdim=True)
    x /= total.masked_fill_(total == 0, 1)


def hide_evaluation_nodes(task: GraphTask) -> GraphTask:
    """The inductive form, three graphs: the whole one, on which only test nodes are read; the one that is trained on,
    without validation and test nodes; and the one that validation is read on, without test nodes.

    What decides about epochs and settings so never depends on features or edges of test nodes. Nodes in no part are in
    all three.
    """
    whole, splits = task.graphs, task.splits
    without_test = _without(whole, splits.test)
    without_both = _without(whole, torch.cat([splits.val, splits.test]))
    graphs, (_, train_start, val_start, _) = _joined(whole, [without_both, without_test])
    train = train_start + torch.searchsorted(without_both.kept, splits.train)
    val = val_start + torch.searchsorted(without_test.kept, splits.val)
    spec = replace(task.spec, log_degree=mean_log_degree(graphs, train))
    return GraphTask(spec, graphs, replace(splits, train=train, val=val), task.notices, setting="inductive")


class Part(NamedTuple):
    """Some nodes of a graph, and the edges among them."""

    kept: Tensor
    """Which nodes, ascending."""
    edge_index: Tensor
    """In new numbers."""
    edge_attr: Tensor | None


def _without(whole: PackedGraphs, hidden: Tensor) -> Part:
    num_nodes = len(whole.x)
    seen = torch.ones(num_nodes, dtype=torch.bool).index_fill_(0, hidden, False)
    edges = subgraph(seen, whole.edge_index, whole.edge_attr, relabel_nodes=True, num_nodes=num_nodes)
    return Part(seen.nonzero().flatten(), *edges)


def _joined(whole: PackedGraphs, parts: list[Part]) -> tuple[PackedGraphs, list[int]]:
    """The graph and its parts end to end, and where the nodes of each begin."""
    sizes = [len(whole.x), *(len(part.kept) for part in parts)]
    ptr = pointers(torch.tensor(sizes))
    x = whole.x.new_empty(int(ptr[-1]), whole.x.size(1))  # filled piece by piece: features may take gigabytes
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
