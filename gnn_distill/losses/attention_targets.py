"""Targets of attention for some nodes of large graphs, by sparse products: never a matrix of all pairs.

Rows of the matrices of gnn_distill.losses.attention; edges are pairs (j, i) between n nodes, as in PyG.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gnn_distill.losses.prepare import at_least_single, unit

Edges = Int[Tensor, "2 edge"]
Chosen = Int[Tensor, "query"]
Weights = Float[Tensor, "query node"]


def steps_from(
    edge_index: Edges, num_nodes: int, weight: Float[Tensor, "edge"] | None = None, loop: Tensor | None = None
) -> Float[Tensor, "node node"]:
    """The transpose of a step's row-stochastic matrix W[i, j] ∝ what node i takes from node j; sparse, coalesced.

    weight: of every edge, with `loop`, of every node for itself; without them D̃⁻¹Ã, as `propagation_target`.
    """
    nodes = torch.arange(num_nodes, device=edge_index.device)
    index = torch.cat([edge_index, nodes.expand(2, -1)], dim=1)
    if weight is None:
        values = torch.ones(index.size(1), device=index.device)
    else:
        values = torch.cat([at_least_single(weight), at_least_single(loop)])
    shape = (num_nodes, num_nodes)
    matrix = torch.sparse_coo_tensor(index, values, shape, check_invariants=False).coalesce()
    index, values = matrix.indices(), matrix.values()
    if weight is None:
        values = torch.ones_like(values)
    total = values.new_zeros(num_nodes).index_add(0, index[1], values)
    # A node without any weight attends to itself.
    values = torch.where((index[0] == index[1]) & (total[index[1]] <= 0), 1.0, values)
    values = values / total.where(total > 0, 1.0)[index[1]]
    return torch.sparse_coo_tensor(index, values, shape, is_coalesced=True, check_invariants=False)


def rows_of_power(steps: Float[Tensor, "node node"], chosen: Chosen, exponent: int) -> Weights:
    """Rows `chosen` of Wᵏ, k = `exponent`; `steps` is Wᵀ."""
    start = torch.zeros(steps.size(0), len(chosen), dtype=steps.dtype, device=chosen.device)
    start[chosen, torch.arange(len(chosen), device=chosen.device)] = 1.0
    for _ in range(exponent):
        start = steps @ start
    return start.T


def cosine_rows(
    teacher: Float[Tensor, "node channel"], chosen: Chosen, support: Bool[Tensor, "query node"], temperature: float
) -> Weights:
    """Rows `chosen` of `cosine_target`."""
    directions = unit(at_least_single(teacher.detach()))
    logits = directions[chosen] @ directions.T / temperature
    return logits.masked_fill(~support, torch.finfo(logits.dtype).min).softmax(dim=-1) * support
