"""Stage 4: metrics of the selected models; the only place that reads the test split."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gnn_distill.config.capabilities import capabilities_of
from gnn_distill.config.schema.run import TrainConfig, TrainerConfig
from gnn_distill.data.loaders import make_loader
from gnn_distill.data.task import GraphTask
from gnn_distill.losses.task import TaskLoss
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.training.loop import evaluate
from gnn_distill.training.metrics import Metrics
from gnn_distill.training.part_loader import PartLoader, sampling_of

if TYPE_CHECKING:
    from gnn_distill.data.encodings.structural import StructuralEncodings
    from gnn_distill.pipeline.teacher_plan import TeacherPlan

Scores = dict[str, dict[str, float]]
"""Metrics by split."""


def measuring(
    runtime: Runtime,
    task: GraphTask,
    task_loss: TaskLoss,
    config: TrainConfig,
    plan: "TeacherPlan",
    encodings: "Mapping[str, StructuralEncodings | None]",
) -> Callable[..., Scores]:
    """A function (role, model, only="") that measures a model with the settings and encodings of its role."""
    student = capabilities_of(config.student.name)
    can = {"teacher": plan.can, "alone": student, "student": student}
    trainers = {"teacher": plan.recipe.trainer(config.trainer)}

    def measure(role: str, model: nn.Module, only: str = "") -> Scores:
        trainer, mini_batches = trainers.get(role, config.trainer), can[role].mini_batches
        return evaluate_splits(runtime, model, task, encodings[role], task_loss, trainer, mini_batches, only)

    return measure


def evaluate_splits(
    runtime: Runtime,
    model: nn.Module,
    task: GraphTask,
    encodings: "StructuralEncodings | None",
    task_loss: TaskLoss,
    trainer: TrainerConfig,
    mini_batches: bool = False,
    only: str = "",
) -> Scores:
    """Metrics by split: train, val and, once and last, test (unless trainer.test is false); or of the one named `only`.

    mini_batches: whether trainer.batch_nodes applies here too, as for a student that gains by it.
    """
    device = runtime.fabric.device
    if sampling := sampling_of(trainer):
        loader = PartLoader(task, encodings, sampling, seed=0, device=device)
        batches_of = partial(loader.eval_batches, model=model)
    else:
        batches_of = make_loader(
            task,
            encodings,
            batch_size=trainer.batch_size,
            max_pairs=trainer.max_pairs,
            seed=0,
            batch_nodes=trainer.batch_nodes if mini_batches else 0,
            device=device,
            shared=True,
        ).eval_batches
    task_loss = task_loss.to(device)
    scores = {}
    for split in [only] if only else ["train", "val", *(["test"] if trainer.test else [])]:
        scores[split] = evaluate(model, batches_of(split), task.spec, task_loss, shared=True)
        del scores[split]["loss"]
    return scores


def constant_scores(task: GraphTask, test: bool = True) -> Scores:
    """Metrics by split of the best constant prediction: a model that scores below it has learned nothing."""
    answer, scores = constant_answer(task), {}
    for split in ["train", "val", *(["test"] if test else [])]:
        labels = task.graphs.y[getattr(task.splits, split)].double()
        scores[split] = measured(task, answer.expand(len(labels), -1), labels)
    return scores


def constant_answer(task: GraphTask) -> Float[Tensor, " outputs"]:
    """The best constant prediction, as models give it: class frequencies, the mean of a target, its median for the MAE.

    It comes from the training part alone.
    """
    spec, taught = task.spec, task.graphs.y[task.splits.train].double()
    if spec.kind == "multiclass":
        answer = torch.bincount(taught[:, 0].nan_to_num(0).long(), minlength=spec.num_outputs).add(1e-9).log()
    elif spec.kind == "regression":
        value = taught.nanmedian(0).values if spec.metric == "mae" else taught.nanmean(0)
        answer = (value - value.new_tensor(spec.target_mean)) / value.new_tensor(spec.target_std)
    else:
        answer = taught.nanmean(0).logit(eps=1e-9)
    return answer.nan_to_num(0.0)


def measured(
    task: GraphTask, logits: Float[Tensor, "examples outputs"], labels: Float[Tensor, "examples targets"]
) -> dict[str, float]:
    """All metrics of the task's kind, the primary one first."""
    metrics = Metrics(task.spec)
    metrics.update(logits, labels)
    return metrics.compute()
