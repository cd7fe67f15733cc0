"""Micro terms: local neighbourhoods."""

from collections.abc import Iterator

from torch import Tensor

from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.micro import edge_difference, neighbourhood_relation
from gnn_distill.losses.projectors import Projectors, TeacherRows, Term
from gnn_distill.losses.rows import node_rows
from gnn_distill.losses.task import TaskLoss
from gnn_distill.losses.terms.attention import attention_loss
from gnn_distill.models.representations import Representations


def micro_terms(
    projectors: Projectors, task_loss: TaskLoss, loss: LossConfig, align: AlignmentConfig
) -> Iterator[Term]:
    """`micro_relation`, `micro_attention` and `micro_edge`."""
    micro, ramp = loss.micro, loss.schedule.micro
    if weight := loss.weights.micro * micro.relation:
        likeness = node_rows(projectors, "micro_relation", micro.projection)

        def relation(out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Tensor:
            return neighbourhood_relation(*likeness(out, batch, teacher), batch.row_edges, micro.temperature)

        yield Term("micro_relation", weight, ramp, relation)
    if weight := loss.weights.micro * micro.attention:
        yield Term("micro_attention", weight, ramp, attention_loss(projectors, micro))
    if weight := loss.weights.micro * micro.edge:
        states = node_rows(projectors, "micro_edge", micro.projection)

        def edge(out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Tensor:
            return edge_difference(*states(out, batch, teacher), batch.row_edges)

        yield Term("micro_edge", weight, ramp, edge)
