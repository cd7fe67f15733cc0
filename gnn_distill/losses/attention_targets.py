"""Targets of attention for some nodes of large graphs, by sparse products: never a matrix of all pairs.

Rows of the matrices of gnn_distill.losses.attention; edges are pairs (j, i) between n nodes, as in PyG.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gnn_distill.config.schema.objective import MicroConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.derived import Derived
from gnn_distill.data.packed import pointers
from gnn_distill.data.sparse_matrix import Rows
from gnn_distill.losses.prepare import at_least_single, unit
from gnn_distill.losses.projectors import Target
from gnn_distill.losses.term import TeacherRows
from gnn_distill.losses.whole_batch import sample_of_whole

Edges = Int[Tensor, "2 edge"]
Chosen = Int[Tensor, "query"]
Weights = Float[Tensor, "query node"]


class Steps(NamedTuple):
    """Where the entries of a step's transposed matrix are: one for each pair that an edge joins, and the diagonal."""

    place: Int[Tensor, "edge+node"]
    """The entry of every edge, then of every node for itself."""
    ptr: Int[Tensor, "node+1"]
    source: Int[Tensor, "entry"]
    """The node that is attended to, the row of the entry; ascending."""
    target: Int[Tensor, "entry"]
    """The node that attends, its column."""


def steps_along(edge_index: Edges, num_nodes: int) -> Steps:
    """Those of n nodes' edges."""
    nodes = torch.arange(num_nodes)
    source, target = torch.cat([edge_index, nodes.expand(2, -1)], dim=1)
    code, place = (source * num_nodes + target).unique(return_inverse=True)
    source, target = code // num_nodes, code % num_nodes
    return Steps(place, pointers(torch.bincount(source, minlength=num_nodes)), source, target)


def _walk(batch: GraphBatch) -> Steps:
    return steps_along(batch.edge_index, len(batch.node_rows))


def _row_steps(batch: GraphBatch) -> Steps:
    return steps_along(batch.row_edges, len(batch.wanted(batch.node_rows)))


WALK, ROW_STEPS = Derived("walk", _walk), Derived("row_steps", _row_steps)
"""Along all edges of a batch, and along those between its rows."""


def weights_of(
    steps: Steps, weight: Float[Tensor, "edge"] | None = None, loop: Tensor | None = None
) -> Float[Tensor, "entry"]:
    """The transpose of a step's row-stochastic matrix W[i, j] ∝ what node i takes from node j, entry by entry.

    weight: of every edge, with `loop`, of every node for itself; without them D̃⁻¹Ã, as `propagation_target`.
    """
    nodes = len(steps.ptr) - 1
    if weight is None:
        values = torch.ones(len(steps.source), device=steps.ptr.device)
    else:
        given = torch.cat([at_least_single(weight), at_least_single(loop)])
        values = given.new_zeros(len(steps.source)).index_add(0, steps.place, given)
    total = values.new_zeros(nodes).index_add(0, steps.target, values)
    # A node without any weight attends to itself.
    lost = (steps.source == steps.target) & (total[steps.target] <= 0)
    return torch.where(lost, 1.0, values) / total.where(total > 0, 1.0)[steps.target]


def rows_of_power(steps: Steps, weights: Float[Tensor, "entry"], chosen: Chosen, exponent: int) -> Weights:
    """Rows `chosen` of Wᵏ, k = `exponent`, W as `weights_of`; without a gradient."""
    matrix = Rows(steps.ptr, steps.target, weights.detach())
    start = weights.new_zeros(len(steps.ptr) - 1, len(chosen))
    start[chosen, torch.arange(len(chosen), device=chosen.device)] = 1.0
    for _ in range(exponent):
        start = matrix @ start
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
        self.derived = {WALK} | ({ROW_STEPS} if micro.attention_target == "gat" else set())

    def __call__(self, batch: GraphBatch, teacher: TeacherRows, hops: set[int]) -> AttentionTargets:
        device, target_kind = batch.ptr.device, self.micro.attention_target
        nodes = torch.arange(len(batch.node_rows), device=device)
        outputs, place = batch.wanted(nodes), batch.dense_index - batch.batch * batch.max_nodes
        picked = sample_of_whole(batch, len(outputs), self.micro.attention_samples, device)
        queries = outputs[picked]
        if target_kind == "gat":
            steps = ROW_STEPS(batch)
            shares = weights_of(steps, teacher.edge_attention, teacher.self_attention)

        def as_keys(columns: Tensor, values: Float[Tensor, "query column"]) -> Float[Tensor, "query 1 key"]:
            """Columns at their places among the keys; a node of one graph has 0 for those of another."""
            keys = torch.zeros(len(picked), batch.max_nodes, dtype=values.dtype, device=device)
            return keys.index_add(1, place[columns], values).unsqueeze(1)

        by_hops, walk = {}, WALK(batch)
        steps_of_walk = weights_of(walk)
        for radius in hops:
            passed = rows_of_power(walk, steps_of_walk, queries, radius)
            if target_kind == "propagation":
                target = as_keys(nodes, passed)
                by_hops[radius] = target, target > 0
                continue
            near = passed[:, outputs] > 0
            if target_kind == "gat":
                target = rows_of_power(steps, shares, picked, radius)
            else:
                target = cosine_rows(self.states.read(teacher), picked, near, self.micro.temperature)
            by_hops[radius] = as_keys(outputs, target), as_keys(outputs, near.float()) > 0
        mask = torch.ones(len(picked), 1, dtype=torch.bool, device=device)
        return AttentionTargets(by_hops, mask, (batch.batch[queries], place[queries]))
