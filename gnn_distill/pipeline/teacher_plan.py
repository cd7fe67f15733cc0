"""What the teachers of a run are: GNNs with a recipe of their own, or twins of the student."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from typing import Any

from torch import nn

from gnn_distill.config.capabilities import Capabilities, capabilities_of
from gnn_distill.config.naming import teacher_roles
from gnn_distill.config.plugins import full_name
from gnn_distill.config.schema.data import TaskConfig
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.objective import AlignmentConfig
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.subgraphs.patching import Patching, patching_of
from gnn_distill.data.task import GraphTask, TaskSpec
from gnn_distill.errors import UserError
from gnn_distill.models import build_student, build_teacher
from gnn_distill.models.gnn_backbone import teacher_encoding
from gnn_distill.models.known_outputs import check_known_outputs, read_known_outputs
from gnn_distill.models.pretrained import checkpoint_hash
from gnn_distill.training.part_loader import sampling_of
from gnn_distill.training.recipe import Recipe, shapes_repeat, student_recipe

SEED_STEP = 1_000_003
"""Between the seeds of teachers that differ in nothing else: far from the seeds of a run's repetitions, 0, 1, 2, …"""
OWN_RECIPE = ("max_pairs", "patience", "nonfinite")
"""Keys of `pretrain` that are null where the teacher shares the student's."""
ELSEWHERE = ("control", "checkpoint", "outputs_file", "ensemble", "also")
"""Keys of a teacher that say what is done with it or how many there are, or name a file, known by its content."""
GNN_CAPABILITIES = Capabilities(dense_pairs=False, attends_pairs=False, reads_bias=False, has_token=False)


@dataclass(frozen=True)
class OutputsPlan:
    """Which of a teacher's outputs are kept."""

    visible: str
    """What the student is taught: examples with a training label (train), all that training sees (all), or, at graph
    level, those of validation and test, too (transductive)."""
    layers: str
    """Whose node states: those of all layers, of the last, or of none."""
    attention: bool
    """Whether the attention of a GAT."""
    dtype: str
    """Of node states, and of means over subgraphs."""
    graph: bool = True
    """Whether graph states."""
    subgraphs: AlignmentConfig | None = None
    """Over which subgraphs means of the last layer's node states are kept; None: none are."""


@dataclass(frozen=True)
class TeacherPlan:
    """How a teacher is built and trained, and what is kept of it."""

    role: str
    """teacher, or of further ones teacher_2, teacher_3, …: how files and messages of the run call it."""
    settings: TeacherConfig
    """teacher.*: of a twin's those of the GNN whose place it takes, and `control`."""
    name: str
    build: Callable[[TaskSpec], nn.Module]
    architecture: dict[str, Any]
    """The keys that say what it is, not what is done with it."""
    encoding: EncodingConfig
    """Its structural encodings."""
    patching: Patching | None
    """How its graphs are cut into patches; None: it reads none."""
    recipe: Recipe
    labels: TaskConfig
    """How labels become its loss."""
    checkpoint: str | None
    """Hash of the file of its weights, or outputs, where it is not trained here."""
    modules: tuple[str, ...]
    """Full names of the modules that define it, this package's or the user's."""
    can: Capabilities
    """Those that a twin's module declares; a GNN seldom sees two batches of one shape."""
    outputs: OutputsPlan
    scored: bool = True
    """Whether its outputs are known for all graphs of validation and test."""


def plan_teachers(config: TrainConfig, task: GraphTask) -> list[TeacherPlan]:
    """The teachers that teacher.* and pretrain.* define; of the student's twins, student.*, optim.* and trainer.*.

    teacher.ensemble of each kind, which differ in their seeds; first teacher.name, then the kinds teacher.also, which
    have its other keys. The first of all is that of a run with one teacher.

    Raises UserError where there is no file `teacher.checkpoint`, and for a file of outputs as
    `check_known_outputs` does.
    """
    teacher, plan = config.teacher, _twin if config.teacher.control == "self" else _gnn
    seeds = [(config.seed + number * SEED_STEP) % 2**32 for number in range(teacher.ensemble)]
    members = product((teacher.name, *teacher.also), seeds)
    return [
        plan(replace(config, teacher=replace(teacher, name=kind), seed=seed), task, role)
        for role, (kind, seed) in zip(teacher_roles(teacher), members, strict=True)
    ]


def plan_teacher(config: TrainConfig, task: GraphTask) -> TeacherPlan:
    """The first, or only, teacher."""
    return plan_teachers(config, task)[0]


def _gnn(config: TrainConfig, task: GraphTask, role: str) -> TeacherPlan:
    teacher, pretrain, scored = config.teacher, config.pretrain, True
    own = {key: value for key in OWN_RECIPE if (value := getattr(pretrain, key)) is not None}
    if teacher.name == "file":
        known = read_known_outputs(teacher, task.spec)
        scored = check_known_outputs(known, teacher, task, config.signals.give, visibility(task, config.signals.on))
    return TeacherPlan(
        role=role,
        settings=teacher,
        name=teacher.name,
        build=partial(build_teacher, teacher),
        architecture={key: value for key, value in asdict(teacher).items() if key not in ELSEWHERE},
        encoding=teacher_encoding(teacher),
        patching=None,
        recipe=replace(
            student_recipe(config, task),
            optim=pretrain.optim,
            max_epochs=pretrain.max_epochs,
            batch_size=pretrain.batch_size,
            batch_nodes=0,  # a GNN reads the whole graph in every step, whatever rows count
            sampling=sampling_of(config.trainer, pretrain.sampler),
            stop_at=None,
            select=pretrain.select,
            average_epochs=pretrain.average_epochs,
            **own,
            repeats_shapes=shapes_repeat(task, GNN_CAPABILITIES, pretrain.sampler or config.trainer.sampler),
            padded=GNN_CAPABILITIES.dense_pairs,
        ),
        labels=config.task,
        checkpoint=checkpoint_hash(teacher),
        modules=(
            full_name("teacher.name", teacher.name),
            *([teacher.target.rpartition(".")[0]] if teacher.target else []),
        ),
        can=GNN_CAPABILITIES,
        outputs=plan_outputs(config, task),
        scored=scored,
    )


def _twin(config: TrainConfig, task: GraphTask, role: str) -> TeacherPlan:
    """The student as it would be alone, from other initial weights: else it would begin where its teacher did."""
    student = config.student
    return TeacherPlan(
        role=role,
        settings=config.teacher,
        name=student.name,
        build=partial(build_student, student, config.encoding),
        architecture={"student": asdict(student), "encoding": asdict(config.encoding)},
        encoding=config.encoding,
        patching=patching_of(student, task.spec),
        recipe=replace(student_recipe(config, task), seed=(config.seed + 2**31) % 2**32),
        labels=config.task,
        checkpoint=None,
        modules=(full_name("student.name", student.name),),
        can=capabilities_of(student.name),
        outputs=plan_outputs(config, task),
    )


def plan_outputs(config: TrainConfig, task: GraphTask) -> OutputsPlan:
    """What the student's losses may read of the teacher, as far as it is given, and what `signals` asks for beside it.

    Raises UserError where graphs or their parts are given at node level, whose terms compare nodes.
    """
    signals, micro = config.signals, config.loss.micro
    if signals.give in ("graphs", "subgraphs") and task.spec.level == "node":
        raise UserError(
            f"signals.give={signals.give}: {task.spec.name} is about nodes, and all terms but soft targets compare "
            "states of nodes. Choose nodes or logits."
        )
    everything = signals.layers == "all" or (signals.layers == "auto" and config.alignment.layers)
    stored_layers = "all" if everything else "last"
    return OutputsPlan(
        visible=visibility(task, signals.on),
        layers=stored_layers if signals.give == "nodes" else "none",
        attention=config.loss.weights.micro * micro.attention > 0 and micro.attention_target == "gat",
        dtype=signals.dtype,
        graph=signals.give != "logits",
        subgraphs=config.alignment if signals.give == "subgraphs" else None,
    )


def visibility(task: GraphTask, on: str) -> str:
    """What `signals.on` comes to, as in `OutputsPlan.visible`.

    Which nodes training sees is the data set's `setting`: transductive, all; inductive, none of validation and test.
    Graph level: auto is all where there are training graphs without a label.
    """
    if task.spec.level == "graph":
        return {"train": "train", "all": "transductive"}.get(on, "train" if task.splits.unlabelled is None else "all")
    return "train" if on == "train" else "all"
