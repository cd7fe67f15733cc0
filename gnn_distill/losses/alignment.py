"""Feature alignment: the student's projected states match the teacher's standardised ones."""

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

States = Float[Tensor, "row channel"]


def align_mse(student: States, teacher: States) -> Float[Tensor, ""]:
    """Mean over rows and dimensions of (φ(h_S) − h_T)² (FitNet, Romero et al. 2015)."""
    return F.mse_loss(student, teacher.detach())


def align_cosine(student: States, teacher: States) -> Float[Tensor, ""]:
    """Mean over rows of 1 − cos(φ(h_S), h_T)."""
    return (1 - F.cosine_similarity(student, teacher.detach(), dim=-1, eps=1e-6)).mean()


MEASURES = {"mse": align_mse, "cosine": align_cosine}


def pool_subgraphs(operator: Tensor, states: States) -> States:
    """P·h: the mean state of each subgraph; `operator` is a sparse row-stochastic matrix [subgraph, node]."""
    return operator @ states


def teacher_layer(student_layer: int, student_layers: int, teacher_layers: int) -> int:
    """⌈l·L_T/L_S⌉: the teacher layer (from 1) that student layer l (from 1) is aligned to."""
    return -(-student_layer * teacher_layers // student_layers)


def projection(kind: str, student_channels: int, teacher_channels: int) -> nn.Module:
    """A learned map from student to teacher width: linear, or an mlp of two layers."""
    if kind == "linear":
        return nn.Linear(student_channels, teacher_channels)
    return nn.Sequential(
        nn.Linear(student_channels, teacher_channels), nn.ReLU(), nn.Linear(teacher_channels, teacher_channels)
    )


class Keep(nn.Module):
    """No map: of equal widths, the dimensions that are alive in the teacher."""

    def __init__(self, alive: Int[Tensor, "alive"]) -> None:
        super().__init__()
        self.register_buffer("alive", alive, persistent=False)

    def forward(self, states: States) -> Float[Tensor, "row alive"]:
        return states[:, self.alive]
