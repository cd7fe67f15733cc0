"""Soft contrasts: how similar a row is to anchors, states of the teacher's, as a distribution."""

from jaxtyping import Float
from torch import Tensor, nn

from gnn_distill.losses.prepare import prepare, unit
from gnn_distill.models.layers.projection import States


def soft_contrast(
    student: States, teacher: States, anchors: Float[Tensor, "anchor channel"], temperature: float = 0.1
) -> Float[Tensor, ""]:
    """Mean over rows i of KL(p_T(·|i) ‖ p_S(·|i)), p(j|i) = softmax over anchors j of cos(h_i, a_j)/τ.

    Anchors are states of the teacher's on both sides, so that a row is taught the same whatever other rows there are.
    Zero for a student with the teacher's directions, for a single anchor and for no row. After SEED (Fang et al. 2021),
    whose anchors are a queue of recent states of the teacher's, and CompRess (Koohpayegani et al. 2020).
    """
    student, teacher = prepare(student, teacher)
    directions = unit(anchors.detach().to(teacher.dtype)).mT / temperature
    log_p, log_q = ((unit(states) @ directions).log_softmax(dim=-1) for states in (teacher, student))
    return (log_p.exp() * (log_p - log_q)).sum() / max(len(student), 1)


def contrast(student: States, teacher: States, temperature: float = 0.1) -> Float[Tensor, ""]:
    """`soft_contrast` with the teacher's own rows as anchors, row i among them; a perfect student is at zero.

    InfoNCE (G-CRD) takes row i alone for right, and so pushes apart rows that the teacher cannot tell apart either. It
    takes memory for all pairs, so the rows of a large batch are sampled by the caller.
    """
    return soft_contrast(student, teacher, teacher, temperature)


class ToAnchors(nn.Module):
    """`soft_contrast` with anchors that are always the same."""

    def __init__(self, anchors: Float[Tensor, "anchor channel"], temperature: float) -> None:
        super().__init__()
        self.register_buffer("anchors", anchors, persistent=False)
        self.temperature = temperature

    def forward(self, student: States, teacher: States) -> Float[Tensor, ""]:
        return soft_contrast(student, teacher, self.anchors, self.temperature)
