"""Maps from the student's width to the teacher's."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from gnn_distill.cpu import Linear

States = Float[Tensor, "row channel"]


def projection(kind: str, student_channels: int, teacher_channels: int) -> nn.Module:
    """A learned map from student to teacher width: linear, or an mlp of two layers."""
    if kind == "linear":
        return Linear(student_channels, teacher_channels)
    return nn.Sequential(
        Linear(student_channels, teacher_channels), nn.ReLU(), Linear(teacher_channels, teacher_channels)
    )


class Keep(nn.Module):
    """No map: of equal widths, the dimensions that are alive in the teacher."""

    def __init__(self, alive: Int[Tensor, "alive"]) -> None:
        super().__init__()
        self.register_buffer("alive", alive, persistent=False)

    def forward(self, states: States) -> Float[Tensor, "row alive"]:
        return states[:, self.alive]
