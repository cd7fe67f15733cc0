"""Stage 3: fit the student with the objective, with or without a teacher."""

from dataclasses import replace
from functools import partial

from torch import nn

from gnn_distill import ranks
from gnn_distill.config.capabilities import capabilities_of, students_who
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.data.budget import check_budget
from gnn_distill.data.encodings.structural import StructuralEncodings
from gnn_distill.data.loaders import no_extra
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError, refuse
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.own import own_losses
from gnn_distill.losses.projectors import StudentShape
from gnn_distill.losses.task import TaskLoss
from gnn_distill.models import build_student, compile_for_all_shapes
from gnn_distill.models.layers.heads import Output
from gnn_distill.models.reused_head import ReusingStudent
from gnn_distill.pipeline.fitting import run_fit
from gnn_distill.pipeline.kept_outputs import TeacherOutputs
from gnn_distill.pipeline.out_of_memory import fit_within_memory
from gnn_distill.pipeline.runtime import Runtime, seed_stage
from gnn_distill.pipeline.subgraphs import NoStructure, StoredStructure, with_distances
from gnn_distill.training.checkpointer import Checkpointer
from gnn_distill.training.loop import FitResult
from gnn_distill.training.recipe import student_recipe


def train_student(
    runtime: Runtime,
    task: GraphTask,
    encodings: StructuralEncodings,
    task_loss: TaskLoss,
    outputs: TeacherOutputs | None,
    config: TrainConfig,
    teacher: nn.Module | None = None,
    role: str = "student",
) -> tuple[nn.Module, FitResult]:
    """The student of the best epoch; without `outputs` of a teacher it learns from labels alone, by the same loop.

    teacher: whose head it uses again where alignment.reuse_head asks for that; role: what its epochs are recorded as.
    """
    student, objective = student_and_objective(runtime, task, task_loss, outputs, config, teacher, role)
    if role == "student":
        announce_objective(runtime, objective, config)
    if objective.requires.distances:
        encodings = with_distances(runtime, task, encodings)
    # What no term requires is not gathered.
    rows = partial(outputs.rows, requires=objective.requires) if objective.requires.teacher else no_extra
    if config.trainer.compile:
        compile_for_all_shapes(student, whole="." not in config.student.name)
    recipe = replace(student_recipe(config, task), taught=taught_nodes(outputs), log_gradients=config.debug.gradients)
    path = runtime.directory.last if role == "student" else runtime.directory.checkpoints / f"{role}.safetensors"
    checkpointer = Checkpointer(path, runtime.interruption)

    def attempt(parts: int) -> FitResult:
        smaller = recipe.split(parts)
        return run_fit(runtime, role, student, objective, task, encodings, smaller, checkpointer, rows)

    in_parts = task.split_by_graph or recipe.batch_nodes > 0 or recipe.sampling is not None
    halve = config.trainer.out_of_memory == "halve" and in_parts
    halve = halve and ranks.size() == 1  # one process would run out alone
    return student, fit_within_memory(attempt, checkpointer, halve, runtime.console)


def student_and_objective(
    runtime: Runtime,
    task: GraphTask,
    task_loss: TaskLoss,
    outputs: TeacherOutputs | None,
    config: TrainConfig,
    teacher: nn.Module | None = None,
    role: str = "student",
) -> tuple[nn.Module, Objective]:
    """A fresh student and the objective that it minimises."""
    seed_stage(config.seed)
    student = build_student(config.student, config.encoding, task.spec)
    shape = outputs.shape() if outputs else None
    if outputs and config.alignment.reuse_head:
        kind = config.alignment.projection
        student = ReusingStudent(student, head_of(teacher, config.teacher.name), shape.nodes[shape.num_layers], kind)
    runtime.announce(role, config.student.name, student, task.spec)
    widths = StudentShape.of(student, config.alignment.channels)
    structure = StoredStructure(runtime, task, taught_nodes(outputs))
    if config.trainer.sampler != "full":
        structure = NoStructure(config.trainer.sampler)
    further = [other.shape() for other in outputs.further] if outputs else []
    return student, Objective(task_loss, config.loss, config.alignment, shape, widths, structure, further)


def announce_objective(runtime: Runtime, objective: Objective, config: TrainConfig) -> None:
    """Say and keep what the student is asked for: which depends on the data, the teacher and the student chosen."""
    terms = " + ".join(f"{weight:g} {name}" for name, weight in objective.weights.items())
    chosen = f"loss={config.loss.name} alignment={config.alignment.name}"
    runtime.console.say(f"objective: {terms}" + (f" ({chosen})" if objective.projectors else ""))
    runtime.directory.remember(objective=objective.weights)


def untaught(config: TrainConfig) -> TrainConfig:
    """The settings of the same student alone: labels count 1 where a taught one does without them, as by loss=simkd."""
    weights = replace(config.loss.weights, task=config.loss.weights.task or 1.0)
    return replace(config, loss=replace(config.loss, weights=weights))


def taught_nodes(outputs: TeacherOutputs | None) -> str:
    """What the student is taught: without a teacher there is nothing to learn from graphs or nodes without labels."""
    return outputs.visible if outputs else "train"


def head_of(teacher: nn.Module, name: str) -> Output:
    """The teacher's readout and head. Raises UserError where it has none of this package's."""
    output = getattr(teacher, "output", None)
    if not isinstance(output, Output):
        raise UserError(
            f"alignment.reuse_head=true: teacher={name} has no head of this package's, `output`, that "
            "could be used again. Set alignment.reuse_head=false, or choose another teacher."
        )
    return output


def check_student(task: GraphTask, config: TrainConfig) -> None:
    """Raise UserError unless the student can be built, its largest batch fits the budget, and its losses exist."""
    if config.student.name == "none":
        return
    align, has_teacher = config.alignment, config.teacher.name != "none"
    if has_teacher:
        own_losses(config.loss, task.spec.level)
    reads_subgraphs = align.weights.subgraph or config.signals.give == "subgraphs"
    if has_teacher and reads_subgraphs and align.source == "fragment":
        from gnn_distill.data.subgraphs.fragments import check_molecules  # RDKit is slow to import

        check_molecules(task.spec)
    can = capabilities_of(config.student.name)
    if task.spec.level == "node" and not can.node_states:
        raise refuse(
            "student.name",
            config.student.name,
            f"it has no states of nodes, whose labels {task.spec.name} has. Choose {students_who(node_states=True)}.",
        )
    if task.spec.level == "node" and has_teacher and align.weights.subgraph and align.source == "patch":
        raise refuse(
            "alignment.source", "patch", "patches are taught at graph level alone. Choose ego, walk or cluster."
        )
    if can.reads_patches and config.student.patches == "brics":
        from gnn_distill.data.subgraphs.fragments import check_molecules

        check_molecules(task.spec, "student.patches=brics", "louvain or bisection")
    build_student(config.student, config.encoding, task.spec)
    sizes, most = task.graphs.num_nodes, config.trainer.max_pairs
    if config.trainer.sampler in ("random", "cluster") and not task.split_by_graph:
        sizes = -(-sizes // config.trainer.parts)
    if task.split_by_graph:
        check_budget(sizes, most, called=task.called)
    elif can.dense_pairs:
        otherwise = f"choose a student that never forms all pairs: {students_who(dense_pairs=False, node_states=True)}"
        if "." in config.student.name:
            otherwise += ", or, if yours does not, declare dense_pairs=False in its module"
        check_budget(sizes, most, otherwise, task.called)
