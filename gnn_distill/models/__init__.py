"""Teachers and students: every model maps a StructureBatch to Representations."""

from importlib import import_module

from torch import nn

from gnn_distill.data.task import TaskSpec
from gnn_distill.schema.encoding import EncodingConfig
from gnn_distill.schema.student import StudentConfig
from gnn_distill.schema.teacher import TeacherConfig


def build_teacher(config: TeacherConfig, spec: TaskSpec) -> nn.Module:
    """The GNN that `gnn_distill.models.teachers.<name>` builds."""
    return import_module(f"gnn_distill.models.teachers.{config.name}").build(config, spec)


def build_student(config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> nn.Module:
    """The Transformer that `gnn_distill.models.students.<name>` builds."""
    return import_module(f"gnn_distill.models.students.{config.name}").build(config, encoding, spec)


def count_parameters(model: nn.Module) -> int:
    """Number of learned scalars."""
    return sum(parameter.numel() for parameter in model.parameters())
