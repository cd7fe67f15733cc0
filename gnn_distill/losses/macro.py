"""Macro terms: relations between whole graphs, and between nodes far and near within each.

At node level the same formulas are called with sampled nodes, or with prototypes, in place of graphs; of many graphs,
those between the nodes of a graph stay as they are.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig, MacroConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.derived import Derived
from gnn_distill.data.encodings.distances import UNREACHABLE
from gnn_distill.losses.contrast import ToAnchors
from gnn_distill.losses.prepare import prepare, unit
from gnn_distill.losses.projectors import Projectors
from gnn_distill.losses.rows import BatchLoss, RowLoss, graph_rows, node_rows
from gnn_distill.losses.term import Requires, Term
from gnn_distill.losses.whole_batch import each_graph, each_row
from gnn_distill.models.layers.padding import pad

GraphStates = Float[Tensor, "graph channel"]
Padded = Float[Tensor, "graph node channel"]


def graph_relation_cosine(student: GraphStates, teacher: GraphStates) -> Float[Tensor, ""]:
    """Mean over ordered pairs i ≠ j of (cos(g_S,i, g_S,j) − cos(g_T,i, g_T,j))²; zero for fewer than two graphs."""
    student, teacher = prepare(student, teacher)
    graphs = len(student)
    difference = _cosines(student) - _cosines(teacher)
    off_diagonal = difference.square() * (1 - torch.eye(graphs, device=student.device))
    return off_diagonal.sum() / max(graphs * (graphs - 1), 1)


def graph_relation_pkt(student: GraphStates, teacher: GraphStates) -> Float[Tensor, ""]:
    """Mean over i of KL(p_T(·|i) ‖ p_S(·|i)), p(j|i) = (1 + cos_ij) / Σ_{j≠i} (1 + cos_ij).

    PKT (Passalis & Tefas 2018); the authors' code counts j = i, too, and divides by B² where we divide by B.
    Zero for fewer than two graphs.
    """
    student, teacher = prepare(student, teacher)
    graphs = len(student)
    if graphs < 2:
        return student.sum() * 0.0
    log_p, log_q = (
        torch.log(affinity) - torch.log(affinity.sum(dim=1, keepdim=True))
        for affinity in (_off_diagonal(1 + _cosines(states)).clamp(min=1e-6) for states in (teacher, student))
    )
    return (log_p.exp() * (log_p - log_q)).sum(dim=1).mean()


def distance_profile(
    student: Padded,
    teacher: Padded,
    spd: UInt8[Tensor, "graph node node"],
    mask: Bool[Tensor, "graph node"],
    buckets: int = 5,
) -> Float[Tensor, ""]:
    """Mean over graphs of the mean over buckets b of (s_S(b) − s_T(b))², s(b) = mean of cos(h_i, h_j) over pairs in b.

    Ordered pairs i ≠ j of a graph fall into the buckets 1, …, K = `buckets` hops, more than K, and unreachable.
    Empty buckets are left out, and graphs without a pair; zero where none is left. It describes how similarity
    decays with distance, the long-range part. This project's own.
    """
    student, teacher = prepare(student, teacher)
    nodes = mask.size(1)
    pairs = mask.unsqueeze(2) & mask.unsqueeze(1) & ~torch.eye(nodes, dtype=torch.bool, device=mask.device)
    bucket = torch.where(spd == UNREACHABLE, buckets + 1, spd.clamp(1, buckets + 1) - 1)
    # The profile is linear in the cosines, so one sum over their differences suffices.
    difference = (_cosines(student) - _cosines(teacher)).flatten(1)
    total, count = [], []
    for number in range(buckets + 2):
        inside = (pairs & (bucket == number)).flatten(1)
        total.append((difference * inside).sum(dim=1))
        count.append(inside.sum(dim=1))
    gap, occurring = torch.stack(total) / torch.stack(count).clamp(min=1), (torch.stack(count) > 0).sum(dim=0)
    return (gap.square().sum(dim=0) / occurring.clamp(min=1)).sum() / (occurring > 0).sum().clamp(min=1)


def distribution(
    student: Padded,
    teacher: Padded,
    mask: Bool[Tensor, "graph node"],
    bandwidths: Float[Tensor, "bandwidth"],
) -> Float[Tensor, ""]:
    """Mean over graphs of MMD² = mean k(s, s') + mean k(t, t') − 2·mean k(s, t) over all pairs of nodes of a graph.

    k(a, b) = mean over σ in `bandwidths` (at least 1e-6) of exp(−‖a − b‖²/2σ²): the V-statistic of Gretton et al.
    (2012), biased and never negative. Both sides have the same width. Which node is which does not matter.
    """
    student, teacher = prepare(student, teacher)
    share = (mask / mask.sum(dim=1, keepdim=True).clamp(min=1)).to(student.dtype)
    # Centred states are small, so that subtracting squares loses little precision.
    mean = (share.unsqueeze(-1) * teacher).sum(dim=1, keepdim=True)
    student, teacher = student - mean, teacher - mean
    scale = -0.5 / bandwidths.detach().clamp(min=1e-6).to(student.dtype).square()

    def kernel(a: Padded, b: Padded) -> Float[Tensor, "graph node node"]:
        square = a.square().sum(dim=-1).unsqueeze(2) + b.square().sum(dim=-1).unsqueeze(1)
        distance = (square - 2 * a @ b.mT).clamp(min=0)
        return sum(torch.exp(factor * distance) for factor in scale) / len(scale)

    difference = kernel(student, student) + kernel(teacher, teacher) - 2 * kernel(student, teacher)
    return (share.unsqueeze(1) @ difference @ share.unsqueeze(2)).mean()


def bandwidths(median: float, factors: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0)) -> Float[Tensor, "bandwidth"]:
    """Multiples of the median distance, for `distribution`."""
    return median * torch.tensor(factors)


class Bandwidths(nn.Module):
    """Bandwidths that follow the objective to its device."""

    def __init__(self, values: Float[Tensor, "bandwidth"]) -> None:
        super().__init__()
        self.register_buffer("bandwidths", values, persistent=False)


GRAPH_RELATIONS = {"cosine": graph_relation_cosine, "pkt": graph_relation_pkt}


def macro_terms(projectors: Projectors, loss: LossConfig, align: AlignmentConfig) -> Iterator[Term]:
    """`macro_graph_relation`, `macro_anchor_relation`, `macro_distance_profile` and `macro_distribution`."""
    macro, ramp = loss.macro, loss.schedule.macro
    if weight := loss.weights.macro * macro.graph_relation:
        name, samples = "macro_graph_relation", _samples(projectors, macro)
        rows = graph_rows(projectors, name, macro.projection, align, macro.among, samples=samples)
        yield Term(name, weight, ramp, RowLoss(rows, GRAPH_RELATIONS[macro.measure]))
    if weight := loss.weights.macro * macro.anchor_relation:
        yield Term("macro_anchor_relation", weight, ramp, _anchor_loss(projectors, macro, align))
    if weight := loss.weights.macro * macro.distance_profile:
        yield Term("macro_distance_profile", weight, ramp, _profile_loss(projectors, macro))
    if weight := loss.weights.macro * macro.distribution:
        yield Term("macro_distribution", weight, ramp, _distribution_loss(projectors, macro))


def _anchor_loss(projectors: Projectors, macro: MacroConfig, align: AlignmentConfig) -> RowLoss:
    """To the teacher's states of training graphs; at node level, of nodes that are taught."""
    name, samples = "macro_anchor_relation", _samples(projectors, macro)
    rows = graph_rows(projectors, name, macro.projection, align, macro.among, samples=samples)
    target = projectors.target("graph" if projectors.level == "graph" else projectors.last)
    anchors = target.standardise(projectors.teacher.draw(target.states, macro.num_anchors))
    return RowLoss(rows, projectors.hold(name, ToAnchors(anchors, macro.anchor_temperature)), units=each_row)


def _profile_loss(projectors: Projectors, macro: MacroConfig) -> BatchLoss:
    """Between the nodes of each graph; of one large graph between anchors."""
    rows = node_rows(projectors, "macro_distance_profile", macro.projection)

    def within_graphs(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Float[Tensor, ""]:
        return distance_profile(*_padded(student, teacher, batch), batch.spd, batch.row_mask, macro.buckets)

    def with_pairs(student: Tensor, batch: GraphBatch) -> Tensor:
        return (batch.row_mask.sum(dim=1) >= 2).sum()

    if projectors.split_by_graph:
        return BatchLoss(rows, within_graphs, Requires(distances=True), units=with_pairs)
    anchors_of = Derived("anchors", projectors.structure.anchors(macro.anchors).of)

    def between_anchors(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Float[Tensor, ""]:
        picked, spd = anchors_of(batch)
        student, teacher = student[picked].unsqueeze(0), teacher[picked].unsqueeze(0)
        return distance_profile(student, teacher, spd.unsqueeze(0), _full_mask(picked), macro.buckets)

    return BatchLoss(rows, between_anchors, Requires(derived=frozenset({anchors_of})))


def _distribution_loss(projectors: Projectors, macro: MacroConfig) -> BatchLoss:
    """Between the node sets of each graph; of one large graph between the states of nodes drawn in each step."""
    samples = 0 if projectors.split_by_graph else macro.samples
    rows = node_rows(projectors, "macro_distribution", macro.projection, samples=samples)
    sigmas = bandwidths(projectors.teacher.median_distance(projectors.standardiser(projectors.last)))
    held = projectors.hold("macro_distribution", Bandwidths(sigmas))

    def within_graphs(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Float[Tensor, ""]:
        return distribution(*_padded(student, teacher, batch), batch.row_mask, held.bandwidths)

    def between_samples(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Float[Tensor, ""]:
        mask = _full_mask(student[:, 0])
        return distribution(student.unsqueeze(0), teacher.unsqueeze(0), mask, held.bandwidths)

    return BatchLoss(rows, within_graphs, units=each_graph) if not samples else BatchLoss(rows, between_samples)


def _samples(projectors: Projectors, macro: MacroConfig) -> int:
    """Largest number of nodes that stand in for graphs; 0: all graphs."""
    return macro.samples if projectors.level == "node" else 0


def _padded(student: Tensor, teacher: Tensor, batch: GraphBatch) -> tuple[Padded, Padded]:
    index = batch.wanted(batch.dense_index)
    return pad(student, index, batch.mask.shape), pad(teacher, index, batch.mask.shape)


def _full_mask(rows: Tensor) -> Bool[Tensor, "1 node"]:
    """The mask of one graph that holds all rows."""
    return torch.ones(1, len(rows), dtype=torch.bool, device=rows.device)


def _off_diagonal(matrix: Float[Tensor, "row row"]) -> Float[Tensor, "row other"]:
    """The entries of every row but that on the diagonal, by a view that skips each of these."""
    rows = len(matrix)
    return matrix.flatten()[1:].view(rows - 1, rows + 1)[:, :-1].reshape(rows, rows - 1)


def _cosines(states: Float[Tensor, "*graph row channel"]) -> Float[Tensor, "*graph row row"]:
    directions = unit(states)
    return directions @ directions.mT
