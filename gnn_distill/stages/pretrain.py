"""Stage 1: fit the teacher on the training split and keep its best epoch on validation."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from gnn_distill import checkpoint
from gnn_distill.data.feed import make_feed
from gnn_distill.data.structure import StructuralEncodings
from gnn_distill.data.task import GraphTask
from gnn_distill.extensions import file_of
from gnn_distill.losses.labels import Labels
from gnn_distill.losses.objective import Objective
from gnn_distill.models import TEACHERS, build_teacher
from gnn_distill.models.gnn import teacher_encoding
from gnn_distill.models.pretrained import files_of, load_pretrained, pretrained
from gnn_distill.schema.encoding import EncodingConfig
from gnn_distill.schema.objective import AlignmentConfig, LossConfig
from gnn_distill.schema.run import TrainConfig
from gnn_distill.schema.teacher import TeacherConfig
from gnn_distill.stages import encode
from gnn_distill.stages.runtime import Runtime, seed_stage
from gnn_distill.store import Entry, code_version
from gnn_distill.training import Fitted, fit

# Its code, and that of the loop; the data themselves are known by their fingerprint.
CODE = (
    *("data/batching.py", "data/feed.py", "data/packed.py"),
    *("losses/labels.py", "losses/objective.py", "losses/schedule.py", "losses/task.py", "metrics.py"),
    *("models/encoders.py", "models/gnn.py", "models/heads.py", "models/representations.py"),
    *("stages/pretrain.py", "training.py"),
)


def pretrain(
    runtime: Runtime, task: GraphTask, encodings: StructuralEncodings | None, labels: Labels, config: TrainConfig
) -> tuple[nn.Module, Entry]:
    """The selected teacher in eval mode, and its entry in the store (found there or trained now).

    One that comes trained (teacher.checkpoint) is taken as it is.
    """
    seed_stage(config.seed)
    model = build_teacher(config.teacher, task.spec)
    runtime.introduce("teacher", config.teacher.name, model, task.spec)

    def make(folder: Path) -> None:
        if pretrained(config.teacher):
            load_pretrained(model, config.teacher)
            runtime.console.say(f"Its weights are those of {config.teacher.checkpoint}; it is not trained.")
            fitted, history = Fitted(0, {}, 0), []
        else:
            fitted, history = train(runtime, model, task, encodings, labels, config)
        checkpoint.save(
            folder / "teacher.safetensors",
            {
                "model": model.state_dict(),
                "config": architecture(config.teacher),
                "best_epoch": fitted.best_epoch,
                "best": fitted.best,
                "history": history,
            },
        )

    entry = runtime.store.get("teachers", what_determines(runtime, task, config), make)
    state = checkpoint.load(entry.path / "teacher.safetensors")
    model.load_state_dict(state["model"])
    if entry.found:  # a run's record is whole, whoever trained its teacher
        for row in state["history"]:
            runtime.record("teacher", row)
    checkpoint.save(runtime.directory.checkpoints / "teacher.safetensors", state)
    return runtime.fabric.to_device(model.eval().requires_grad_(False)), entry


def train(
    runtime: Runtime,
    model: nn.Module,
    task: GraphTask,
    encodings: StructuralEncodings | None,
    labels: Labels,
    config: TrainConfig,
) -> tuple[Fitted, list[dict[str, float]]]:
    """Fit the teacher to the labels; also every epoch's row."""
    feed = make_feed(
        task,
        encodings,
        batch_size=config.pretrain.batch_size,
        max_pairs=config.trainer.max_pairs,
        seed=config.seed,
        limit_batches=config.debug.limit_batches,
        device=runtime.fabric.device,
    )
    alone = Objective(labels, LossConfig(), AlignmentConfig())
    epochs = epochs_of(config)
    history: list[dict[str, float]] = []
    with runtime.console.progress(epochs, "teacher") as bar:
        show = runtime.recorder("teacher", bar)

        def on_epoch(row: dict[str, float]) -> None:
            history.append(row)
            show(row)

        patience = config.trainer.patience
        fitted = fit(runtime.fabric, model, alone, feed, config.pretrain.optim, epochs, patience, on_epoch=on_epoch)
    return fitted, history


def what_determines(runtime: Runtime, task: GraphTask, config: TrainConfig) -> dict[str, Any]:
    """The key of a teacher: its data, architecture, files and code, and, unless it comes trained, its training."""
    parts = {
        "data": task.fingerprint,
        "teacher": architecture(config.teacher),
        "files": files_of(config.teacher),
        "code": code_version(*CODE, file_of("teacher.name", config.teacher.name, TEACHERS)),
    }
    if pretrained(config.teacher):
        return parts
    return parts | {
        "pretrain": {**asdict(config.pretrain), "max_epochs": epochs_of(config)},
        "task": asdict(config.task),
        "batches": [config.trainer.max_pairs, config.debug.limit_batches],
        "patience": config.trainer.patience,
        "seed": config.seed,
        "numerics": runtime.numerics,
        "encodings": code_version(*encode.CODE) if teacher_encoding(config.teacher) != EncodingConfig() else None,
    }


def architecture(teacher: TeacherConfig) -> dict[str, Any]:
    """The keys that say what a teacher is, not what is done with it."""
    return {key: value for key, value in asdict(teacher).items() if key != "control"}


def epochs_of(config: TrainConfig) -> int:
    """Epochs of the teacher at most."""
    return min(config.pretrain.max_epochs, config.trainer.max_epochs)


def untrained_teacher(teacher: TeacherConfig, task: GraphTask, seed: int) -> nn.Module:
    """The same architecture as initialised, before any step: what pure structure gives."""
    seed_stage(seed)
    return build_teacher(teacher, task.spec).eval().requires_grad_(False)
