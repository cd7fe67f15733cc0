"""Published distillation losses on states, as baselines: raw features, and no learned map of the teacher."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from gnn_distill.losses.alignment import infonce
from gnn_distill.losses.prepare import prepare, unit

StudentStates = Float[Tensor, "row student_channel"]
TeacherStates = Float[Tensor, "row teacher_channel"]
States = Float[Tensor, "row channel"]


def attention_transfer(
    student: Float[Tensor, "node student_channel"],
    teacher: Float[Tensor, "node teacher_channel"],
    batch: Int[Tensor, "node"],
    num_graphs: int,
) -> Float[Tensor, ""]:
    """Mean over graphs of ‖q_S/‖q_S‖ − q_T/‖q_T‖‖², q_i = ‖h_i‖², a vector over the nodes of a graph.

    AT (Zagoruyko & Komodakis 2017): nodes for pixels, graphs for images. The authors' code takes the mean over
    pixels where we sum over nodes, so that large graphs count no less; on graphs, the code of Joshi et al. (2022)
    normalises over the whole batch.
    """
    student, teacher = prepare(student, teacher)
    difference = _energy(student, batch, num_graphs) - _energy(teacher, batch, num_graphs)
    return difference.square().sum() / max(num_graphs, 1)


def similarity_preserving(student: StudentStates, teacher: TeacherStates) -> Float[Tensor, ""]:
    """‖Ĝ_S − Ĝ_T‖² / b², Ĝ = G = h·hᵀ with rows of length 1: SP (Tung & Mori 2019), as published.

    Rows are the b graphs of a batch; at node level, sampled nodes.
    """
    student, teacher = prepare(student, teacher)
    return F.mse_loss(*(unit(states @ states.T) for states in (student, teacher)))


def rkd_distance(student: StudentStates, teacher: TeacherStates) -> Float[Tensor, ""]:
    """Mean over ordered pairs i ≠ j of huber(‖s_i − s_j‖/μ_S − ‖t_i − t_j‖/μ_T), μ the mean distance of pairs.

    RKD-D (Park et al. 2019). The authors' code counts pairs i = j among the terms, and leaves pairs of distance 0
    out of μ. Zero for fewer than two rows.
    """
    student, teacher = prepare(student, teacher)
    return F.smooth_l1_loss(_distances(student), _distances(teacher), reduction="sum") / _ordered(len(student), 2)


def rkd_angle(student: StudentStates, teacher: TeacherStates) -> Float[Tensor, ""]:
    """Mean over triples of different i, j, k of huber(cos∠(s_i, s_j, s_k) − cos∠(t_i, t_j, t_k)), the angle at j.

    RKD-A (Park et al. 2019). Rows that coincide have no angle: it counts as 0. The authors' code counts triples with
    i = j or j = k as zeros, and those with i = k. O(b³) memory: sample the rows. Zero for fewer than three.
    """
    student, teacher = prepare(student, teacher)
    rows = len(student)
    same = torch.eye(rows, dtype=torch.bool, device=student.device)
    # At the corner j, the pairs i = k are 1 on both sides but for rows that coincide.
    loss = F.smooth_l1_loss(_angles(student), _angles(teacher), reduction="none").masked_fill(same, 0.0)
    return loss.sum() / _ordered(rows, 3)


def gcrd(student: States, teacher: States, temperature: float = 0.075) -> Float[Tensor, ""]:
    """InfoNCE between the projected student's and the teacher's node states at τ = 0.075.

    G-CRD (Joshi et al. 2022). The source learns a map of the teacher as well, which can make any two sides agree;
    ours is of the student alone.
    """
    return infonce(student, teacher, temperature)


def crd(student: States, teacher: States, temperature: float = 0.07) -> Float[Tensor, ""]:
    """Half of InfoNCE with the student's graphs as anchors and half with the teacher's, at τ = 0.07.

    CRD (Tian et al. 2020) contrasts in both directions, too, but by a binary NCE against a memory of thousands of
    samples, and maps the teacher as well; here the other graphs of the batch are the negatives.
    """
    student, teacher = prepare(student, teacher)
    logits = unit(student) @ unit(teacher).T / temperature
    here = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, here) + F.cross_entropy(logits.T, here)) / 2


def mugsi_graph(student: States, teacher: States) -> Float[Tensor, ""]:
    """Mean over rows and dimensions of (ĝ_S − ĝ_T)², states of length 1: MuGSI's graph term (Yao et al. 2024).

    The same on node states is FitNet as Joshi et al. (2022) use it on graphs.
    """
    return F.mse_loss(*(unit(states) for states in prepare(student, teacher)))


def _energy(states: Tensor, batch: Tensor, num_graphs: int) -> Float[Tensor, "node"]:
    energy = states.square().mean(dim=-1)
    length = energy.new_zeros(num_graphs).index_add(0, batch, energy.square()).clamp(min=1e-12).sqrt()
    return energy / length[batch]


def _distances(states: Tensor) -> Float[Tensor, "row row"]:
    """Euclidean distances in units of their mean."""
    # Not by a matrix product: near rows would lose their digits, and the gradient at distance 0 would be infinite.
    distance = torch.cdist(states, states, compute_mode="donot_use_mm_for_euclid_dist")
    return distance / (distance.sum() / _ordered(len(states), 2)).clamp(min=1e-6)


def _angles(states: Tensor) -> Float[Tensor, "row row row"]:
    """cos∠(h_i, h_j, h_k), at [j, i, k]."""
    ray = states.unsqueeze(0) - states.unsqueeze(1)
    square = ray.square().sum(dim=-1, keepdim=True)
    direction = ray * square.clamp(min=1e-12).rsqrt() * (square > 1e-12)
    return direction @ direction.mT


def _ordered(rows: int, taken: int) -> int:
    """Number of ordered choices of `taken` different rows; at least 1."""
    count = 1
    for index in range(taken):
        count *= rows - index
    return max(count, 1)
