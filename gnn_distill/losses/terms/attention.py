"""The micro term across architectures as a term: targets of whole batches, or of some nodes of a large graph."""

from collections.abc import Callable

import torch
from torch import Tensor

from gnn_distill.config.schema.objective import MicroConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.errors import UserError
from gnn_distill.losses.attention import (
    attention_distillation,
    cosine_target,
    gat_target,
    hop_support,
    message_matrix,
    propagation_target,
)
from gnn_distill.losses.attention_targets import cosine_rows, rows_of_power, steps_from
from gnn_distill.losses.graph_lookups import LastValue
from gnn_distill.losses.prepare import pad
from gnn_distill.losses.projectors import Projectors, Target, TeacherRows
from gnn_distill.losses.rows import sample_rows
from gnn_distill.models.representations import Representations

Goals = dict[int, tuple[Tensor, Tensor]]
"""By number of hops: the target, and the support."""


def attention_loss(projectors: Projectors, micro: MicroConfig) -> Callable:
    """The mean over the taught layers; layer l has k = min(l, attention_radius) hops."""
    layers = micro.attention_layers or range(1, len(projectors.student.states) + 1)
    hops = {layer: min(layer, micro.attention_radius) for layer in layers}
    projectors.reads.attention_layers |= set(hops)
    projectors.reads.attention |= micro.attention_target == "gat"
    states = projectors.nodes(projectors.last) if micro.attention_target == "cosine" else None
    goals_of = _goals(micro, states) if projectors.level == "graph" else _some_goals(micro, states)

    def loss(out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Tensor:
        if missing := hops.keys() - out.attention.keys():
            raise UserError(
                f"loss.micro.attention: the student gives no attention logits of layer {min(missing)}. Choose other "
                "loss.micro.attention_layers or another student, or set loss.micro.attention=0."
            )
        goals, logits_of, mask = goals_of(out, batch, teacher, set(hops.values()))
        values = []
        for layer, radius in hops.items():
            logits, (target, support) = logits_of(out.attention[layer]), goals[radius]
            heads = micro.attention_heads or max(1, logits.size(1) // 2)
            near = support if micro.attention_form == "shape" else None
            values.append(attention_distillation(logits, target, mask, near, heads))
        return torch.stack(values).mean()

    return loss


def _goals(micro: MicroConfig, states: Target | None) -> Callable:
    """Of all nodes of a batch of graphs."""

    def goals(
        out: Representations, batch: GraphBatch, teacher: TeacherRows, hops: set[int]
    ) -> tuple[Goals, Callable, Tensor]:
        mask, edges = batch.mask, batch.edge_dense_index
        messages, found = message_matrix(edges, mask), {}
        for radius in hops:
            support = hop_support(messages, mask, radius)
            if micro.attention_target == "propagation":
                target = propagation_target(messages, mask, radius)
            elif micro.attention_target == "gat":
                weights = (teacher.edge_attention, teacher.self_attention)
                target = gat_target(edges, *weights, batch.dense_index, mask, radius)
            else:
                padded = pad(states.read(teacher), batch.dense_index, mask)
                target = cosine_target(padded, support, micro.temperature)
            found[radius] = target, support
        return found, lambda logits: logits, mask

    return goals


def _some_goals(micro: MicroConfig, states: Target | None) -> Callable:
    """Node level: of nodes drawn in each step, each as a graph of one query.

    What the teacher says of nodes is heard of the wanted ones alone; the graph's own edges are all there.
    """
    walk = LastValue(lambda batch: steps_from(batch.edge_index, len(batch.node_rows)))

    def goals(
        out: Representations, batch: GraphBatch, teacher: TeacherRows, hops: set[int]
    ) -> tuple[Goals, Callable, Tensor]:
        device = batch.ptr.device
        nodes = torch.arange(len(batch.node_rows), device=device)
        wanted, place = batch.wanted(nodes), batch.dense_index - batch.batch * batch.max_nodes
        picked = sample_rows(len(wanted), micro.attention_samples, device)
        queries = wanted[picked]
        if micro.attention_target == "gat":
            steps = steps_from(batch.row_edges, len(wanted), teacher.edge_attention, teacher.self_attention)

        def as_keys(columns: Tensor, values: Tensor) -> Tensor:
            """[query, 1, key] from [query, column]; what a graph's node has for another's is 0."""
            keys = torch.zeros(len(picked), batch.max_nodes, dtype=values.dtype, device=device)
            return keys.index_add(1, place[columns], values).unsqueeze(1)

        found = {}
        for radius in hops:
            passed = rows_of_power(walk(batch), queries, radius)
            if micro.attention_target == "propagation":
                target = as_keys(nodes, passed)
                found[radius] = target, target > 0
                continue
            near = passed[:, wanted] > 0
            if micro.attention_target == "gat":
                target = rows_of_power(steps, picked, radius)
            else:
                target = cosine_rows(states.read(teacher), picked, near, micro.temperature)
            found[radius] = as_keys(wanted, target), as_keys(wanted, near.float()) > 0
        mask = torch.ones(len(picked), 1, dtype=torch.bool, device=device)
        return found, lambda logits: logits[batch.batch[queries], :, place[queries]].unsqueeze(2), mask

    return goals
