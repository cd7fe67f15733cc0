"""What stages 1 and 3 share: one fit, with its batches, progress and checkpoints."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import nn

from gnn_distill.cpu import products_by_onednn
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.loaders import no_extra
from gnn_distill.data.task import GraphTask
from gnn_distill.formatting import role_label
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.term import TeacherRows
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.training.checkpointer import Checkpointer
from gnn_distill.training.loop import FitResult, Recorder, fit
from gnn_distill.training.progress import BarProgress, LineProgress
from gnn_distill.training.recipe import Recipe

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
        for row in rows:
            self._runtime.record(self._stage, row)


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

    Raises what `fit` does.
    """
    loader = recipe.loader(task, encodings, runtime.fabric.device)
    with (
        runtime.console.progress(recipe.max_epochs, role_label(stage)) as bar,
        runtime.interruption.held(),
        products_by_onednn(recipe.repeats_shapes),
    ):
        recorder = StageRecorder(runtime, stage, bar)
        return fit(runtime.fabric, model, objective, loader, recipe, checkpointer, recorder, teacher_rows)
