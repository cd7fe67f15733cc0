"""Stage 3: fit the student with the objective, with or without a teacher."""

from functools import partial

from torch import nn

from gnn_distill.config.capabilities import capabilities_of, students_who
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.cpu import products_by_onednn
from gnn_distill.data.batching import check_budget
from gnn_distill.data.encodings.structural import StructuralEncodings
from gnn_distill.data.loaders import make_loader, no_extra
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.own import own_losses
from gnn_distill.losses.projectors import StudentShape
from gnn_distill.losses.task import TaskLoss
from gnn_distill.models import build_student
from gnn_distill.models.layers.heads import Output
from gnn_distill.models.reused_head import ReusingStudent
from gnn_distill.pipeline.out_of_memory import fit_within_memory
from gnn_distill.pipeline.runtime import Runtime, seed_stage, shapes_repeat
from gnn_distill.pipeline.subgraphs import StoredStructure, with_distances
from gnn_distill.pipeline.teacher_outputs import TeacherOutputs, visibility
from gnn_distill.training.checkpointer import Checkpointer
from gnn_distill.training.loop import FitResult, fit


def train_student(
    runtime: Runtime,
    task: GraphTask,
    encodings: StructuralEncodings,
    task_loss: TaskLoss,
    signals: TeacherOutputs | None,
    config: TrainConfig,
    teacher: nn.Module | None = None,
) -> tuple[nn.Module, FitResult]:
    """The student of the best epoch; without signals it learns from labels alone, through the same loop.

    `teacher`: whose head it uses again where alignment.reuse_head asks for that.
    """
    student, objective = student_and_objective(runtime, task, task_loss, signals, config, teacher)
    if objective.requires.distances:
        encodings = with_distances(runtime, task, encodings)
    trainer = config.trainer
    checkpointer = Checkpointer(runtime.directory.last, runtime.interruption)

    def attempt(parts: int) -> FitResult:
        loader = make_loader(
            task,
            encodings,
            batch_size=-(-trainer.batch_size // parts),
            max_pairs=trainer.max_pairs // parts,
            seed=config.seed,
            limit_batches=config.debug.limit_batches,
            batch_nodes=trainer.batch_nodes // parts,
            taught=taught_nodes(task, signals, config),
            device=runtime.fabric.device,
        )
        return fit(
            runtime.fabric,
            student,
            objective,
            loader,
            config.optim,
            trainer.max_epochs,
            trainer.patience,
            checkpointer,
            # What no term reads is not gathered.
            teacher_rows=partial(signals.rows, requires=objective.requires) if objective.requires.teacher else no_extra,
            on_epoch=runtime.recorder("student", bar),
            on_resume=runtime.replay("student"),
            log_gradients=config.debug.gradients,
            skip_nonfinite=trainer.nonfinite == "skip",
        )

    halve = trainer.out_of_memory == "halve" and (task.spec.level == "graph" or trainer.batch_nodes > 0)
    with (
        runtime.console.progress(trainer.max_epochs, "student") as bar,
        runtime.interruption.held(),
        products_by_onednn(shapes_repeat(task, capabilities_of(config.student.name))),
    ):
        return student, fit_within_memory(attempt, checkpointer, halve, runtime.console)


def student_and_objective(
    runtime: Runtime,
    task: GraphTask,
    task_loss: TaskLoss,
    signals: TeacherOutputs | None,
    config: TrainConfig,
    teacher: nn.Module | None = None,
) -> tuple[nn.Module, Objective]:
    """A fresh student and what it is to minimise."""
    seed_stage(config.seed)
    student = build_student(config.student, config.encoding, task.spec)
    shape = signals.shape() if signals else None
    if signals and config.alignment.reuse_head:
        kind = config.alignment.projection
        student = ReusingStudent(student, head_of(teacher, config), shape.nodes[shape.num_layers], kind)
    runtime.announce("student", config.student.name, student, task.spec)
    widths = StudentShape(student.state_channels, student.graph_channels)
    structure = StoredStructure(runtime, task, taught_nodes(task, signals, config))
    return student, Objective(task_loss, config.loss, config.alignment, shape, widths, structure)


def taught_nodes(task: GraphTask, signals: TeacherOutputs | None, config: TrainConfig) -> str:
    """Whose nodes the student sees: without a teacher there is nothing to learn from nodes without labels."""
    return visibility(task, config.signals.on) if signals else "train"


def head_of(teacher: nn.Module, config: TrainConfig) -> Output:
    """The teacher's readout and head. Raises UserError where it has none that reads node states."""
    output = getattr(teacher, "output", None)
    if not isinstance(output, Output):
        raise UserError(
            f"alignment.reuse_head=true: teacher={config.teacher.name} has no head of this package's, `output`, that "
            "could be used again. Set alignment.reuse_head=false, or choose another teacher."
        )
    return output


def check_student(task: GraphTask, config: TrainConfig) -> None:
    """Raise UserError unless the student can be built, its largest batch fits the budget, and it can be taught."""
    if config.student.name == "none":
        return
    if config.teacher.name != "none":
        own_losses(config.loss, task.spec.level)
    align = config.alignment
    if align.weights.subgraph and align.source == "fragment" and config.teacher.name != "none":
        from gnn_distill.data.subgraphs.fragments import check_molecules  # RDKit is slow to import

        check_molecules(task.spec)
    build_student(config.student, config.encoding, task.spec)
    sizes, most = task.graphs.num_nodes, config.trainer.max_pairs
    if task.spec.level == "graph":
        check_budget(sizes, most, called=task.called)
    elif capabilities_of(config.student.name).dense_pairs:
        otherwise = f"choose a student that never forms all pairs: {students_who(dense_pairs=False)}"
        if "." in config.student.name:
            otherwise += ", or, if yours does not, declare dense_pairs=False in its module"
        check_budget(sizes, most, otherwise, task.called)
