"""Distributions over the neighbours of each node, as flat pairs."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill.losses.prepare import unit


def neighbour_pairs(
    edge_index: Int[Tensor, "2 edge"], num_nodes: int
) -> tuple[Int[Tensor, "pair"], Int[Tensor, "pair"]]:
    """(j, i) for every neighbour j of every node i that has two or more; self-loops do not count.

    `edge_index` holds (j, i), as in PyG. A distribution over one neighbour is 1 whatever the states are.
    """
    source, target = edge_index[:, edge_index[0] != edge_index[1]]
    degree = torch.bincount(target, minlength=num_nodes)
    kept = degree[target] >= 2
    return source[kept], target[kept]


def edge_cosine(
    states: Float[Tensor, "node channel"], source: Int[Tensor, "pair"], target: Int[Tensor, "pair"]
) -> Float[Tensor, "pair"]:
    """cos(h_j, h_i) of every pair."""
    directions = unit(states)
    return (directions.index_select(0, source) * directions.index_select(0, target)).sum(dim=-1)


def mean_kl(
    group: Int[Tensor, "pair"],
    student: Float[Tensor, "pair"],
    teacher: Float[Tensor, "pair"],
    num_groups: int,
) -> Float[Tensor, ""]:
    """Mean over the groups that occur of KL(softmax of the teacher's logits ‖ softmax of the student's)."""
    occurring = (torch.bincount(group, minlength=num_groups) > 0).sum()
    return total_kl(group, student, teacher, num_groups) / occurring.clamp(min=1)


def total_kl(
    group: Int[Tensor, "pair"],
    student: Float[Tensor, "pair"],
    teacher: Float[Tensor, "pair"],
    num_groups: int,
) -> Float[Tensor, ""]:
    """The same, summed over groups instead of averaged."""
    p, q = (_log_softmax(group, logits, num_groups) for logits in (teacher, student))
    return (p.exp() * (p - q)).sum()


def _log_softmax(group: Tensor, logits: Float[Tensor, "pair"], num_groups: int) -> Float[Tensor, "pair"]:
    """Log-softmax over the pairs of each group."""
    highest = logits.new_full((num_groups,), -torch.inf).scatter_reduce(0, group, logits.detach(), "amax")
    shifted = logits - highest[group]
    total = torch.zeros_like(highest).index_add(0, group, shifted.exp())
    return shifted - total[group].log()
