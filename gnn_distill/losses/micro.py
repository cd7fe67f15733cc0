"""Micro terms: local neighbourhoods."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


def neighbourhood_relation(
    student: Float[Tensor, "node channel"],
    teacher: Float[Tensor, "node channel"],
    edge_index: Int[Tensor, "2 edge"],
    temperature: float = 0.2,
) -> Float[Tensor, ""]:
    """Mean over nodes of KL(p_T(·|i) ‖ p_S(·|i)), p(j|i) = softmax over j ∈ N(i) of cos(h_i, h_j)/τ.

    `edge_index` holds (j, i) pairs, as in PyG. Self-loops do not count as neighbours, and nodes with fewer than
    two neighbours are skipped, since there p ≡ 1. Zero where no node is left. Like LSP (Yang et al. 2020), but
    normalised over neighbours by cosine similarity.
    """
    source, target = edge_index[:, edge_index[0] != edge_index[1]]
    num_nodes = len(student)
    degree = torch.zeros(num_nodes, dtype=torch.long, device=source.device).index_add_(
        0, target, torch.ones_like(target)
    )
    kept = degree[target] >= 2
    source, target = source[kept], target[kept]
    p = _log_softmax_by(target, _cosine(teacher.detach(), source, target) / temperature, num_nodes)
    q = _log_softmax_by(target, _cosine(student, source, target) / temperature, num_nodes)
    return (p.exp() * (p - q)).sum() / (degree >= 2).sum().clamp(min=1)


def _cosine(states: Tensor, source: Tensor, target: Tensor) -> Float[Tensor, "edge"]:
    unit = F.normalize(states, dim=-1, eps=1e-6)
    return (unit[source] * unit[target]).sum(dim=-1)


def _log_softmax_by(group: Tensor, logits: Float[Tensor, "edge"], num_groups: int) -> Float[Tensor, "edge"]:
    """Log-softmax over the entries of each group."""
    highest = logits.new_full((num_groups,), -torch.inf).scatter_reduce(0, group, logits.detach(), "amax")
    shifted = logits - highest[group]
    total = torch.zeros_like(highest).index_add(0, group, shifted.exp())
    return shifted - total[group].log()
