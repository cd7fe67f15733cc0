"""Sums along shortest paths between all pairs of nodes of a batch."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.encodings.distances import UNREACHABLE

FEW_ROWS = 16
"""Number of rows up to which a product with booleans is faster than adding rows sequentially (measured: a sixth of the
time at 3 rows, the same at 16)."""


@dataclass
class PathSteps:
    """The edges of all paths of a batch, back from their ends, longest paths first: step n covers the first rows."""

    pairs: Int[Tensor, " paths"]
    """Index of each path in [B * M * M]: row its start, column its end."""
    hops: Int[Tensor, " paths"]
    """Number of edges of each path."""
    steps: list[Int[Tensor, " still_walking"]]
    """`kinds` of the n-th edges from the end, for all paths with at least n edges."""


class FlatSteps(NamedTuple):
    """The same steps one after another, for sums whose code does not depend on the number of hops."""

    kinds: Int[Tensor, " steps"]
    rows: Int[Tensor, " steps"]
    """The path of each."""
    places: Int[Tensor, " steps"]
    """n − 1 of each."""

    @classmethod
    def of(cls, steps: list[Int[Tensor, " still_walking"]]) -> "FlatSteps":
        """On the host."""
        none = [torch.empty(0, dtype=torch.int32)]
        rows = [torch.arange(len(kinds), dtype=torch.int32) for kinds in steps]
        places = [torch.full_like(kinds, place) for place, kinds in enumerate(steps)]
        return cls(*(torch.cat(none + parts) for parts in (steps, rows, places)))


def walk_back(batch: GraphBatch, kinds: Int[Tensor, " edges"], hops: int) -> PathSteps:
    """The last `hops` edges of the shortest path between any two nodes, of parallel edges the first; on the host."""
    size, edges = batch.max_nodes, len(kinds)
    places = batch.num_graphs * size**2
    columns = torch.arange(size)
    length = batch.spd.clamp(max=min(hops, UNREACHABLE)).masked_fill(batch.predecessors == columns, 0).view(-1)
    pairs = length.nonzero().view(-1)
    length, order = length.index_select(0, pairs).sort(descending=True)
    pairs = pairs.index_select(0, order)
    longer = len(pairs) - torch.bincount(length, minlength=hops + 1).cumsum(0)
    first = torch.full((places,), edges)
    first.scatter_reduce_(0, batch.edge_dense_index, torch.arange(edges), "amin")
    # Indices that are gathered repeatedly fit in 32 bits, which halves the traffic.
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
    return PathSteps(pairs, length, steps)


def sums_along(paths: PathSteps, values: Float[Tensor, "kind hop head"]) -> Float[Tensor, "path head"]:
    """Σ_n values[kind of the n-th edge from the end, n] of every path."""
    return Sums.apply(values, *paths.steps) if paths.steps else values.new_zeros(0, values.size(2))


def flat_sums(steps: FlatSteps, paths: int, values: Float[Tensor, "kind hop head"]) -> Float[Tensor, "path head"]:
    """The same of as many paths, as one sum for all n."""
    terms = values.flatten(0, 1).index_select(0, steps.kinds * values.size(1) + steps.places)
    return values.new_zeros(paths, values.size(2)).index_add(0, steps.rows, terms)


class Sums(torch.autograd.Function):
    """Sums steps in place, with gradients that avoid contention when many steps read the same few rows."""

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
            part = gradient[: len(kinds)]
            if len(total) <= FEW_ROWS:
                total[:, hop] = (rows == kinds).to(part.dtype) @ part
            else:
                total[:, hop].index_add_(0, kinds, part)
        return total, *(None for _ in ctx.saved_tensors)
