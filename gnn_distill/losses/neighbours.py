"""Distributions over the neighbours of each node, as flat pairs."""

from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.derived import Derived
from gnn_distill.losses.prepare import unit


class Neighbours(NamedTuple):
    """(j, i) for every neighbour j of every node i that has enough of them."""

    source: Int[Tensor, "pair"]
    target: Int[Tensor, "pair"]
    degree: Int[Tensor, "pair"]
    """Number of neighbours of i."""
    nodes: Int[Tensor, ""]
    """Number of nodes i."""


def neighbours(edge_index: Int[Tensor, "2 edge"], num_nodes: int, least: int = 1) -> Neighbours:
    """Of the nodes that have `least` neighbours or more; self-loops do not count, parallel edges do.

    `edge_index` holds (j, i), as in PyG.
    """
    source, target = edge_index[:, edge_index[0] != edge_index[1]]
    degree = torch.bincount(target, minlength=num_nodes)
    kept = degree[target] >= least
    source, target = source[kept], target[kept]
    return Neighbours(source, target, degree[target], (degree >= least).sum())


def _of_batch(batch: GraphBatch, least: int) -> Neighbours:
    return neighbours(batch.row_edges, len(batch.wanted(batch.node_rows)), least)


NEIGHBOURS = Derived("neighbours", partial(_of_batch, least=1))
"""Between the rows of a batch."""
PAIRS = Derived("pairs", partial(_of_batch, least=2))
"""Of nodes with two or more: a distribution over one neighbour is 1 whatever the states are."""


def edge_cosine(
    states: Float[Tensor, "node channel"], source: Int[Tensor, "pair"], target: Int[Tensor, "pair"]
) -> Float[Tensor, "pair"]:
    """cos(h_j, h_i) of every pair."""
    directions = unit(states)
    return (directions.index_select(0, source) * directions.index_select(0, target)).sum(dim=-1)


def total_kl(
    group: Int[Tensor, "pair"],
    student: Float[Tensor, "pair"],
    teacher: Float[Tensor, "pair"],
    num_groups: int,
) -> Float[Tensor, ""]:
    """Sum over the groups that occur of KL(softmax of the teacher's logits ‖ softmax of the student's)."""
    p, q = (_log_softmax(group, logits, num_groups) for logits in (teacher, student))
    return (p.exp() * (p - q)).sum()


def _log_softmax(group: Tensor, logits: Float[Tensor, "pair"], num_groups: int) -> Float[Tensor, "pair"]:
    """Log-softmax over the pairs of each group."""
    highest = logits.new_full((num_groups,), -torch.inf).scatter_reduce(0, group, logits.detach(), "amax")
    shifted = logits - highest[group]
    total = torch.zeros_like(highest).index_add(0, group, shifted.exp())
    return shifted - total[group].log()
