"""Macro terms: relations between whole graphs."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

GraphStates = Float[Tensor, "graph channel"]


def graph_relation_cosine(student: GraphStates, teacher: GraphStates) -> Float[Tensor, ""]:
    """Mean over ordered pairs i ≠ j of (cos(g_S,i, g_S,j) − cos(g_T,i, g_T,j))²; zero for fewer than two graphs."""
    graphs = len(student)
    difference = _cosines(student) - _cosines(teacher.detach())
    off_diagonal = difference.square() * (1 - torch.eye(graphs, device=student.device))
    return off_diagonal.sum() / max(graphs * (graphs - 1), 1)


def graph_relation_pkt(student: GraphStates, teacher: GraphStates) -> Float[Tensor, ""]:
    """Mean over i of KL(p_T(·|i) ‖ p_S(·|i)), p(j|i) = (1 + cos_ij) / Σ_{j≠i} (1 + cos_ij).

    PKT (Passalis & Tefas 2018). Zero for fewer than two graphs.
    """
    graphs = len(student)
    if graphs < 2:
        return student.sum() * 0.0
    others = ~torch.eye(graphs, dtype=torch.bool, device=student.device)
    log_p, log_q = (
        torch.log(affinity) - torch.log(affinity.sum(dim=1, keepdim=True))
        for affinity in (
            (1 + _cosines(states)).clamp(min=1e-6)[others].view(graphs, graphs - 1)
            for states in (teacher.detach(), student)
        )
    )
    return (log_p.exp() * (log_p - log_q)).sum(dim=1).mean()


def _cosines(states: GraphStates) -> Float[Tensor, "graph graph"]:
    unit = F.normalize(states, dim=-1, eps=1e-6)
    return unit @ unit.T
