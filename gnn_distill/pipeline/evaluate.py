"""Stage 4: metrics of the selected models; the only place that reads the test split."""

from typing import TYPE_CHECKING

import torch
from torch import nn

from gnn_distill.config.schema.run import TrainerConfig
from gnn_distill.data.loaders import make_loader
from gnn_distill.data.task import GraphTask
from gnn_distill.losses.task import TaskLoss
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.training.loop import evaluate
from gnn_distill.training.metrics import Metrics

if TYPE_CHECKING:
    from gnn_distill.data.encodings.structural import StructuralEncodings


def evaluate_splits(
    runtime: Runtime,
    model: nn.Module,
    task: GraphTask,
    encodings: "StructuralEncodings | None",
    task_loss: TaskLoss,
    trainer: TrainerConfig,
    mini_batches: bool = False,
) -> dict[str, dict[str, float]]:
    """Metrics by split: train, val and, once and last, test (unless trainer.test is false).

    mini_batches: whether trainer.batch_nodes applies here too, as for a student that gains by it.
    """
    loader = make_loader(
        task,
        encodings,
        batch_size=trainer.batch_size,
        max_pairs=trainer.max_pairs,
        seed=0,
        batch_nodes=trainer.batch_nodes if mini_batches else 0,
        device=runtime.fabric.device,
        shared=True,
    )
    task_loss = task_loss.to(runtime.fabric.device)
    scores = {}
    for split in ["train", "val", *(["test"] if trainer.test else [])]:
        scores[split] = evaluate(model, loader.eval_batches(split), task.spec, task_loss, shared=True)
        del scores[split]["loss"]
    return scores


def constant_scores(task: GraphTask, test: bool = True) -> dict[str, dict[str, float]]:
    """Metrics by split of the best constant prediction: a model that scores below it has learned nothing.

    It comes from the training part: class frequencies, the mean of a target, its median for the MAE.
    """
    spec, y = task.spec, task.graphs.y.double()
    taught = y[task.splits.train]
    if spec.kind == "multiclass":
        answer = torch.bincount(taught[:, 0].nan_to_num(0).long(), minlength=spec.num_outputs).add(1e-9).log()
    elif spec.kind == "regression":
        value = taught.nanmedian(0).values if spec.metric == "mae" else taught.nanmean(0)
        answer = (value - value.new_tensor(spec.target_mean)) / value.new_tensor(spec.target_std)
    else:
        answer = taught.nanmean(0).logit(eps=1e-9)
    scores = {}
    for split in ["train", "val", *(["test"] if test else [])]:
        metrics, labels = Metrics(spec), y[getattr(task.splits, split)]
        metrics.update(answer.nan_to_num(0.0).expand(len(labels), -1), labels)
        scores[split] = metrics.compute()
    return scores
