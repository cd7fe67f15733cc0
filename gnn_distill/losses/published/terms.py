"""Published losses as terms: on the teacher's raw states, and on the student's own where its width does not matter."""

from collections.abc import Callable, Iterator

from torch import Tensor

from gnn_distill.config.schema.objective import AlignmentConfig, BaselineConfig, LossConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.subgraphs.subgraphs import batch_walks
from gnn_distill.losses.alignment import align_mse
from gnn_distill.losses.graph_lookups import LastValue
from gnn_distill.losses.macro import graph_relation_pkt
from gnn_distill.losses.prepare import pad
from gnn_distill.losses.projectors import Projectors, TeacherRows, Term
from gnn_distill.losses.published.states import (
    attention_transfer,
    crd,
    gcrd,
    mugsi_graph,
    rkd_angle,
    rkd_distance,
    similarity_preserving,
)
from gnn_distill.losses.published.structure import gsp, lsp, mugsi_clusters, mugsi_paths
from gnn_distill.losses.rows import Rows, graph_rows, node_rows, pooled, predicting_rows
from gnn_distill.losses.task import TaskLoss
from gnn_distill.models.representations import Representations

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


def baseline_terms(
    projectors: Projectors, task_loss: TaskLoss, loss: LossConfig, align: AlignmentConfig
) -> Iterator[Term]:
    """`baseline_<name>` of every published loss whose weight is not 0."""
    config, ramp = loss.baseline, loss.schedule.baseline
    for name in BETWEEN_GRAPHS:
        if weight := getattr(config, name):
            yield Term(f"baseline_{name}", weight, ramp, _between_graphs(name, projectors, task_loss, config, align))
    for name, make in BETWEEN_NODES.items():
        if weight := getattr(config, name):
            yield Term(f"baseline_{name}", weight, ramp, make(projectors, config, align))


def _between_graphs(
    name: str, projectors: Projectors, task_loss: TaskLoss, config: BaselineConfig, align: AlignmentConfig
) -> Callable:
    """At node level between drawn nodes; MuGSI's between prototypes of the classes."""
    loss = BETWEEN_GRAPHS[name]
    kind = config.projection if name in PROJECTED else None
    samples = config.rkd_samples if name.startswith("rkd") else config.samples
    among = "classes" if name == "mugsi_graph" else "nodes"
    rows = graph_rows(projectors, task_loss, f"baseline_{name}", kind, align, among, raw=True, samples=samples)
    return lambda *batch: loss(*rows(*batch))


def _raw(projectors: Projectors, samples: int = 0) -> Rows:
    """Both sides' last node states as they are."""
    return node_rows(projectors, "", None, raw=True, samples=samples)


def _fitnet(projectors: Projectors, config: BaselineConfig, align: AlignmentConfig) -> Callable:
    """Of a student that predicts by its teacher's head, the states that it hands to that head."""
    if align.reuse_head:
        rows = predicting_rows(projectors, raw=True)
    else:
        rows = node_rows(projectors, "baseline_fitnet", config.projection, raw=True)
    return lambda *batch: align_mse(*rows(*batch))


def _at(projectors: Projectors, config: BaselineConfig, align: AlignmentConfig) -> Callable:
    rows = _raw(projectors)

    def at(out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Tensor:
        return attention_transfer(*rows(out, batch, teacher), batch.wanted(batch.batch), batch.num_graphs)

    return at


def _lsp(projectors: Projectors, config: BaselineConfig, align: AlignmentConfig) -> Callable:
    rows = _raw(projectors)

    def local(out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Tensor:
        return lsp(*rows(out, batch, teacher), batch.row_edges, config.kernel, config.bandwidth)

    return local


def _gsp(projectors: Projectors, config: BaselineConfig, align: AlignmentConfig) -> Callable:
    """Of all nodes where the kernel is cosine, which takes no pairs."""
    rows = _raw(projectors, 0 if config.kernel == "cosine" else config.samples)
    return lambda *batch: gsp(*rows(*batch), config.kernel, config.bandwidth)


def _gcrd(projectors: Projectors, config: BaselineConfig, align: AlignmentConfig) -> Callable:
    rows = node_rows(projectors, "baseline_gcrd", config.projection, raw=True, samples=config.samples)
    return lambda *batch: gcrd(*rows(*batch))


def _mugsi_cluster(projectors: Projectors, config: BaselineConfig, align: AlignmentConfig) -> Callable:
    """At node level the clusters of all graphs are those of one."""
    means = pooled(_raw(projectors), projectors.operator("cluster", align))
    places = LastValue(projectors.structure.subgraphs("cluster", align).places)

    def clusters(out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Tensor:
        sides = means(out, batch, teacher)
        if projectors.level == "node":
            mask = sides[0].new_ones(1, len(sides[0])).bool()
            return mugsi_clusters(*(side.unsqueeze(0) for side in sides), mask)
        index, mask = places(batch)
        return mugsi_clusters(*(pad(side, index, mask) for side in sides), mask)

    return clusters


def _mugsi_path(projectors: Projectors, config: BaselineConfig, align: AlignmentConfig) -> Callable:
    rows, walks = _raw(projectors), projectors.structure.walks(config.walk_length)
    here = LastValue(lambda batch: batch_walks(walks, batch))
    return lambda out, batch, teacher: mugsi_paths(*rows(out, batch, teacher), here(batch))


BETWEEN_NODES = {
    "fitnet": _fitnet,
    "at": _at,
    "lsp": _lsp,
    "gsp": _gsp,
    "gcrd": _gcrd,
    "mugsi_cluster": _mugsi_cluster,
    "mugsi_path": _mugsi_path,
}
