"""teacher.control=shuffled: which other graph's (node's) states replace its own."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

DECILES = 10


@dataclass
class Foreign:
    """For each kept graph and node, the position of the states that are read instead of its own."""

    graphs: Int[Tensor, " rows"]
    nodes: Int[Tensor, " nodes"]
    classes: int
    """Number of predicted classes."""
    alone: int
    """Number of units that keep their own states, since no other has their class."""


def foreign_graphs(
    logits: Float[Tensor, "rows output"], kind: str, node_ptr: Int[Tensor, " rows+1"], seed: int
) -> Foreign:
    """Every graph reads the states of another graph of its predicted class, and each graph is read once.

    A graph of n nodes reads n of the other's m nodes: a random subset without repetition if n ≤ m; else each of them
    ⌊n/m⌋ or ⌈n/m⌉ times.
    """
    random = torch.Generator().manual_seed(seed)
    classes = predicted_classes(logits, kind)
    graphs = another_of_class(classes, random)
    sizes, total = node_ptr.diff(), int(node_ptr[-1])
    owner = torch.repeat_interleave(sizes, output_size=total)
    place = torch.arange(total) - node_ptr[owner]
    # The nodes of every graph in random order, graph by graph; the first n of the other's are taken, around and around.
    mixed = torch.randperm(total, generator=random)
    mixed = mixed[owner[mixed].sort(stable=True).indices]
    source = graphs[owner]
    return Foreign(graphs, mixed[node_ptr[source] + place % sizes[source]], *_counts(classes))


def foreign_nodes(
    logits: Float[Tensor, "nodes output"], kind: str, taught: Int[Tensor, " taught"] | None, rows: int, seed: int
) -> Foreign:
    """Every taught node reads the states of another taught node of its predicted class."""
    nodes = torch.arange(len(logits))
    taught = nodes if taught is None else taught
    classes = predicted_classes(logits[taught], kind)
    others = taught[another_of_class(classes, torch.Generator().manual_seed(seed))]
    return Foreign(torch.arange(rows), nodes.index_copy(0, taught, others), *_counts(classes))


def predicted_classes(logits: Float[Tensor, "unit output"], kind: str) -> Int[Tensor, " unit"]:
    """The class that the teacher predicts; for regressions and several labels, the decile of the prediction.

    Deciles are by rank along the direction in which predictions vary most, their first principal component: of one
    target the prediction itself. Sets of predicted labels would not do for classes, as most occur once.
    """
    if kind == "multiclass":
        return logits.argmax(dim=1)
    if kind == "binary":
        return (logits[:, 0] > 0).long()
    centred = (logits - logits.mean(dim=0)).double()
    direction = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -1]
    direction = direction * direction[direction.abs().argmax()].sign()
    rank = (centred @ direction).argsort(stable=True).argsort()
    units = len(logits)
    return rank * max(1, min(DECILES, units // 2)) // max(units, 1)  # at least two in each


def another_of_class(classes: Int[Tensor, " unit"], random: torch.Generator) -> Int[Tensor, " unit"]:
    """For every unit another one of its class: the next in a random cyclic order of the class."""
    order = torch.randperm(len(classes), generator=random)
    order = order[classes[order].sort(stable=True).indices]
    source = torch.empty_like(order)
    for members in order.split(torch.bincount(classes).tolist()):
        source[members] = members.roll(1)
    return source


def _counts(classes: Int[Tensor, " unit"]) -> tuple[int, int]:
    members = torch.bincount(classes)
    return int((members > 0).sum()), int((members == 1).sum())
