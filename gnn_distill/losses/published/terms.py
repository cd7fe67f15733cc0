"""Published losses as terms: on predictions, on the teacher's raw states, and on the student's own of any width."""

from collections.abc import Iterator
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from gnn_distill.config.schema.objective import AlignmentConfig, BaselineConfig, LossConfig
from gnn_distill.data.batching import ROW_EDGES, GraphBatch
from gnn_distill.data.derived import Derived
from gnn_distill.data.subgraphs.subgraphs import batch_walks
from gnn_distill.losses.alignment import align_mse
from gnn_distill.losses.macro import graph_relation_pkt
from gnn_distill.losses.neighbours import PAIRS
from gnn_distill.losses.projectors import Projectors
from gnn_distill.losses.published.predictions import dist
from gnn_distill.losses.published.states import (
    attention_transfer,
    crd,
    gcrd,
    mugsi_graph,
    rkd_angle,
    rkd_distance,
    similarity_preserving,
)
from gnn_distill.losses.published.structure import gsp, lsp_of_pairs, mugsi_clusters, mugsi_paths
from gnn_distill.losses.rows import (
    BatchLoss,
    LogitRows,
    RowLoss,
    StateRows,
    graph_rows,
    head_rows,
    node_rows,
    subgraph_rows,
)
from gnn_distill.losses.term import Loss, Requires, Term
from gnn_distill.losses.whole_batch import each_graph, each_row
from gnn_distill.models.layers.padding import pad

BETWEEN_GRAPHS = {
    "sp": similarity_preserving,
    "rkd_distance": rkd_distance,
    "rkd_angle": rkd_angle,
    "pkt": graph_relation_pkt,
    "crd": crd,
    "mugsi_graph": mugsi_graph,
}
PROJECTED = ("crd", "mugsi_graph")
"""Of these, those that compare states of one width."""


def baseline_terms(projectors: Projectors, loss: LossConfig, align: AlignmentConfig) -> Iterator[Term]:
    """`baseline_<name>` of every published loss whose weight is not 0."""
    config, ramp = loss.baseline, loss.schedule.baseline
    for name in BETWEEN_GRAPHS:
        if weight := getattr(config, name):
            yield Term(f"baseline_{name}", weight, ramp, _between_graphs(name, projectors, config, align))
    if weight := config.dist:
        formula = partial(dist, kind=projectors.task_loss.kind, temperature=loss.soft.temperature)
        yield Term("baseline_dist", weight, ramp, RowLoss(LogitRows(), formula))
    for name, make in BETWEEN_NODES.items():
        if weight := getattr(config, name):
            yield Term(f"baseline_{name}", weight, ramp, make(projectors, config, align))


def _between_graphs(name: str, projectors: Projectors, config: BaselineConfig, align: AlignmentConfig) -> Loss:
    """At node level between sampled nodes; MuGSI's between prototypes of the classes."""
    kind = config.projection if name in PROJECTED else None
    samples = config.rkd_samples if name.startswith("rkd") else config.samples
    among = "classes" if name == "mugsi_graph" else "nodes"
    rows = graph_rows(projectors, f"baseline_{name}", kind, align, among, raw=True, samples=samples)
    return RowLoss(rows, BETWEEN_GRAPHS[name], units=each_row if name == "mugsi_graph" else None)


def _raw(projectors: Projectors, samples: int = 0) -> StateRows:
    """Both sides' last node states as they are."""
    return node_rows(projectors, "", None, raw=True, samples=samples)


def _fitnet(projectors: Projectors, config: BaselineConfig, align: AlignmentConfig) -> Loss:
    """Of a student that predicts by its teacher's head, the states that it hands to that head."""
    if align.reuse_head:
        return RowLoss(head_rows(projectors, raw=True), align_mse, units=each_row)
    return RowLoss(node_rows(projectors, "baseline_fitnet", config.projection, raw=True), align_mse, units=each_row)


def _at(projectors: Projectors, config: BaselineConfig, align: AlignmentConfig) -> Loss:
    def at(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Float[Tensor, ""]:
        return attention_transfer(student, teacher, batch.wanted(batch.batch), batch.num_graphs)

    return BatchLoss(_raw(projectors), at, units=each_graph)


def _lsp(projectors: Projectors, config: BaselineConfig, align: AlignmentConfig) -> Loss:
    def local_structure(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Float[Tensor, ""]:
        pairs, num_edges = PAIRS(batch), edges(student, batch)
        return lsp_of_pairs(student, teacher, pairs, num_edges, config.kernel, config.bandwidth)

    def edges(student: Tensor, batch: GraphBatch) -> Tensor:
        return (batch.row_edges[0] != batch.row_edges[1]).sum()

    found = Requires(derived=frozenset({PAIRS, ROW_EDGES}))
    return BatchLoss(_raw(projectors), local_structure, found, units=edges)


def _gsp(projectors: Projectors, config: BaselineConfig, align: AlignmentConfig) -> Loss:
    """Of all nodes where the kernel is cosine, which takes no pairs."""
    rows = _raw(projectors, 0 if config.kernel == "cosine" else config.samples)
    return RowLoss(rows, partial(gsp, kernel=config.kernel, bandwidth=config.bandwidth))


def _gcrd(projectors: Projectors, config: BaselineConfig, align: AlignmentConfig) -> Loss:
    return RowLoss(node_rows(projectors, "baseline_gcrd", config.projection, raw=True, samples=config.samples), gcrd)


def _mugsi_cluster(projectors: Projectors, config: BaselineConfig, align: AlignmentConfig) -> Loss:
    """At node level the clusters of all graphs count as those of one."""
    means = subgraph_rows(projectors, "", None, "cluster", align, raw=True)
    places = Derived("places", projectors.structure.subgraphs("cluster", align).places)

    def within_graphs(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Float[Tensor, ""]:
        index, mask = places(batch)
        return mugsi_clusters(pad(student, index, mask.shape), pad(teacher, index, mask.shape), mask)

    if projectors.level == "node":
        return RowLoss(means, _clusters_of_one_graph)
    return BatchLoss(means, within_graphs, Requires(derived=frozenset({places})), units=each_graph)


def _clusters_of_one_graph(student: Tensor, teacher: Tensor) -> Float[Tensor, ""]:
    mask = torch.ones(1, len(student), dtype=torch.bool, device=student.device)
    return mugsi_clusters(student.unsqueeze(0), teacher.unsqueeze(0), mask)


def _mugsi_path(projectors: Projectors, config: BaselineConfig, align: AlignmentConfig) -> Loss:
    walks_of = Derived("walks", partial(batch_walks, projectors.structure.walks(config.walk_length)))

    def paths(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Float[Tensor, ""]:
        return mugsi_paths(student, teacher, walks_of(batch))

    def walks(student: Tensor, batch: GraphBatch) -> int:
        return len(walks_of(batch))

    return BatchLoss(_raw(projectors), paths, Requires(derived=frozenset({walks_of})), units=walks)


BETWEEN_NODES = {
    "fitnet": _fitnet,
    "at": _at,
    "lsp": _lsp,
    "gsp": _gsp,
    "gcrd": _gcrd,
    "mugsi_cluster": _mugsi_cluster,
    "mugsi_path": _mugsi_path,
}
