"""Micro terms: local neighbourhoods."""

from collections.abc import Iterator

from torch import Tensor

from gnn_distill.data.batching import StructureBatch
from gnn_distill.losses.bridge import Bridge, TeacherRows, Term
from gnn_distill.losses.labels import Labels
from gnn_distill.losses.micro import neighbourhood_relation
from gnn_distill.models.representations import Representations
from gnn_distill.schema.objective import AlignmentConfig, LossConfig


def micro_terms(bridge: Bridge, labels: Labels, loss: LossConfig, align: AlignmentConfig) -> Iterator[Term]:
    """`micro_relation`: similarity over each node's neighbours."""
    micro = loss.micro
    if weight := loss.weights.micro * micro.relation:
        target = bridge.nodes(bridge.last)
        project = bridge.project("micro_relation", micro.projection, bridge.student.states[-1], target)

        def relation(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> Tensor:
            return neighbourhood_relation(
                project(out.nodes[-1]), target.read(teacher), batch.row_edges, micro.temperature
            )

        yield Term("micro_relation", weight, loss.schedule.micro, relation)
