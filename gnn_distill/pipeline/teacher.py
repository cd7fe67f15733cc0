"""Stage 1: fit the teacher on the training split and keep its best epoch on validation."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.cpu import products_by_onednn
from gnn_distill.data.loaders import make_loader
from gnn_distill.data.task import GraphTask, TaskSpec
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.task import TaskLoss
from gnn_distill.models import build_teacher
from gnn_distill.models.pretrained import load_pretrained, pretrained
from gnn_distill.pipeline.runtime import Runtime, seed_stage, shapes_repeat
from gnn_distill.pipeline.teacher_plan import TeacherPlan, plan_teacher
from gnn_distill.storage import checkpoint
from gnn_distill.storage.checksums import Damaged, OlderVersion
from gnn_distill.storage.code_hash import NAME, Code, code_of
from gnn_distill.storage.files import set_aside
from gnn_distill.storage.store import Entry
from gnn_distill.training.checkpointer import Checkpointer
from gnn_distill.training.loop import FitResult, fit

if TYPE_CHECKING:
    from gnn_distill.data.encodings.structural import StructuralEncodings

RUNNING = "running.safetensors"
NOT_TEACHERS = ("losses.families", "models.teachers.custom", "models.probe")
"""Code that teachers have nothing to do with: they learn from labels alone. A custom one names its own, and what a
small batch tells of it is known by `behaviour`."""


def train_teacher(
    runtime: Runtime, task: GraphTask, encodings: "StructuralEncodings | None", task_loss: TaskLoss, config: TrainConfig
) -> tuple[nn.Module, Entry]:
    """The selected teacher in eval mode, and its entry in the store (found there or trained now).

    One that comes trained (teacher.checkpoint) is taken as it is.
    """
    plan = plan_teacher(config)
    seed_stage(plan.seed)
    model = plan.build(task.spec)
    runtime.announce("teacher", plan.name, model, task.spec)
    if pretrained(config.teacher):
        load_pretrained(model, config.teacher)

    def make(folder: Path) -> None:
        if pretrained(config.teacher):
            runtime.console.say(f"Its weights are those of {config.teacher.checkpoint}; it is not trained.")
            fitted = FitResult(0, {}, [])
        else:
            fitted = train(runtime, model, task, encodings, task_loss, config, folder / RUNNING)
        checkpoint.save(
            folder / "teacher.safetensors",
            {
                "model": model.state_dict(),
                "config": plan.architecture,
                "best_epoch": fitted.best_epoch,
                "best": fitted.best,
                "history": fitted.history,
            },
        )
        for file in folder.glob(f"{RUNNING}*"):  # also one that was damaged, and set aside
            file.unlink()

    parts, made_with = store_key(task, config), teacher_code(plan).to_key()
    if not pretrained(config.teacher):
        made_with["numerics"] = runtime.numerics
    if not all(name.startswith(f"{NAME}.") for name in plan.modules):
        made_with["behaviour"] = behaviour(model, plan.encoding, task.spec)
    entry = runtime.entry("teachers", parts, made_with, make, f"{plan.name} teacher of {task.spec.name}")
    state = checkpoint.load(entry.path / "teacher.safetensors", verify=False)
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
    encodings: "StructuralEncodings | None",
    task_loss: TaskLoss,
    config: TrainConfig,
    running: Path,
) -> FitResult:
    """Fit the teacher to the labels; `running` keeps its state, from which whoever comes next goes on."""
    plan = plan_teacher(config)
    loader = make_loader(
        task,
        encodings,
        batch_size=plan.batch_size,
        max_pairs=config.trainer.max_pairs,
        seed=plan.seed,
        limit_batches=config.debug.limit_batches,
        batch_nodes=plan.batch_nodes,
        device=runtime.fabric.device,
    )
    checkpointer = Checkpointer(running, runtime.interruption)
    try:
        checkpointer.load()
    except (Damaged, OlderVersion) as error:  # a store mends itself
        runtime.console.notice(f"{error} It is now {set_aside(running).name}.")
    alone = Objective(task_loss, LossConfig(), AlignmentConfig())
    with (
        runtime.console.progress(plan.max_epochs, "teacher") as bar,
        runtime.interruption.held(),
        products_by_onednn(shapes_repeat(task, plan.can)),
    ):
        return fit(
            runtime.fabric,
            model,
            alone,
            loader,
            plan.optim,
            plan.max_epochs,
            config.trainer.patience,
            checkpointer,
            on_epoch=runtime.recorder("teacher", bar),
            on_resume=runtime.replay("teacher"),
            skip_nonfinite=config.trainer.nonfinite == "skip",
        )


def store_key(task: GraphTask, config: TrainConfig) -> dict[str, Any]:
    """What a teacher is: its data, architecture and weights, or, unless it comes trained, its training."""
    plan = plan_teacher(config)
    parts = {"data": task.fingerprint, "teacher": plan.architecture, "checkpoint": plan.checkpoint}
    if pretrained(config.teacher):
        return parts
    return parts | {
        "optim": asdict(plan.optim),
        "epochs": plan.max_epochs,
        "batches": [plan.batch_size, plan.batch_nodes, config.trainer.max_pairs, config.debug.limit_batches],
        "task": asdict(config.task),
        "patience": config.trainer.patience,
        "nonfinite": config.trainer.nonfinite,
        "seed": plan.seed,
    }


def teacher_code(plan: TeacherPlan) -> Code:
    """The code that makes a teacher what it is: its own, the loop's, and that of what it is told about structure."""
    told = ["gnn_distill.data.encodings.structural"] if plan.encoding != EncodingConfig() else []
    return code_of([__name__, *plan.modules, *told], without=NOT_TEACHERS)


@torch.no_grad()
def behaviour(model: nn.Module, encoding: EncodingConfig, spec: TaskSpec) -> str:
    """Hash of what a module of the user's, as it is before training, says of a small batch.

    Its source may reach code in ways that no reading of imports finds.
    """
    from gnn_distill.models.probe import small_batch

    with torch.random.fork_rng([]):
        found = model.eval()(small_batch(encoding, spec))
    model.train()
    digest = hashlib.sha256()
    for values in (found.logits, *found.nodes, found.graph):
        digest.update(values.contiguous().cpu().numpy())
    return digest.hexdigest()[:20]


def untrained_teacher(teacher: TeacherConfig, task: GraphTask, seed: int) -> nn.Module:
    """The same architecture as initialised, before any step: what pure structure gives."""
    seed_stage(seed)
    return build_teacher(teacher, task.spec).eval().requires_grad_(False)
