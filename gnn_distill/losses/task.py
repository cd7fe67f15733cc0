"""The task loss: the error of predictions against the labels."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from gnn_distill.config.schema.data import TaskConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.derived import Derived
from gnn_distill.data.task import GraphTask, TaskSpec
from gnn_distill.errors import UserError
from gnn_distill.losses.prepare import class_index
from gnn_distill.losses.term import Requires
from gnn_distill.losses.whole_batch import whole_mean
from gnn_distill.models.representations import Representations


def supervised_loss(
    kind: str,
    logits: Float[Tensor, "example output"],
    y: Float[Tensor, "example target"],
    pos_weight: Float[Tensor, "output"] | None = None,
    label_smoothing: float = 0.0,
    absolute: bool = False,
) -> Float[Tensor, ""]:
    """Mean over examples (and labels) of cross-entropy, or of squared or absolute error; NaN labels are left out.

    Regression expects standardised targets. Zero, with a zero gradient, where a batch has no label at all.
    """
    if kind == "multiclass":
        if not len(y):
            return logits.sum() * 0.0
        return F.cross_entropy(logits, y[:, 0].long(), label_smoothing=label_smoothing)
    present = ~y.isnan()
    target = y.nan_to_num()
    if kind == "regression":
        error = (logits - target).abs() if absolute else (logits - target).square()
    else:
        smoothed = target * (1 - label_smoothing) + label_smoothing / 2
        error = F.binary_cross_entropy_with_logits(logits, smoothed, pos_weight=pos_weight, reduction="none")
    return (error * present).sum() / present.sum().clamp(min=1)


def balanced_pos_weight(y: Float[Tensor, "example target"]) -> Float[Tensor, "target"]:
    """Negatives over positives of each label; 1 where a label has only one class."""
    positives = (y == 1).sum(dim=0)
    negatives = (y == 0).sum(dim=0)
    return torch.where((positives > 0) & (negatives > 0), negatives / positives.clamp(min=1), 1.0)


class TaskLoss(nn.Module):
    """The loss on the labels of a batch: absolute error where the primary metric is MAE, else squared; standardised."""

    requires = Requires()

    def __init__(
        self,
        spec: TaskSpec,
        pos_weight: Tensor | None = None,
        label_smoothing: float = 0.0,
        split_by_graph: bool | None = None,
    ) -> None:
        super().__init__()
        self.level, self.num_outputs = spec.level, spec.num_outputs
        self.split_by_graph = spec.level == "graph" if split_by_graph is None else split_by_graph
        self.kind, self.absolute, self.label_smoothing = spec.kind, spec.metric == "mae", label_smoothing
        self.register_buffer("mean", torch.tensor(spec.target_mean), persistent=False)
        self.register_buffer("std", torch.tensor(spec.target_std), persistent=False)
        self._moments = torch.tensor([spec.target_mean, spec.target_std], dtype=torch.double)
        self.register_buffer("pos_weight", pos_weight, persistent=False)
        self.class_index = Derived("classes", self._class_index)
        """Finds the `class_index` of a batch's examples."""

    def target(self, y: Float[Tensor, "example target"]) -> Float[Tensor, "example target"]:
        """Labels as the model predicts them: standardised for regression; float64 labels are rounded afterwards."""
        if self.kind != "regression":
            return y
        if y.dtype == torch.double:
            self._moments = self._moments.to(y.device)  # once: a copy in every step would be waited for
            mean, std = self._moments
            return ((y - mean) / std).float()
        return (y - self.mean) / self.std

    def classes(self, y: Float[Tensor, "example target"]) -> Int[Tensor, "example"]:
        """The class of each example; a single class in tasks without classes."""
        return y[:, 0].long() if self.kind in ("binary", "multiclass") else torch.zeros_like(y[:, 0], dtype=torch.long)

    def _class_index(self, batch: GraphBatch) -> tuple[Int[Tensor, "example"], Int[Tensor, "class"]]:
        return class_index(self.classes(batch.examples(batch.y)))

    def known(self, batch: GraphBatch) -> Float[Tensor, "rows target"]:
        """Labels of all rows as the model predicts them; NaN where they are not trained on."""
        y = self.target(batch.y)
        if batch.labelled is None:
            return y
        return torch.full_like(y, torch.nan).index_copy(0, batch.labelled, y[batch.labelled])

    def forward(self, out: Representations, batch: GraphBatch, teacher: object = None) -> Tensor:
        logits, y = batch.examples(out.logits), self.target(batch.examples(batch.y))
        value = supervised_loss(self.kind, logits, y, self.pos_weight, self.label_smoothing, self.absolute)
        return whole_mean(value, (~y.isnan()).sum() if batch.share else 0, batch)


def make_task_loss(task: GraphTask, config: TaskConfig) -> TaskLoss:
    """The task loss that `config` describes; pos_weight=auto counts the training split.

    Raises UserError where the task has no classes to smooth, or no positives to weight.
    """
    spec = task.spec
    if config.label_smoothing and spec.kind == "regression":
        raise UserError(
            f"task.label_smoothing={config.label_smoothing}: {spec.name} is a regression, which has no classes to "
            "smooth. Set task.label_smoothing=0."
        )
    if config.pos_weight == "none":
        return TaskLoss(spec, None, config.label_smoothing, task.split_by_graph)
    if spec.kind not in ("binary", "multilabel"):
        raise UserError(
            f"task.pos_weight={config.pos_weight}: {spec.name} is a {spec.kind} task, and only binary and multi-label "
            "ones have positives. Set task.pos_weight=none."
        )
    if config.pos_weight == "auto":
        weights = balanced_pos_weight(task.graphs.y[task.splits.train])
        return TaskLoss(spec, weights, config.label_smoothing, task.split_by_graph)
    weight = float(config.pos_weight)
    if not (weight > 0 and math.isfinite(weight)):
        raise UserError(f"task.pos_weight={config.pos_weight}: choose none, auto, or a number above 0.")
    weights = torch.full((spec.num_outputs,), weight)
    return TaskLoss(spec, weights, config.label_smoothing, task.split_by_graph)
