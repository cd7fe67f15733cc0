"""Soft targets as a term."""

from collections.abc import Iterator

from torch import Tensor

from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.projectors import Projectors, TeacherRows, Term
from gnn_distill.losses.soft_targets import soft_binary, soft_classes, soft_regression
from gnn_distill.losses.task import TaskLoss
from gnn_distill.models.representations import Representations


def soft_terms(projectors: Projectors, task_loss: TaskLoss, loss: LossConfig, align: AlignmentConfig) -> Iterator[Term]:
    """`soft`: the form that suits the kind of task."""
    soft = loss.soft

    def term(out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Tensor:
        if task_loss.kind == "multiclass":
            return soft_classes(out.logits, teacher.logits, soft.temperature)
        if task_loss.kind == "regression":
            return soft_regression(out.logits, teacher.logits, task_loss.known(batch) if soft.bounded else None)
        counted = ~task_loss.known(batch).isnan() if soft.mask_missing else None
        return soft_binary(out.logits, teacher.logits, soft.temperature, counted)

    if loss.weights.soft:
        projectors.reads.logits = True
        yield Term("soft", loss.weights.soft, loss.schedule.soft, term)
