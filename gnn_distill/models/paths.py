"""Sums along shortest paths between all pairs of nodes of a batch."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from gnn_distill.data.batching import StructureBatch
from gnn_distill.data.distances import UNREACHABLE

FEW_ROWS = 16
"""Up to so many, a product with truth values takes less time than adding rows one after another (measured: a sixth of
it at 3 rows, the same at 16)."""


@dataclass
class Walks:
    """Every path of a batch walked back from its end, those of most hops first: step n is about the first rows only."""

    pairs: Int[Tensor, " paths"]
    """Where in [B * M * M] each path has its place: row its start, column its end."""
    hops: Int[Tensor, " paths"]
    """Edges walked."""
    steps: list[Int[Tensor, " still_walking"]]
    """What the n-th edge from the end is: for every path that has so many, its first edges' `kinds`."""


def walk_back(batch: StructureBatch, kinds: Int[Tensor, " edges"], hops: int) -> Walks:
    """The last `hops` edges of the shortest path between any two nodes, of parallel edges the first.

    On a GPU this waits three times for the number of paths.
    """
    size, edges = batch.max_nodes, len(kinds)
    places, device = batch.num_graphs * size**2, kinds.device
    columns = torch.arange(size, device=device)
    length = batch.spd.clamp(max=min(hops, UNREACHABLE)).masked_fill(batch.predecessors == columns, 0).view(-1)
    pairs = length.nonzero().view(-1)
    length, order = length[pairs].sort(descending=True)
    pairs = pairs[order]
    longer = len(pairs) - torch.bincount(length, minlength=hops + 1).cumsum(0)
    first = torch.full((places,), edges, device=device)
    first.scatter_reduce_(0, batch.edge_dense_index, torch.arange(edges, device=device), "amin")
    joining, before = F.pad(kinds, (0, 1))[first], batch.predecessors.reshape(-1)
    here = pairs % size
    row, graph = pairs - here, pairs // size**2 * size**2
    steps = []
    for count in longer[:hops].tolist():
        if not count:
            break
        source = before[row[:count] + here[:count]].long()
        steps.append(joining[graph[:count] + source * size + here[:count]])
        here = source
    return Walks(pairs, length, steps)


def sums_along(walks: Walks, values: Float[Tensor, "kind hop head"]) -> Float[Tensor, "path head"]:
    """Σ_n values[kind of the n-th edge from the end, n] of every path."""
    total = values.new_zeros(0, values.size(2))
    # From the last step to the first, so that every sum is padded to the next one's rows: the gradients are views.
    for number in reversed(range(len(walks.steps))):
        found = Rows.apply(values[:, number], walks.steps[number])
        total = found + F.pad(total, (0, 0, 0, len(found) - len(total)))
    return total


class Rows(torch.autograd.Function):
    """table[index], whose gradient does not wait for itself where many read the same few rows."""

    @staticmethod
    def forward(ctx: Any, table: Float[Tensor, "row column"], index: Int[Tensor, " reader"]) -> Tensor:
        ctx.save_for_backward(index)
        ctx.rows = len(table)
        return table.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, gradient: Float[Tensor, "reader column"]) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        if ctx.rows <= FEW_ROWS:
            readers = torch.arange(ctx.rows, device=index.device)[:, None] == index
            return readers.to(gradient.dtype) @ gradient, None
        return gradient.new_zeros(ctx.rows, gradient.size(1)).index_add_(0, index, gradient), None
