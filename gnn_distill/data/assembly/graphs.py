"""From graphs and splits to a task: the checks, target statistics and notices shared by all sources."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gnn_distill.config.naming import title
from gnn_distill.config.schema.data import LOWER_IS_BETTER
from gnn_distill.data.assembly.checks import check_parts, count_missing, count_rows, notices_on_edges
from gnn_distill.data.assembly.graph_overlap import find_shared_graphs, notices_on
from gnn_distill.data.assembly.label_checks import check_targets
from gnn_distill.data.assembly.node_splits import keep_fraction_of_graphs, separates_graphs
from gnn_distill.data.assembly.splits import hide_labels, keep_fraction
from gnn_distill.data.packed import PackedGraphs, mean_log_degree
from gnn_distill.data.task import METRICS, Features, GraphTask, Splits, TaskSpec
from gnn_distill.errors import UserError, refuse
from gnn_distill.formatting import counted

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import DatasetConfig
    from gnn_distill.data.assembly.input_pipeline import InputPipeline

COUNTED = ("rows of node features", "edges", "rows of edge features", "labels", "lists of edges")
FOREIGN_ENDS = "edges to nodes outside the graph"


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
    standardised: int = 0,
    notices: list[str] | None = None,
    molecules: bool = False,
    degree_features: bool = False,
    note: str = "",
    class_names: tuple[str, ...] = (),
    lines: tuple[int, ...] | None = None,
    pipeline: "InputPipeline | None" = None,
) -> GraphTask:
    """A checked task at the level of `graphs`.

    splits: ids of graphs, or at node level rows of nodes with a label (`labelled_rows` finds those of graphs). If each
    of several graphs has such nodes in one part only, batches consist of graphs, as at graph level.
    metric: the default metric; `dataset.metric` overrides it. target_names: one per output (multiclass: the classes).
    standardised: number of leading columns of continuous node features to standardise by the training nodes.
    class_names: of `TaskSpec`; lines: of `GraphTask`.
    pipeline: the steps applied to the raw graphs, which a student repeats; None: as implied by the other arguments.
    Raises UserError for a metric that does not fit the kind, for tensors, labels and splits that do not match their
    descriptions, non-finite features, graphs without nodes, and targets that cannot be learned or measured.
    """
    metric = dataset.metric or metric
    check_parts(dataset.name, graphs, splits, kind, target_names, node_features, edge_features)
    if metric not in METRICS[kind]:
        raise UserError(f"dataset.metric={metric}: {dataset.name} is {kind}; choose {', '.join(METRICS[kind])}.")
    check_counts(dataset.name, graphs)
    if kind != "regression":
        graphs = replace(graphs, y=graphs.y.float())
    notices = list(notices or []) + check_graphs(graphs, lines)
    separate = graphs.level == "node" and separates_graphs(graphs, splits)
    if (graphs.level == "graph" or separate) and not molecules:
        notices += notices_on_edges(graphs)
    keep = partial(keep_fraction, y=graphs.y, kind=kind)
    if separate:
        keep = partial(keep_fraction_of_graphs, graphs=graphs)
    splits = keep(splits, fraction=dataset.train_fraction, seed=dataset.split_seed)
    if dataset.label_fraction < 1:
        if graphs.level == "node" and not separate:
            raise refuse_hidden_nodes(dataset)
        labelled = keep(splits, fraction=dataset.label_fraction, seed=dataset.split_seed)
        graphs, splits = hide_labels(graphs, splits, labelled.train)
    if not all(len(ids) for ids in (splits.train, splits.val, splits.test)):
        few = counted(len(graphs.y), f"{graphs.level} is", f"{graphs.level}s are")
        sizes = ", ".join(str(len(ids)) for ids in (splits.train, splits.val, splits.test))
        raise UserError(f"{title(dataset)}: {few} too few for training, validation and test splits ({sizes}).")
    notices += count_missing(graphs.y, splits)
    thinned = [key for key in ("train_fraction", "label_fraction") if getattr(dataset, key) < 1]
    notices += check_targets(graphs.y, splits, kind, metric, target_names, thinned, graphs.level, class_names)
    mean, std = standardisation(graphs.y[splits.train], kind, len(target_names))
    if standardised:
        node_features = with_moments(node_features, graphs.x[graphs.nodes_of(splits.train)], standardised)
    spec = TaskSpec(
        name=title(dataset),
        kind=kind,
        level=graphs.level,
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
        class_names=class_names,
    )
    task = GraphTask(spec, graphs, splits, notices, lines=lines, pipeline=pipeline)
    if separate:
        task.setting = "separate"
    if not task.split_by_graph:
        return task
    seen = replace(splits, train=splits.training)
    shared = find_shared_graphs(graphs, seen)
    return replace(task, notices=notices + notices_on(shared, graphs, seen, molecules), shared_graphs=shared)


def refuse_hidden_nodes(dataset: "DatasetConfig") -> UserError:
    """Why labels are not hidden by graph where there is one graph, and what thins them."""
    return refuse(
        "dataset.label_fraction",
        dataset.label_fraction,
        f"it hides the labels of whole graphs, and {dataset.name} is one graph, whose nodes without a label are seen "
        f"in any case. Set dataset.train_fraction={dataset.label_fraction}, which thins the training labels there.",
    )


def standardisation(y: Tensor, kind: str, num_outputs: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each regression target over its labels; 0 and 1 for other kinds. y: [G, T]."""
    if kind != "regression":
        return (0.0,) * num_outputs, (1.0,) * num_outputs
    columns = [column[~column.isnan()].double() for column in y.unbind(1)]
    return tuple(float(c.mean()) for c in columns), tuple(float(c.std(correction=0)) for c in columns)


def with_moments(features: Features, x: Tensor, columns: int) -> Features:
    """`features` with mean and standard deviation of the first `columns` columns of x [nodes, width].

    For a column that is constant up to rounding only the mean is subtracted; other columns stay unchanged.
    """
    mean, std = torch.zeros(x.size(1), dtype=torch.double), torch.ones(x.size(1), dtype=torch.double)
    values = x[:, :columns].double()
    mean[:columns] = values.mean(dim=0)
    spread = values.std(dim=0, correction=0)
    std[:columns] = torch.where(spread > 1e-7 * mean[:columns].abs(), spread, 1.0)
    return replace(features, mean=tuple(mean.tolist()), std=tuple(std.tolist()))


def check_counts(name: str, graphs: PackedGraphs) -> None:
    """Raise UserError unless all counts agree."""
    nodes, edges = int(graphs.node_ptr[-1]), int(graphs.edge_ptr[-1])
    examples = nodes if graphs.level == "node" else len(graphs)
    attributed = edges if graphs.edge_attr is None else len(graphs.edge_attr)
    counts = (len(graphs.x), graphs.edge_index.size(1), attributed, len(graphs.y), len(graphs.edge_ptr) - 1)
    for what, expected, found in zip(COUNTED, (nodes, edges, edges, examples, len(graphs)), counts, strict=True):
        if expected != found:
            raise UserError(
                f"{name}: expected {expected:,} {what}, found {found:,}: the files do not match each other."
            )


def check_graphs(graphs: PackedGraphs, lines: tuple[int, ...] | None = None) -> list[str]:
    """Notices of graphs with one node, graphs without edges and, at node level, nodes without neighbours.

    lines: the line of each graph in its file, by which messages then name it.
    Raises UserError for empty graphs, edges that leave their graph, and features that are not finite.
    """
    nodes, edges = graphs.num_nodes, graphs.num_edges
    for bad, ptr, units, what in faults(graphs):
        of_graphs = graphs.level == "graph" or what == FOREIGN_ENDS
        _forbid(graphs_with(bad, ptr) if of_graphs else bad, "graphs" if of_graphs else units, f"have {what}")
    if graphs.level == "node":
        source, target = graphs.global_edge_index
        lonely = torch.ones(len(graphs.x), dtype=torch.bool)
        lonely[torch.cat([source[source != target], target[source != target]])] = False
        small = [(lonely, "nodes", "no neighbours")]
    else:
        small = [(nodes == 1, "graphs", "only one node"), ((nodes > 1) & (edges == 0), "graphs", "no edges")]
    return [
        f"{count_rows(bad, units, lines)} have {what}; they are kept, but their structure carries no information."
        for bad, units, what in small
        if bad.any()
    ]


def check_edges(graphs: PackedGraphs) -> None:
    """Raise UserError if an edge leaves its graph."""
    _forbid(graphs_with(astray(graphs), graphs.edge_ptr), "graphs", f"have {FOREIGN_ENDS}")


def astray(graphs: PackedGraphs) -> Tensor:
    """Which edges leave their graph: [edges] bool."""
    ends = graphs.edge_index
    return ((ends < 0) | (ends >= torch.repeat_interleave(graphs.num_nodes, graphs.num_edges))).any(dim=0)


def faults(graphs: PackedGraphs) -> Iterator[tuple[Tensor, Tensor, str, str]]:
    """Defects that no model can read: (bad rows, pointers of the graphs' rows, unit of the rows, description)."""
    yield graphs.num_nodes == 0, torch.arange(len(graphs) + 1), "graphs", "no nodes"
    yield astray(graphs), graphs.edge_ptr, "edges", FOREIGN_ENDS
    for what, values, ptr in (("node", graphs.x, graphs.node_ptr), ("edge", graphs.edge_attr, graphs.edge_ptr)):
        if values is not None and values.is_floating_point() and values.size(1):
            yield ~finite_rows(values), ptr, f"{what}s", f"{what} features that are NaN or infinite"


def graphs_with(bad: Tensor, ptr: Tensor) -> Tensor:
    """The graphs of bad rows: [rows] bool, [graphs+1] -> [graphs] bool."""
    of_graph = torch.searchsorted(ptr, bad.nonzero().flatten(), right=True) - 1
    return torch.zeros(len(ptr) - 1, dtype=torch.bool).index_fill_(0, of_graph, True)


def finite_rows(values: Tensor) -> Tensor:
    """Which rows have no NaN and no infinity: [N, C] -> [N]; `isfinite` alone would copy all of `values`."""
    low, high = torch.aminmax(values, dim=1)
    return low.isfinite() & high.isfinite()


def _forbid(bad: Tensor, units: str, what: str) -> None:
    if bad.any():
        raise UserError(f"{count_rows(bad, units)} {what}. Fix or remove them.")
