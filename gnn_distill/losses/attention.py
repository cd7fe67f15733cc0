"""The micro term across architectures: message passing taught to attention.

Matrices are [graph, i, j]: how much node i receives from, or attends to, node j; padding rows are zero.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from gnn_distill.config.schema.objective import MicroConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.errors import UserError
from gnn_distill.losses.attention_targets import AttentionTargets, SampledTargets
from gnn_distill.losses.prepare import at_least_single, unit
from gnn_distill.losses.projectors import Projectors, Target
from gnn_distill.losses.term import Requires, TeacherRows
from gnn_distill.losses.whole_batch import whole_mean
from gnn_distill.models.layers.padding import to_padded
from gnn_distill.models.representations import Representations

Mask = Bool[Tensor, "graph node"]
Weights = Float[Tensor, "graph node node"]


def message_matrix(
    edge_dense_index: Int[Tensor, "edge"], mask: Mask, weight: Float[Tensor, "edge"] | None = None
) -> Weights:
    """W[i, j] = Σ of the weights of the edges j → i; without weights, the number of these edges.

    `edge_dense_index` and `mask` are those of GraphBatch: places in [graph, source, target].
    """
    graphs, nodes = mask.shape
    if weight is None:
        weight = torch.ones(len(edge_dense_index), device=mask.device)
    flat = weight.new_zeros(graphs * nodes * nodes).index_add(0, edge_dense_index, weight)
    return flat.view(graphs, nodes, nodes).mT


def hop_support(messages: Weights, mask: Mask, radius: int) -> Bool[Tensor, "graph node node"]:
    """S_k(i) = {j: d(i, j) ≤ k}, i included: the nodes whose messages reach i in k = `radius` layers."""
    step = ((messages > 0) | _self(mask)).float()
    reached = step
    for _ in range(radius - 1):
        reached = ((reached @ step) > 0).float()
    return reached > 0


def propagation_target(messages: Weights, mask: Mask, radius: int) -> Weights:
    """(D̃⁻¹Ã)^k, Ã the edges without multiplicity and a loop at every node: what k layers of a mean pass on."""
    return _power(_row_stochastic(((messages > 0) | _self(mask)).float()), radius)


def gat_target(
    edge_dense_index: Int[Tensor, "edge"],
    edge_attention: Float[Tensor, "edge"],
    self_attention: Float[Tensor, "node"],
    dense_index: Int[Tensor, "node"],
    mask: Mask,
    radius: int = 1,
) -> Weights:
    """The k-th power of the teacher's attention matrix: its weights of edges j → i and of each node for itself.

    One layer's weights reach one hop; k layers of them reach k (attention rollout, Abnar & Zuidema 2020). A node
    without any weight attends to itself.
    """
    loops = at_least_single(self_attention.detach())
    weights = message_matrix(edge_dense_index, mask, at_least_single(edge_attention.detach()))
    diagonal = loops.new_zeros(mask.numel()).index_copy(0, dense_index, loops).view(mask.shape)
    weights = weights + torch.diag_embed(diagonal)
    lost = (weights.sum(dim=-1, keepdim=True) <= 0) & _self(mask)
    return _power(_row_stochastic(weights + lost), radius)


def cosine_target(
    teacher: Float[Tensor, "graph node channel"], support: Bool[Tensor, "graph node node"], temperature: float = 0.2
) -> Weights:
    """p_T(j|i) = softmax over j ∈ S_k(i) of cos(h_T,i, h_T,j)/τ, `teacher` padded."""
    directions = unit(at_least_single(teacher.detach()))
    logits = directions @ directions.mT / temperature
    lowest = torch.finfo(logits.dtype).min
    return logits.masked_fill(~support, lowest).softmax(dim=-1) * support


def attention_distillation(
    logits: Float[Tensor, "graph head query key"],
    target: Float[Tensor, "graph query key"],
    mask: Bool[Tensor, "graph query"],
    support: Bool[Tensor, "graph query key"] | None = None,
    heads: int | None = None,
) -> Float[Tensor, ""]:
    """Mean over real queries i and the first `heads` heads of KL(p_T(·|i) ‖ p_S(·|i)), p_S = softmax of the logits.

    logits: the student's, token column removed, padding keys at the lowest number of their type. Without `support`
    (form mass) p_S is over all real nodes, so that attention outside the support is paid for; with it (form shape)
    p_S is renormalised on the support. Queries may be some of the nodes. This project's own: distillation of
    attention between Transformers (Jiao et al. 2020, Wang et al. 2020) has a teacher with an attention of its own,
    and a GNN's is its message passing.
    """
    target = at_least_single(target.detach())
    # The lowest number of single precision is -inf in bfloat16, and 0 · -inf is not 0.
    logits = at_least_single(logits[:, :heads]).clamp(min=torch.finfo(torch.float32).min)
    if support is not None:
        logits = logits.masked_fill(~support.unsqueeze(1), torch.finfo(logits.dtype).min)
    kl = F.kl_div(logits.log_softmax(dim=-1), target.unsqueeze(1), reduction="none").sum(dim=-1).mean(dim=1)
    return (kl * mask).sum() / mask.sum().clamp(min=1)


class AttentionLoss:
    """The mean of `attention_distillation` over the taught layers; layer l has k = min(l, attention_radius) hops."""

    def __init__(self, projectors: Projectors, micro: MicroConfig) -> None:
        layers = micro.attention_layers or range(1, len(projectors.student.states) + 1)
        self.micro, self.hops = micro, {layer: min(layer, micro.attention_radius) for layer in layers}
        self.requires = Requires(attention=micro.attention_target == "gat", attention_layers=frozenset(self.hops))
        states = None
        if micro.attention_target == "cosine":
            states = projectors.target(projectors.last)
            self.requires |= states.requires
        self.targets = (BatchTargets if projectors.level == "graph" else SampledTargets)(micro, states)
        self.requires |= Requires(derived=frozenset(self.targets.derived))

    def __call__(self, out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Float[Tensor, ""]:
        if missing := self.hops.keys() - out.attention.keys():
            raise UserError(
                f"loss.micro.attention: the student returns no attention logits of layer {min(missing)}. Choose other "
                "loss.micro.attention_layers or another student, or set loss.micro.attention=0."
            )
        targets = self.targets(batch, teacher, set(self.hops.values()))
        values = []
        for layer, radius in self.hops.items():
            logits, (target, support) = targets.queries_of(out.attention[layer]), targets.by_hops[radius]
            heads = self.micro.attention_heads or max(1, logits.size(1) // 2)
            near = support if self.micro.attention_form == "shape" else None
            values.append(attention_distillation(logits, target, targets.mask, near, heads))
        return whole_mean(torch.stack(values).mean(), targets.mask.sum(), batch)


class BatchTargets:
    """Targets of all nodes of a batch of graphs."""

    derived = ()

    def __init__(self, micro: MicroConfig, states: Target | None) -> None:
        self.micro, self.states = micro, states

    def __call__(self, batch: GraphBatch, teacher: TeacherRows, hops: set[int]) -> AttentionTargets:
        messages, by_hops = message_matrix(batch.edge_dense_index, batch.mask), {}
        for radius in hops:
            support = hop_support(messages, batch.mask, radius)
            by_hops[radius] = self._target(batch, teacher, messages, support, radius), support
        return AttentionTargets(by_hops, batch.mask)

    def _target(
        self, batch: GraphBatch, teacher: TeacherRows, messages: Weights, support: Tensor, radius: int
    ) -> Weights:
        if self.micro.attention_target == "propagation":
            return propagation_target(messages, batch.mask, radius)
        if self.micro.attention_target == "gat":
            weights = (teacher.edge_attention, teacher.self_attention)
            return gat_target(batch.edge_dense_index, *weights, batch.dense_index, batch.mask, radius)
        padded = to_padded(self.states.read(teacher), batch)
        return cosine_target(padded, support, self.micro.temperature)


def _self(mask: Mask) -> Bool[Tensor, "graph node node"]:
    return torch.diag_embed(mask)


def _row_stochastic(weights: Weights) -> Weights:
    total = weights.sum(dim=-1, keepdim=True)
    return weights / total.where(total > 0, 1.0)


def _power(weights: Weights, exponent: int) -> Weights:
    result = weights
    for _ in range(exponent - 1):
        result = result @ weights
    return result
