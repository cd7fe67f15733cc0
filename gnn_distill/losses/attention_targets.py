"""Targets of attention for some nodes of large graphs, by sparse products: never a matrix of all pairs.

Rows of the matrices of gnn_distill.losses.attention; edges are pairs (j, i) between n nodes, as in PyG.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gnn_distill.config.schema.objective import MicroConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.graph_lookups import LastValue
from gnn_distill.losses.prepare import at_least_single, unit
from gnn_distill.losses.projectors import Target
from gnn_distill.losses.term import TeacherRows
from gnn_distill.losses.whole_batch import sample_of_whole

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


class AttentionTargets(NamedTuple):
    """What the attention of a batch is taught."""

    by_hops: dict[int, tuple[Float[Tensor, "graph query key"], Bool[Tensor, "graph query key"]]]
    """Target and support, by number of hops."""
    mask: Bool[Tensor, "graph query"]
    """Which queries are real nodes."""
    sampled: tuple[Int[Tensor, "query"], Int[Tensor, "query"]] | None = None
    """Graph and place of the queries, where only some nodes are taught, each as a graph of one query; None: all."""

    def queries_of(self, logits: Float[Tensor, "graph head node key"]) -> Float[Tensor, "graph head query key"]:
        """The attention logits of the queries."""
        if self.sampled is None:
            return logits
        graph, place = self.sampled
        return logits[graph, :, place].unsqueeze(2)


class SampledTargets:
    """Node level: targets of nodes drawn in each step, each as a graph of one query.

    The teacher's states and attention are those of the batch's outputs alone; the graph's own edges are complete.
    """

    def __init__(self, micro: MicroConfig, states: Target | None) -> None:
        self.micro, self.states = micro, states
        self.walk = LastValue(_walk)

    def __call__(self, batch: GraphBatch, teacher: TeacherRows, hops: set[int]) -> AttentionTargets:
        device, target_kind = batch.ptr.device, self.micro.attention_target
        nodes = torch.arange(len(batch.node_rows), device=device)
        outputs, place = batch.wanted(nodes), batch.dense_index - batch.batch * batch.max_nodes
        picked = sample_of_whole(batch, len(outputs), self.micro.attention_samples, device)
        queries = outputs[picked]
        if target_kind == "gat":
            steps = steps_from(batch.row_edges, len(outputs), teacher.edge_attention, teacher.self_attention)

        def as_keys(columns: Tensor, values: Float[Tensor, "query column"]) -> Float[Tensor, "query 1 key"]:
            """Columns at their places among the keys; a node of one graph has 0 for those of another."""
            keys = torch.zeros(len(picked), batch.max_nodes, dtype=values.dtype, device=device)
            return keys.index_add(1, place[columns], values).unsqueeze(1)

        by_hops = {}
        for radius in hops:
            passed = rows_of_power(self.walk(batch), queries, radius)
            if target_kind == "propagation":
                target = as_keys(nodes, passed)
                by_hops[radius] = target, target > 0
                continue
            near = passed[:, outputs] > 0
            if target_kind == "gat":
                target = rows_of_power(steps, picked, radius)
            else:
                target = cosine_rows(self.states.read(teacher), picked, near, self.micro.temperature)
            by_hops[radius] = as_keys(outputs, target), as_keys(outputs, near.float()) > 0
        mask = torch.ones(len(picked), 1, dtype=torch.bool, device=device)
        return AttentionTargets(by_hops, mask, (batch.batch[queries], place[queries]))


def _walk(batch: GraphBatch) -> Float[Tensor, "node node"]:
    return steps_from(batch.edge_index, len(batch.node_rows))
