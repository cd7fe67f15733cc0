"""Stage 1: fit a teacher on the training split and keep its best epoch on validation."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gnn_distill import ranks
from gnn_distill.config.plugins import object_of
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig
from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.task import GraphTask, TaskSpec
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.task import TaskLoss
from gnn_distill.models.layerwise import check_layerwise
from gnn_distill.models.pretrained import load_pretrained, pretrained
from gnn_distill.pipeline.fitting import run_fit
from gnn_distill.pipeline.runtime import Runtime, seed_stage
from gnn_distill.pipeline.teacher_plan import TeacherPlan
from gnn_distill.storage import checkpoint
from gnn_distill.storage.checksums import Damaged, OlderVersion
from gnn_distill.storage.code_hash import NAME, Code, code_of
from gnn_distill.storage.files import set_aside
from gnn_distill.storage.store import Entry
from gnn_distill.training.checkpointer import Checkpointer
from gnn_distill.training.loop import FitResult

if TYPE_CHECKING:
    from gnn_distill.data.encodings.structural import StructuralEncodings

RUNNING = "running.safetensors"
NOT_TEACHERS = ("losses.families", "models.teachers.custom", "models.probe")
"""Code that teachers have nothing to do with: they learn from labels alone. A custom one names its own, and what a
small batch shows of it is known by `behaviour`."""


def train_teacher(
    runtime: Runtime,
    task: GraphTask,
    encodings: "StructuralEncodings | None",
    task_loss: TaskLoss,
    plan: TeacherPlan,
) -> tuple[nn.Module, Entry]:
    """The selected teacher in eval mode, and its entry in the store (found there or trained now).

    One with weights, or outputs, of its own (teacher.checkpoint, teacher.outputs_file) is taken as it is.
    """
    seed_stage(plan.recipe.seed)
    model = plan.build(task.spec)
    if plan.recipe.sampling:
        check_layerwise(model, plan.name)
    runtime.announce(plan.role, plan.name, model, task.spec)
    if pretrained(plan.settings):
        load_pretrained(model, plan.settings)
    if not plan.scored:
        runtime.console.notice("The teacher's outputs for validation and test are incomplete, so it has no scores.")

    def make(folder: Path) -> None:
        if plan.checkpoint:
            runtime.console.say(f"It comes from {origin_of(model, plan.settings)}; it is not trained.")
            fitted, select = FitResult(0, {}, [], ()), "best"
        else:
            select = plan.recipe.select
            fitted = train(runtime, model, task, encodings, task_loss, plan, folder / RUNNING)
        if not ranks.is_first():
            return
        checkpoint.save(
            folder / "teacher.safetensors",
            {
                "model": model.state_dict(),
                "config": plan.architecture,
                "best_epoch": fitted.best_epoch,
                "best": fitted.best,
                "history": fitted.history,
                "selected": {"select": select, "epochs": fitted.selected},
            },
        )
        for file in folder.glob(f"{RUNNING}*"):  # also one that was damaged, and set aside
            file.unlink()

    parts, made_with = store_key(task, plan), teacher_code(plan).to_key()
    if not plan.checkpoint:
        made_with["numerics"] = runtime.numerics
    if plan.settings.target or not all(name.startswith(f"{NAME}.") for name in plan.modules):
        made_with["behaviour"] = behaviour(model, plan, task.spec)
    entry = runtime.entry("teachers", parts, made_with, make, f"{plan.name} teacher of {task.spec.name}", together=True)
    state = checkpoint.load(entry.path / "teacher.safetensors", verify=False)
    model.load_state_dict(state["model"])
    if entry.found:  # a run's record is whole, whoever trained its teacher
        runtime.record(plan.role, *state["history"])
    if ranks.is_first():
        checkpoint.save(runtime.directory.checkpoints / f"{plan.role}.safetensors", state)
    return runtime.fabric.to_device(model.eval().requires_grad_(False)), entry


def origin_of(model: nn.Module, settings: TeacherConfig) -> str:
    """What a teacher that is not trained is taken from: its file, or the class of a module that Python has at hand."""
    if settings.target and getattr(object_of("teacher.target", settings.target), "at_hand", False):
        return type(model.module).__name__
    return settings.checkpoint or settings.outputs_file


def train(
    runtime: Runtime,
    model: nn.Module,
    task: GraphTask,
    encodings: "StructuralEncodings | None",
    task_loss: TaskLoss,
    plan: TeacherPlan,
    running: Path,
) -> FitResult:
    """Fit the teacher to the labels; `running` holds its state, from which whoever needs this teacher next resumes."""
    checkpointer = Checkpointer(running, runtime.interruption)
    try:
        checkpointer.load()
    except (Damaged, OlderVersion) as error:  # a store repairs itself
        aside = ranks.from_first(lambda: set_aside(running).name)
        runtime.console.notice(f"{error} It has been renamed to {aside}.")
    labels_alone = Objective(task_loss, LossConfig(), AlignmentConfig())
    return run_fit(runtime, plan.role, model, labels_alone, task, encodings, plan.recipe, checkpointer)


def store_key(task: GraphTask, plan: TeacherPlan) -> dict[str, Any]:
    """What a teacher is: its data, architecture and weights, or, unless these are given, its training."""
    recipe = plan.recipe
    parts = {"data": task.fingerprint, "teacher": plan.architecture, "checkpoint": plan.checkpoint}
    if plan.checkpoint:
        return parts
    selection = {} if recipe.select == "best" else {"select": [recipe.select, recipe.average_epochs]}
    end = {} if recipe.stop_at is None else {"stop_at": recipe.stop_at}
    sampling = {"sampling": asdict(recipe.sampling)} if recipe.sampling else {}
    return parts | {
        "optim": asdict(recipe.optim),
        "epochs": recipe.max_epochs,
        "batches": [recipe.batch_size, recipe.batch_nodes, recipe.max_pairs, recipe.limit_batches],
        "task": asdict(plan.labels),
        "patience": recipe.patience,
        "nonfinite": recipe.nonfinite,
        "seed": recipe.seed,
        **selection,
        **end,
        **sampling,
    }


def teacher_code(plan: TeacherPlan) -> Code:
    """The code that makes a teacher what it is: its own, the loop's, and that of its encodings and patches."""
    encodings = ["gnn_distill.data.encodings.structural"] if plan.encoding != EncodingConfig() else []
    patches = ["gnn_distill.data.subgraphs.patches"] if plan.patching else []
    return code_of([__name__, *plan.modules, *encodings, *patches], without=NOT_TEACHERS)


@torch.no_grad()
def behaviour(model: nn.Module, plan: TeacherPlan, spec: TaskSpec) -> str:
    """Hash of the outputs of a module of the user's, as it is before training, for a small batch.

    Its source may reach code in ways that no reading of imports finds.
    """
    from gnn_distill.models.probe import small_batch

    with torch.random.fork_rng([]):
        found = model.eval()(small_batch(plan.encoding, spec, plan.patching))
    model.train()
    digest = hashlib.sha256()
    for values in (found.logits, *found.nodes, found.graph):
        digest.update(values.contiguous().cpu().numpy())
    return digest.hexdigest()[:20]


def untrained_teacher(plan: TeacherPlan, spec: TaskSpec) -> nn.Module:
    """The same architecture as initialised, before any step: what pure structure gives."""
    seed_stage(plan.recipe.seed)
    return plan.build(spec).eval().requires_grad_(False)
