"""Published distillation losses on graph structure, as baselines: raw features, no learned map of either side."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from gnn_distill.losses.neighbours import Neighbours, edge_cosine, neighbours, total_kl
from gnn_distill.losses.prepare import prepare, unit

KERNELS = ("cosine", "polynomial", "rbf")
StudentStates = Float[Tensor, "node student_channel"]
TeacherStates = Float[Tensor, "node teacher_channel"]
BLOCK_PAIRS = 1 << 22
"""Similarities held at a time."""


def lsp(
    student: StudentStates,
    teacher: TeacherStates,
    edge_index: Int[Tensor, "2 edge"],
    kernel: str = "cosine",
    bandwidth: float = 1.0,
) -> Float[Tensor, ""]:
    """Σ_i KL(p_T(·|i) ‖ p_S(·|i)) / number of edges, p(j|i) = softmax over j ∈ N(i) of the similarity of h_i and h_j.

    Similarities: cosine; polynomial, its square; rbf, exp(−‖h_i − h_j‖²/2σ²) with σ = `bandwidth`.
    LSP (Yang et al. 2020) as in the code of Joshi et al. (2022): their kernels, a softmax over *similarity*, so that
    near neighbours weigh most, no temperature, and a mean over the directed edges, those to a node with one neighbour
    included. Ours differs from it: edges from a node to itself are left out, and so is their kernel that is a
    distance. The code of Yang et al. takes the mean over nodes. Zero where there is no edge.
    """
    pairs, num_edges = neighbours(edge_index, len(student), least=2), (edge_index[0] != edge_index[1]).sum()
    return lsp_of_pairs(student, teacher, pairs, num_edges, kernel, bandwidth)


def lsp_of_pairs(
    student: StudentStates,
    teacher: TeacherStates,
    pairs: Neighbours,
    num_edges: Int[Tensor, ""],
    kernel: str,
    bandwidth: float,
) -> Float[Tensor, ""]:
    """`lsp` of the neighbours of nodes that have two or more."""
    student, teacher = prepare(student, teacher)
    source, target = pairs.source, pairs.target

    def similarity(states: Tensor) -> Float[Tensor, "pair"]:
        if kernel == "rbf":
            square = (states.index_select(0, source) - states.index_select(0, target)).square().sum(dim=-1)
            return torch.exp(-square / (2 * bandwidth**2))
        cosine = edge_cosine(states, source, target)
        return cosine.square() if kernel == "polynomial" else cosine

    return total_kl(target, similarity(student), similarity(teacher), len(student)) / num_edges.clamp(min=1)


def gsp(
    student: StudentStates,
    teacher: TeacherStates,
    kernel: str = "cosine",
    bandwidth: float = 1.0,
    block_pairs: int = BLOCK_PAIRS,
) -> Float[Tensor, ""]:
    """Mean over all n² pairs of nodes of (k(s_i, s_j) − k(t_i, t_j))², with the kernels of `lsp`.

    GSP (Joshi et al. 2022). All nodes of the batch are paired, those of different graphs, too, as in the source.
    cosine: ‖SSᵀ − TTᵀ‖² = ‖SᵀS‖² − 2‖SᵀT‖² + ‖TᵀT‖² for rows of length 1, O(n·d²). Other kernels take blocks of rows
    of at most `block_pairs` pairs, computed again in the backward pass: never n × n at once.
    """
    student, teacher = prepare(student, teacher)
    nodes = len(student)
    if kernel == "cosine":
        s, t = unit(student), unit(teacher)
        products = (s.T @ s).square().sum() - 2 * (s.T @ t).square().sum() + (t.T @ t).square().sum()
        return products / nodes**2
    if kernel == "polynomial":
        student, teacher = unit(student), unit(teacher)

    def similarity(picked: Tensor, all_rows: Tensor) -> Float[Tensor, "picked node"]:
        product = picked @ all_rows.T
        if kernel == "polynomial":
            return product.square()
        square = picked.square().sum(dim=1, keepdim=True) + all_rows.square().sum(dim=1) - 2 * product
        return torch.exp(-square.clamp(min=0) / (2 * bandwidth**2))

    def block(s: Tensor, t: Tensor) -> Float[Tensor, ""]:
        return (similarity(s, student) - similarity(t, teacher)).square().sum()

    rows = max(1, block_pairs // nodes)
    parts = list(zip(student.split(rows), teacher.split(rows), strict=True))
    if len(parts) == 1:
        return block(student, teacher) / nodes**2
    return sum(checkpoint(block, s, t, use_reentrant=False) for s, t in parts) / nodes**2


def mugsi_clusters(
    student: Float[Tensor, "graph cluster student_channel"],
    teacher: Float[Tensor, "graph cluster teacher_channel"],
    mask: Bool[Tensor, "graph cluster"],
) -> Float[Tensor, ""]:
    """Mean over graphs of ½‖C_S − C_T‖², C the cosines between the states of a graph's clusters, padded.

    MuGSI's cluster term (Yao et al. 2024): clusters by Louvain, their states means of node states. Graphs of fewer
    than three clusters count as zero, as in the authors' code.
    """
    student, teacher = (unit(states) for states in prepare(student, teacher))
    pairs = mask.unsqueeze(2) & mask.unsqueeze(1) & (mask.sum(dim=1) > 2).view(-1, 1, 1)
    difference = (student @ student.mT - teacher @ teacher.mT) * pairs
    return difference.square().sum() / (2 * max(len(mask), 1))


def mugsi_paths(student: StudentStates, teacher: TeacherStates, walks: Int[Tensor, "walk step"]) -> Float[Tensor, ""]:
    """Mean over random walks (v_0, …, v_L) of KL(p_T ‖ p_S), p = softmax over l = 1..L of h_{v_0} · h_{v_l}.

    MuGSI's path term (Yao et al. 2024), whose code draws 20 walks of 8 or 15 steps a graph and takes the mean over
    graphs; ours start once from every node, so that large graphs count more. `walks` hold rows of the states. Zero
    where there is none.
    """
    student, teacher = prepare(student, teacher)
    along = [states.index_select(0, walks.flatten()).view(*walks.shape, -1) for states in (teacher, student)]
    p, q = (F.log_softmax((steps[:, 1:] @ steps[:, 0].unsqueeze(-1)).squeeze(-1), dim=-1) for steps in along)
    return (p.exp() * (p - q)).sum() / max(len(walks), 1)
