"""Micro terms: local neighbourhoods in the student's and the teacher's states. That on attention: attention.py."""

from collections.abc import Iterator
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.attention import AttentionLoss
from gnn_distill.losses.neighbours import edge_cosine, mean_kl, neighbour_pairs
from gnn_distill.losses.prepare import prepare
from gnn_distill.losses.projectors import Projectors
from gnn_distill.losses.rows import BatchLoss, node_rows
from gnn_distill.losses.term import Term

NodeStates = Float[Tensor, "node channel"]


def neighbourhood_relation(
    student: NodeStates,
    teacher: NodeStates,
    edge_index: Int[Tensor, "2 edge"],
    temperature: float = 0.2,
) -> Float[Tensor, ""]:
    """Mean over nodes of KL(p_T(·|i) ‖ p_S(·|i)), p(j|i) = softmax over j ∈ N(i) of cos(h_i, h_j)/τ.

    `edge_index` holds (j, i) pairs, as in PyG. Self-loops do not count as neighbours, and nodes with fewer than
    two neighbours are skipped, since there p ≡ 1. Zero where no node is left. Like LSP (Yang et al. 2020), but on
    projected states, by cosine similarity at a temperature: without one its softmax is nearly flat.
    """
    student, teacher = prepare(student, teacher)
    source, target = neighbour_pairs(edge_index, len(student))
    p, q = (edge_cosine(states, source, target) / temperature for states in (teacher, student))
    return mean_kl(target, q, p, len(student))


def edge_difference(student: NodeStates, teacher: NodeStates, edge_index: Int[Tensor, "2 edge"]) -> Float[Tensor, ""]:
    """Mean over nodes of the mean over j ∈ N(i) of ‖φ(h_S,i) − φ(h_S,j) − (h_T,i − h_T,j)‖² / d.

    Both sides have d dimensions. Self-loops do not count, nodes without neighbours are skipped; zero where no node
    is left. It is the roughness of the error φ(h_S) − h_T along edges: zero for an error that is the same for all
    nodes of a component. This project's own; alignment of node states compares the states themselves.
    """
    student, teacher = prepare(student, teacher)
    source, target = edge_index[:, edge_index[0] != edge_index[1]]
    error = student - teacher
    roughness = (error.index_select(0, target) - error.index_select(0, source)).square().mean(dim=-1)
    degree = torch.bincount(target, minlength=len(student))
    return (roughness / degree[target]).sum() / (degree > 0).sum().clamp(min=1)


def micro_terms(projectors: Projectors, loss: LossConfig, align: AlignmentConfig) -> Iterator[Term]:
    """`micro_relation`, `micro_attention` and `micro_edge`."""
    micro, ramp = loss.micro, loss.schedule.micro

    def relation(student: NodeStates, teacher: NodeStates, batch: GraphBatch) -> Float[Tensor, ""]:
        return neighbourhood_relation(student, teacher, batch.row_edges, micro.temperature)

    def edge(student: NodeStates, teacher: NodeStates, batch: GraphBatch) -> Float[Tensor, ""]:
        return edge_difference(student, teacher, batch.row_edges)

    def with_neighbours(least: int, student: NodeStates, batch: GraphBatch) -> Tensor:
        target = batch.row_edges[1, batch.row_edges[0] != batch.row_edges[1]]
        return (torch.bincount(target, minlength=len(student)) >= least).sum()

    if weight := loss.weights.micro * micro.relation:
        rows = node_rows(projectors, "micro_relation", micro.projection)
        yield Term("micro_relation", weight, ramp, BatchLoss(rows, relation, units=partial(with_neighbours, 2)))
    if weight := loss.weights.micro * micro.attention:
        yield Term("micro_attention", weight, ramp, AttentionLoss(projectors, micro))
    if weight := loss.weights.micro * micro.edge:
        rows = node_rows(projectors, "micro_edge", micro.projection)
        yield Term("micro_edge", weight, ramp, BatchLoss(rows, edge, units=partial(with_neighbours, 1)))
