"""What the teacher of a run is: a GNN with a recipe of its own, or the student's twin."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from torch import nn

from gnn_distill.config.capabilities import Capabilities, capabilities_of
from gnn_distill.config.plugins import full_name
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.run import OptimConfig, TrainConfig
from gnn_distill.data.task import TaskSpec
from gnn_distill.models import build_student, build_teacher
from gnn_distill.models.gnn_backbone import teacher_encoding
from gnn_distill.models.pretrained import checkpoint_hash

GNN_CAPABILITIES = Capabilities(dense_pairs=False, attends_pairs=False, reads_bias=False, has_token=False)


@dataclass(frozen=True)
class TeacherPlan:
    """How a teacher is built and trained. Everything here but `name`, `build` and `can` determines it."""

    name: str
    build: Callable[[TaskSpec], nn.Module]
    architecture: dict[str, Any]
    """The keys that say what it is, not what is done with it."""
    encoding: EncodingConfig
    """What it is told about structure."""
    optim: OptimConfig
    max_epochs: int
    batch_size: int
    batch_nodes: int
    seed: int
    """Of its weights and of the order of its batches."""
    checkpoint: str | None
    """Hash of the file of its weights, where it comes trained."""
    modules: tuple[str, ...]
    """Full names of the modules that define it, this package's or the user's."""
    can: Capabilities
    """What its student's module declares where it is a twin; a GNN sees one shape of batch seldom twice."""


def plan_teacher(config: TrainConfig) -> TeacherPlan:
    """The teacher that teacher.*, pretrain.* and, if it is the student's twin, student.*, optim.* and trainer.* say."""
    return _twin(config) if config.teacher.control == "self" else _gnn(config)


def _gnn(config: TrainConfig) -> TeacherPlan:
    teacher, pretrain = config.teacher, config.pretrain
    return TeacherPlan(
        name=teacher.name,
        build=partial(build_teacher, teacher),
        architecture={key: value for key, value in asdict(teacher).items() if key not in ("control", "checkpoint")},
        encoding=teacher_encoding(teacher),
        optim=pretrain.optim,
        max_epochs=pretrain.max_epochs,
        batch_size=pretrain.batch_size,
        batch_nodes=0,
        seed=config.seed,
        checkpoint=checkpoint_hash(teacher),
        modules=(
            full_name("teacher.name", teacher.name),
            *([teacher.target.rpartition(".")[0]] if teacher.target else []),
        ),
        can=GNN_CAPABILITIES,
    )


def _twin(config: TrainConfig) -> TeacherPlan:
    """The student as it would be alone, from other initial weights: else it would begin where its teacher did."""
    student, trainer = config.student, config.trainer
    return TeacherPlan(
        name=student.name,
        build=partial(build_student, student, config.encoding),
        architecture={"student": asdict(student), "encoding": asdict(config.encoding)},
        encoding=config.encoding,
        optim=config.optim,
        max_epochs=trainer.max_epochs,
        batch_size=trainer.batch_size,
        batch_nodes=trainer.batch_nodes,
        seed=(config.seed + 2**31) % 2**32,
        checkpoint=None,
        modules=(full_name("student.name", student.name),),
        can=capabilities_of(student.name),
    )
