"""Attention with a cost linear in the number of nodes."""

from jaxtyping import Bool, Float
from torch import Tensor, einsum


def linear_attention(
    q: Float[Tensor, "graph node head key"],
    k: Float[Tensor, "graph node head key"],
    v: Float[Tensor, "graph node head value"],
    mask: Bool[Tensor, "graph node"],
) -> tuple[Float[Tensor, "graph node head value"], Float[Tensor, "graph node head 1"]]:
    """Σ_j (q_i·k_j)·v_j and Σ_j q_i·k_j over the real nodes j of i's own graph, as qᵢᵀ·(Σ_j k_j·v_jᵀ) and qᵢᵀ·Σ_j k_j.

    Padding keys are zeroed. PyG's attentions of this kind zero only padding values, so that the sum of keys, and with
    it every output, depends on how much a graph is padded (SGFormerAttention, PolynormerAttention,
    PerformerAttention in 2.8).
    """
    k = k * mask[..., None, None]
    numerator = einsum("bnhc,bhcd->bnhd", q, einsum("bnhc,bnhd->bhcd", k, v))
    return numerator, einsum("bnhc,bhc->bnh", q, k.sum(dim=1)).unsqueeze(-1)
