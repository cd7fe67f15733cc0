"""Sums along shortest paths between all pairs of nodes of a batch."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.encodings.distances import UNREACHABLE

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


def walk_back(batch: GraphBatch, kinds: Int[Tensor, " edges"], hops: int) -> Walks:
    """The last `hops` edges of the shortest path between any two nodes, of parallel edges the first.

    On a GPU this waits three times for the number of paths.
    """
    size, edges = batch.max_nodes, len(kinds)
    places, device = batch.num_graphs * size**2, kinds.device
    columns = torch.arange(size, device=device)
    length = batch.spd.clamp(max=min(hops, UNREACHABLE)).masked_fill(batch.predecessors == columns, 0).view(-1)
    pairs = length.nonzero().view(-1)
    length, order = length.index_select(0, pairs).sort(descending=True)
    pairs = pairs.index_select(0, order)
    longer = len(pairs) - torch.bincount(length, minlength=hops + 1).cumsum(0)
    first = torch.full((places,), edges, device=device)
    first.scatter_reduce_(0, batch.edge_dense_index, torch.arange(edges, device=device), "amin")
    # What is looked up again and again is small enough for 32 bits, and so half as much.
    joining = F.pad(kinds, (0, 1)).int().index_select(0, first)
    before = batch.predecessors.reshape(-1).int()
    here = (pairs % size).int()
    row, graph = pairs.int() - here, (pairs // size**2 * size**2).int()
    steps = []
    for count in longer[:hops].tolist():
        if not count:
            break
        source = before.index_select(0, row[:count] + here[:count])
        steps.append(joining.index_select(0, (graph[:count] + here[:count]).add_(source, alpha=size)))
        here = source
    return Walks(pairs, length, steps)


def sums_along(walks: Walks, values: Float[Tensor, "kind hop head"]) -> Float[Tensor, "path head"]:
    """Σ_n values[kind of the n-th edge from the end, n] of every path."""
    return Sums.apply(values, *walks.steps) if walks.steps else values.new_zeros(0, values.size(2))


class Sums(torch.autograd.Function):
    """Steps are summed in place, and their gradients do not wait for each other where many read the same few rows."""

    @staticmethod
    def forward(ctx: Any, values: Float[Tensor, "kind hop head"], *steps: Int[Tensor, " still_walking"]) -> Tensor:
        ctx.save_for_backward(*steps)
        ctx.shape = values.shape
        total = values.new_zeros(len(steps[0]), values.size(2))
        for hop, kinds in enumerate(steps):
            total[: len(kinds)] += values[:, hop].index_select(0, kinds)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Float[Tensor, "path head"]) -> tuple[Tensor | None, ...]:
        total = gradient.new_zeros(ctx.shape)
        rows = torch.arange(len(total), device=gradient.device)[:, None]
        for hop, kinds in enumerate(ctx.saved_tensors):
            given = gradient[: len(kinds)]
            if len(total) <= FEW_ROWS:
                total[:, hop] = (rows == kinds).to(given.dtype) @ given
            else:
                total[:, hop].index_add_(0, kinds, given)
        return total, *(None for _ in ctx.saved_tensors)
