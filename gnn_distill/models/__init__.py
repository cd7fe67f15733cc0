"""Teachers and students: every model maps a StructureBatch to Representations."""

from torch import nn

from gnn_distill.data.task import TaskSpec
from gnn_distill.extensions import function_of
from gnn_distill.schema.encoding import EncodingConfig
from gnn_distill.schema.student import StudentConfig
from gnn_distill.schema.teacher import TeacherConfig

TEACHERS, STUDENTS = "gnn_distill.models.teachers", "gnn_distill.models.students"


def build_teacher(config: TeacherConfig, spec: TaskSpec) -> nn.Module:
    """The GNN that `gnn_distill.models.teachers.<name>`, or a module of the user's own, builds."""
    return function_of("teacher.name", config.name, TEACHERS, "build")(config, spec)


def build_student(config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> nn.Module:
    """The Transformer that `gnn_distill.models.students.<name>`, or a module of the user's own, builds."""
    return function_of("student.name", config.name, STUDENTS, "build")(config, encoding, spec)


def count_parameters(model: nn.Module) -> int:
    """Number of learned scalars."""
    return sum(parameter.numel() for parameter in model.parameters())
