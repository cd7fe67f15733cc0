"""Micro terms: local neighbourhoods in the student's and the teacher's states. That on attention: attention.py."""

from collections.abc import Iterator

from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.attention import AttentionLoss
from gnn_distill.losses.neighbours import NEIGHBOURS, PAIRS, Neighbours, edge_cosine, neighbours, total_kl
from gnn_distill.losses.prepare import prepare
from gnn_distill.losses.projectors import Projectors
from gnn_distill.losses.rows import BatchLoss, node_rows
from gnn_distill.losses.term import Requires, Term

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
    return relation_of_pairs(student, teacher, neighbours(edge_index, len(student), least=2), temperature)


def relation_of_pairs(
    student: NodeStates, teacher: NodeStates, pairs: Neighbours, temperature: float
) -> Float[Tensor, ""]:
    """`neighbourhood_relation` of the neighbours of nodes that have two or more."""
    student, teacher = prepare(student, teacher)
    p, q = (edge_cosine(states, pairs.source, pairs.target) / temperature for states in (teacher, student))
    return total_kl(pairs.target, q, p, len(student)) / pairs.nodes.clamp(min=1)


def edge_difference(student: NodeStates, teacher: NodeStates, edge_index: Int[Tensor, "2 edge"]) -> Float[Tensor, ""]:
    """Mean over nodes of the mean over j ∈ N(i) of ‖φ(h_S,i) − φ(h_S,j) − (h_T,i − h_T,j)‖² / d.

    Both sides have d dimensions. Self-loops do not count, nodes without neighbours are skipped; zero where no node
    is left. It is the roughness of the error φ(h_S) − h_T along edges: zero for an error that is the same for all
    nodes of a component. This project's own; alignment of node states compares the states themselves.
    """
    return difference_of_neighbours(student, teacher, neighbours(edge_index, len(student)))


def difference_of_neighbours(student: NodeStates, teacher: NodeStates, edges: Neighbours) -> Float[Tensor, ""]:
    """`edge_difference` of all neighbours."""
    student, teacher = prepare(student, teacher)
    error = student - teacher
    roughness = (error.index_select(0, edges.target) - error.index_select(0, edges.source)).square().mean(dim=-1)
    return (roughness / edges.degree).sum() / edges.nodes.clamp(min=1)


def micro_terms(projectors: Projectors, loss: LossConfig, align: AlignmentConfig) -> Iterator[Term]:
    """`micro_relation`, `micro_attention` and `micro_edge`."""
    micro, ramp = loss.micro, loss.schedule.micro

    def relation(student: NodeStates, teacher: NodeStates, batch: GraphBatch) -> Float[Tensor, ""]:
        return relation_of_pairs(student, teacher, PAIRS(batch), micro.temperature)

    def edge(student: NodeStates, teacher: NodeStates, batch: GraphBatch) -> Float[Tensor, ""]:
        return difference_of_neighbours(student, teacher, NEIGHBOURS(batch))

    def with_two(student: NodeStates, batch: GraphBatch) -> Tensor:
        return PAIRS(batch).nodes

    def with_one(student: NodeStates, batch: GraphBatch) -> Tensor:
        return NEIGHBOURS(batch).nodes

    if weight := loss.weights.micro * micro.relation:
        rows = node_rows(projectors, "micro_relation", micro.projection)
        loss_of = BatchLoss(rows, relation, Requires(derived=frozenset({PAIRS})), units=with_two)
        yield Term("micro_relation", weight, ramp, loss_of)
    if weight := loss.weights.micro * micro.attention:
        yield Term("micro_attention", weight, ramp, AttentionLoss(projectors, micro))
    if weight := loss.weights.micro * micro.edge:
        rows = node_rows(projectors, "micro_edge", micro.projection)
        loss_of = BatchLoss(rows, edge, Requires(derived=frozenset({NEIGHBOURS})), units=with_one)
        yield Term("micro_edge", weight, ramp, loss_of)
