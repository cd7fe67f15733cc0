"""Values of a whole batch, where each of several processes has its share of the graphs.

Every term has the same value in all processes, that of one process with all graphs. Gradients of gathered rows are sums
over processes, and those of means are multiplied by the number of processes, so that the mean over processes, which
DistributedDataParallel takes, is the gradient of one process.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill import ranks
from gnn_distill.data.batching import GraphBatch

Sides = tuple[Float[Tensor, "row student_channel"], Float[Tensor, "row teacher_channel"]]
Units = Callable[[Tensor, GraphBatch], int | Tensor]
"""Over how many units of a batch (rows, nodes, graphs, labels) a loss of some student rows is a mean."""


def each_row(student: Float[Tensor, "row channel"], batch: GraphBatch) -> int:
    """The units of a loss that is a mean over rows, each for itself."""
    return len(student)


def each_graph(student: Float[Tensor, "row channel"], batch: GraphBatch) -> int:
    """The units of a loss that is a mean over graphs."""
    return batch.num_graphs


def whole_mean(value: Float[Tensor, ""], units: int | Tensor, batch: GraphBatch) -> Float[Tensor, ""]:
    """The mean over all processes of one over the `units` of each: Σ_r n_r·v_r / Σ_r n_r."""
    if batch.share is None:
        return value
    units = value.new_tensor(0.0 if batch.share.empty else float(units))
    total, count = ranks.total(torch.stack([value.detach() * units, units]))
    count = count.clamp(min=1)
    own = value * (units * ranks.size() / count)
    return total / count + (own - own.detach())


def whole_rows(student: Tensor, states: Tensor, batch: GraphBatch) -> Sides:
    """Both sides' rows of all processes, with gradients, in the order in which one process would have them.

    Rows of anything but graphs, nodes and patches come process by process.
    """
    if batch.share is None:
        return student, states
    states, order, counts = _ordered(states, batch)
    return _all(student, counts)[order], states


def whole_examples(student: Tensor, states: Tensor, label: Tensor, batch: GraphBatch) -> tuple[Tensor, Tensor, Tensor]:
    """The same of labelled rows, and their labels."""
    if batch.share is None:
        return student, states, label
    student, states = whole_rows(student, torch.cat([states, label.to(states).unsqueeze(1)], dim=1), batch)
    return student, states[:, :-1], states[:, -1].long()


def sample_rows(rows: int, most: int, device: torch.device) -> Tensor:
    """At most `most` of `rows` rows, at random."""
    return torch.randperm(rows, device=device)[:most]


def sample_of_whole(batch: GraphBatch, rows: int, most: int, device: torch.device) -> Tensor:
    """Those of this process's rows that are among `most` of the rows of all processes, at random."""
    if batch.share is None:
        return sample_rows(rows, most, device)
    index = torch.arange(rows, device=device, dtype=torch.float).unsqueeze(1)
    rank = torch.full_like(index, ranks.rank())
    whole, *_ = _ordered(torch.cat([rank, index], dim=1), batch)
    rank, index = whole[sample_rows(len(whole), most, device)].long().T
    return index[rank == ranks.rank()]


def _ordered(states: Tensor, batch: GraphBatch) -> tuple[Tensor, Int[Tensor, "row"], list[int]]:
    """Rows of all processes in the order of one, that order, and how many are whose."""
    counts = ranks.counts_of(0 if batch.share.empty else len(states))
    place = _places(batch, len(states)).to(states.dtype).unsqueeze(1)
    whole = _all(torch.cat([states.detach(), place], dim=1), counts)
    order = whole[:, -1].sort(stable=True).indices
    return whole[order, :-1], order, counts


def _all(rows: Tensor, counts: list[int]) -> Tensor:
    """The rows of all processes, one process after the other."""
    rows = rows[: counts[ranks.rank()]]
    return _Gather.apply(rows, counts) if any(counts) else rows


class _Gather(torch.autograd.Function):
    """The rows of all processes; a row's gradient is the sum of what the same loss gives it in all of them."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        return ranks.rows_of_all(rows, counts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ranks.total(gradient).split(ctx.counts)[ranks.rank()], None


def _places(batch: GraphBatch, rows: int) -> Int[Tensor, "row"]:
    """For each row the place of its graph in the whole batch, whose graphs the processes have in turn."""
    graphs = torch.arange(batch.num_graphs, device=batch.ptr.device)
    owners = [graphs, batch.wanted(batch.batch), *([batch.patches.graph.batch] if batch.patches else [])]
    found = next((owner for owner in owners if len(owner) == rows), graphs.new_zeros(rows))
    return ranks.rank() + ranks.size() * found
