"""What stages 1 and 3 share: one fit, with its batches, progress and checkpoints."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from gnn_distill import ranks
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.cpu import products_by_onednn
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.loaders import no_extra
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError
from gnn_distill.formatting import role_label
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.term import TeacherRows
from gnn_distill.models import build_student
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.training.checkpointer import Checkpointer
from gnn_distill.training.loop import FitResult, Recorder, fit
from gnn_distill.training.progress import BarProgress, LineProgress
from gnn_distill.training.recipe import Recipe
from gnn_distill.training.throughput import throughput

if TYPE_CHECKING:
    from gnn_distill.data.encodings.structural import StructuralEncodings


class StageRecorder(Recorder):
    """Takes the epochs of a stage to metrics.csv, to the tracker and to the progress bar."""

    def __init__(self, runtime: Runtime, stage: str, bar: BarProgress | LineProgress) -> None:
        self._runtime, self._stage, self._bar = runtime, stage, bar

    def on_epoch(self, row: dict[str, float]) -> None:
        """Record a row and show it: its first validation metric is the primary one."""
        self._runtime.record(self._stage, row)
        metrics = {key: value for key, value in row.items() if key.startswith("val/")}
        self._bar.update(row["epoch"], row["train/loss"], metrics, row["lr"])

    def on_resume(self, rows: list[dict[str, float]]) -> None:
        """Record the rows of the epochs before the stage was stopped, and no others."""
        if rows:
            self._runtime.console.notice(f"Resuming the {role_label(self._stage)} after epoch {len(rows)}.")
        self._runtime.directory.forget(self._stage)
        self._runtime.record(self._stage, *rows)


def run_fit(
    runtime: Runtime,
    stage: str,
    model: nn.Module,
    objective: Objective,
    task: GraphTask,
    encodings: "StructuralEncodings | None",
    recipe: Recipe,
    checkpointer: Checkpointer,
    teacher_rows: Callable[[GraphBatch], TeacherRows | None] = no_extra,
) -> FitResult:
    """Fit a stage's model to its objective, or resume the fit from `checkpointer`; signals wait for an epoch's end.

    Raises what `fit` and `synchronised` do.
    """
    model = synchronised(model, runtime.fabric.device, stage)
    loader = recipe.loader(task, encodings, runtime.fabric.device)
    with (
        runtime.console.progress(recipe.max_epochs, role_label(stage)) as bar,
        runtime.interruption.held(),
        products_by_onednn(recipe.repeats_shapes),
    ):
        recorder = StageRecorder(runtime, stage, bar)
        result = fit(runtime.fabric, model, objective, loader, recipe, checkpointer, recorder, teacher_rows)
        if stage != "student" or result.steps_per_second is None:
            return result
        _, batch, _ = next(iter(loader.train(recipe.max_epochs + 1)))
        return replace(result, throughput=throughput(runtime.fabric, model, batch, result.steps_per_second))


def check_ranks(task: GraphTask, config: TrainConfig, device: torch.device) -> None:
    """Raise UserError unless there are as many processes as asked for, and they can share the batches of this task.

    Tables and tuning make a run in the process that they have.
    """
    trainer, size = config.trainer, ranks.size()
    if trainer.devices != "auto" and int(trainer.devices) * trainer.num_nodes != size:
        raise UserError(
            f"trainer.devices={trainer.devices}: here a run has {size}. Start it with gnn-distill train, alone or in a "
            "sweep (-m), or set trainer.devices=1."
        )
    if size == 1:
        return
    if not task.split_by_graph:
        raise UserError(
            f"trainer.devices={size}: {task.spec.name} is one graph, all of which every step reads, and "
            "several processes share the graphs of a batch. Set trainer.devices=1."
        )
    if config.student.name != "none":
        synchronised(build_student(config.student, config.encoding, task.spec), device, "student")


def synchronised(model: nn.Module, device: torch.device, stage: str) -> nn.Module:
    """The model; where several processes train it, the statistics of its batch norms are those of all of them.

    Raises:
        UserError: on a CPU, where PyTorch cannot take them together.
    """
    if ranks.size() == 1 or not any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in model.modules()):
        return model
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    role = "student" if stage in ("student", "alone") else "teacher"
    raise UserError(
        f"trainer.devices={ranks.size()}: the {role} has batch norms, whose statistics several processes can take "
        f"together on CUDA devices alone. Set {role}.norm=layer or {role}.norm=none, and choose another {role} if it "
        "has some of its own, as the layers of teacher=gin have; or set trainer.devices=1."
    )
