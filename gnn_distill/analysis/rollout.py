"""Attention rollout: how much each node is attended to, over all layers (Abnar & Zuidema 2020)."""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from gnn_distill.analysis.influence import at_rest
from gnn_distill.analysis.states import Subject
from gnn_distill.data.batching import collate
from gnn_distill.data.budget import evaluation_batches
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.models.transformer_backbone import SelfAttention

BATCH = 32


def attention_rollout(
    subject: Subject, graphs: PackedGraphs, nodes: Sequence[tuple[int, int]] | None = None
) -> list[Float[np.ndarray, " nodes"]] | None:
    """Of each graph the share of every node in R = Π_l ½·(I + Ā_l), Ā_l the mean over the heads of layer l.

    It is the row of the graph token, whose state the head reads, without the token itself; where there is none, the
    mean over the rows of all nodes. nodes: at node level a graph and a place in it for each row of R that is asked for.
    Shares add up to 1. None for a model without a matrix of attention between nodes. What else a layer does, such as
    message passing, is not part of it.
    """
    model = subject.model
    if "attention_layers" not in inspect.signature(model.forward).parameters:
        return None
    asked = [(graph, None) for graph in range(len(graphs))] if nodes is None else nodes
    found: list[np.ndarray | None] = [None] * len(asked)
    encodings, layers = subject.encodings_of(graphs), frozenset(range(1, len(model.state_channels) + 1))
    budget = max(subject.max_pairs, int(graphs.num_nodes.max()) ** 2)
    with at_rest(model), torch.no_grad(), with_token(model) as logits:
        for ids in evaluation_batches(graphs.num_nodes, torch.arange(len(graphs)), BATCH, budget):
            logits.clear()
            batch = collate(graphs, encodings, ids)
            returned = model(batch, layers).attention
            matrices = logits or [returned[layer] for layer in sorted(returned)]
            if not matrices:
                return None
            rollout, token = _rollout(matrices), matrices[0].size(-1) > batch.max_nodes
            place_of = {graph: place for place, graph in enumerate(ids.tolist())}
            for number, (graph, node) in enumerate(asked):
                if (place := place_of.get(graph)) is not None:
                    found[number] = _shares(rollout[place], int(batch.ptr.diff()[place]), token, node).numpy()
    return found


def _rollout(logits: list[Float[Tensor, "graph head query key"]]) -> Float[Tensor, "graph query key"]:
    rollout = torch.eye(logits[0].size(-1), dtype=torch.double).expand(len(logits[0]), -1, -1)
    for layer in logits:
        rollout = 0.5 * (rollout + layer.double().softmax(dim=-1).mean(dim=1) @ rollout)
    return rollout


def _shares(
    rollout: Float[Tensor, "query key"], size: int, token: bool, node: int | None = None
) -> Float[Tensor, " node"]:
    """What the row that is read has for each of the `size` nodes of a graph."""
    among = rollout[int(token) :, int(token) :][:size, :size]
    of_graph = rollout[0, 1 : size + 1] if token else among.sum(dim=0)
    read = of_graph if node is None else among[node]
    return read / read.sum()


@contextmanager
def with_token(model: nn.Module) -> Iterator[list[Tensor]]:
    """Within it the attention logits of a Transformer, those of its graph token included, are in the list."""
    found: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: tuple[Tensor, Tensor | None]) -> None:
        found.extend(logits for logits in output[1:] if logits is not None)

    handles = [module.register_forward_hook(keep) for module in model.modules() if isinstance(module, SelfAttention)]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
