"""Soft targets: the student matches the teacher's outputs (Hinton et al. 2015)."""

from collections.abc import Iterator
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig
from gnn_distill.cpu import Linear
from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.projectors import Projectors
from gnn_distill.losses.rows import BatchLoss, LogitRows, Sides
from gnn_distill.losses.term import MeanLoss, Requires, TeacherRows, Term
from gnn_distill.models.layers.heads import readout
from gnn_distill.models.representations import Representations

Logits = Float[Tensor, "example output"]


def soft_classes(student: Logits, teacher: Logits, temperature: float) -> Float[Tensor, ""]:
    """τ²·mean over examples of KL(softmax(z_T/τ) ‖ softmax(z_S/τ))."""
    p = F.log_softmax(teacher.detach() / temperature, dim=-1)
    q = F.log_softmax(student / temperature, dim=-1)
    return temperature**2 * (p.exp() * (p - q)).sum(dim=-1).mean()


def soft_binary(
    student: Logits, teacher: Logits, temperature: float, counted: Bool[Tensor, "example output"] | None = None
) -> Float[Tensor, ""]:
    """τ²·mean over (example, label) of KL(σ(z_T/τ) ‖ σ(z_S/τ)), for one or many binary labels.

    `counted` leaves labels out; by default missing labels are taught too.
    """
    z_t, z_s = teacher.detach() / temperature, student / temperature
    p = z_t.sigmoid()
    kl = p * (F.logsigmoid(z_t) - F.logsigmoid(z_s)) + (1 - p) * (F.logsigmoid(-z_t) - F.logsigmoid(-z_s))
    if counted is None:
        return temperature**2 * kl.mean()
    return temperature**2 * (kl * counted).sum() / counted.sum().clamp(min=1)


def soft_regression(student: Logits, teacher: Logits, y: Logits | None = None) -> Float[Tensor, ""]:
    """Mean smooth-L1 distance to the teacher's standardised prediction.

    With labels `y` it counts only where the student's error exceeds the teacher's; where the label is missing the
    teacher always counts. This project's own, after the bounded loss of Chen et al. (2017), which in the same place
    draws the student to the label.
    """
    teacher = teacher.detach()
    distance = F.smooth_l1_loss(student, teacher, reduction="none")
    if y is not None:
        worse = (student - y).abs() > (teacher - y).abs()
        distance = distance * (worse | y.isnan())
    return distance.mean()


@dataclass(frozen=True)
class ExitRows:
    """Predictions of an exit, a linear map of the student's node states after a layer, and the teacher's.

    At graph level it reads their mean over each graph.
    """

    layer: int
    """Counted from 1."""
    predict: nn.Module
    channels: int
    """How many of the student's channels are read, the first ones."""
    pooled: bool
    requires = Requires(logits=True)

    def __call__(self, out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Sides:
        states = out.nodes[self.layer - 1][:, : self.channels]
        if self.pooled:
            states = readout("mean", states, batch.batch, batch.num_graphs)
        return self.predict(states), teacher.logits


def soft_terms(projectors: Projectors, loss: LossConfig, align: AlignmentConfig) -> Iterator[Term]:
    """`soft`: the form that suits the kind of task; `soft_exits`: the same of the student's layers but the last."""
    task, soft = projectors.task_loss, loss.soft

    def soft_targets(student: Logits, teacher: Logits, batch: GraphBatch) -> Float[Tensor, ""]:
        if task.kind == "multiclass":
            return soft_classes(student, teacher, soft.temperature)
        if task.kind == "regression":
            return soft_regression(student, teacher, task.known(batch) if soft.bounded else None)
        counted = ~task.known(batch).isnan() if soft.mask_missing else None
        return soft_binary(student, teacher, soft.temperature, counted)

    def taught(student: Logits, batch: GraphBatch) -> int | Tensor:
        masked = task.kind == "binary" or task.kind == "multilabel"
        return (~task.known(batch).isnan()).sum() if masked and soft.mask_missing else len(student)

    if weight := loss.weights.soft:
        yield Term("soft", weight, loss.schedule.soft, BatchLoss(LogitRows(), soft_targets, units=taught))
    if weight := loss.weights.soft * soft.exits:
        exits = [_exit(projectors, layer) for layer in range(1, len(projectors.student.states))]
        losses = [BatchLoss(rows, soft_targets, units=taught) for rows in exits]
        yield Term("soft_exits", weight, loss.schedule.soft, MeanLoss(losses))


def _exit(projectors: Projectors, layer: int) -> ExitRows:
    """After a layer, counted from 1; its map is learned and is no part of the student."""
    channels = projectors.student.states[layer - 1]
    predict = projectors.hold(f"soft_exit{layer}", Linear(channels, projectors.task_loss.num_outputs))
    return ExitRows(layer, predict, channels, projectors.level == "graph")
