"""A student that was handed to `gnn_distill.distill`: one that maps batches to representations, or any PyG module."""

from copy import deepcopy

from torch import nn

from gnn_distill.api.given import now
from gnn_distill.config.capabilities import Capabilities
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.task import TaskSpec
from gnn_distill.errors import UserError
from gnn_distill.models.representations import Representations
from gnn_distill.models.teachers.custom import CustomTeacher

CAPABILITIES = Capabilities(dense_pairs=False)


class PlainStudent(CustomTeacher):
    """A PyG module as a student: node states are the outputs of its message-passing layers."""

    def forward(self, batch: GraphBatch, attention_layers: frozenset[int] = frozenset()) -> Representations:
        return super().forward(batch)


def build(config: StudentConfig, encoding: EncodingConfig, spec: TaskSpec) -> nn.Module:
    """A copy of the student, with the weights that it was given with. Raises UserError if none was given."""
    if (student := deepcopy(now().student)) is None:
        raise UserError("This run's student is a module of your own: gnn_distill.Run.load(folder, student=module).")
    if hasattr(student, "state_channels"):
        return student
    return PlainStudent(student, TeacherConfig(name="custom", target=type(student).__name__), spec)
