"""Where models attend, by the hops between query and key, against uniform attention and against propagation.

Attention mass is not information flow: values of far nodes may add up to nothing. Influence tells that apart.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gnn_distill.analysis.hops import bin_of
from gnn_distill.analysis.influence import Scene, at_rest
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.encodings.distances import UNREACHABLE
from gnn_distill.losses.attention import gat_target, message_matrix, propagation_target

STEPS = (1, 2, 3, 4)
"""Steps of propagation with which attention is compared."""
Weight = Float[np.ndarray, "*set unit"]
"""Weights of units, or sets of such weights."""


@dataclass(frozen=True)
class Uniform:
    """Sums over the queries of each unit for uniform attention within graphs, and their number."""

    mass: Float[np.ndarray, "unit bin"]
    moment: Float[np.ndarray, " unit"]
    queries: Float[np.ndarray, " unit"]
    ranked: Float[np.ndarray, " unit"]
    """Queries with more than one key, whose attention has an entropy to speak of."""


@dataclass(frozen=True)
class LayerSums:
    """Sums over the queries of each unit: a graph, or one query of a large graph. Bins as in ByHop."""

    mass: Float[np.ndarray, "unit head bin"]
    """Σ_i Σ_{j: d(i, j) = k} a_ij."""
    moment: Float[np.ndarray, "unit head"]
    """Σ_i Σ_j d(i, j)·a_ij over reachable j."""
    entropy: Float[np.ndarray, "unit head"]
    """Σ_i H(a_i) / log n."""
    overlap: Float[np.ndarray, "unit head step"]
    """Σ_i Σ_j min(a_ij, Pᵏ_ij), P = D̃⁻¹Ã, k of STEPS."""
    rollout: Float[np.ndarray, "unit bin"]
    """The mass by hop of the rollout up to this layer."""


@dataclass(frozen=True)
class Attention:
    """Attention of a model by layer (counted from 1), and uniform attention on the same graphs."""

    layers: dict[int, LayerSums]
    uniform: Uniform

    def mass(self, layer: int, weight: Weight) -> Float[np.ndarray, "*set head bin"]:
        """mass(k) = mean_i Σ_{j: d(i, j) = k} a_ij."""
        return _ratio(self.layers[layer].mass, self.uniform.queries, weight)

    def lift(self, layer: int, weight: Weight) -> Float[np.ndarray, "*set head bin"]:
        """mass(k) / mass of uniform attention (k): shells grow with distance, so mass alone says little."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.mass(layer, weight) / _ratio(self.uniform.mass, self.uniform.queries, weight)[..., None, :]

    def mean_lift(self, layer: int, weight: Weight) -> Float[np.ndarray, "*set bin"]:
        """The lift of the mean over heads."""
        return self.lift(layer, weight).mean(axis=-2)

    def far_lift(self, layer: int, weight: Weight, far: int) -> Float[np.ndarray, "*set head"]:
        """The lift of all mass at `far` hops or more, without the unreachable; NaN if nothing is as far."""
        uniform = _ratio(self.uniform.mass, self.uniform.queries, weight)[..., None, far:-1].sum(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.mass(layer, weight)[..., far:-1].sum(axis=-1) / uniform

    def distance(self, layer: int, weight: Weight) -> Float[np.ndarray, "*set head"]:
        """Mean attention distance in hops, of the mass on reachable nodes."""
        sums = self.layers[layer]
        return _ratio(sums.moment, sums.mass[..., :-1].sum(axis=-1), weight)

    def uniform_distance(self, weight: Weight) -> Float[np.ndarray, "*set"]:
        """The same of uniform attention."""
        return _ratio(self.uniform.moment, self.uniform.mass[:, :-1].sum(axis=-1), weight)

    def entropy(self, layer: int, weight: Weight) -> Float[np.ndarray, "*set head"]:
        """Mean of H(a_i) / log n, 1 for uniform attention; NaN if all graphs are single nodes."""
        return _ratio(self.layers[layer].entropy, self.uniform.ranked, weight)

    def overlap(self, layer: int, weight: Weight) -> Float[np.ndarray, "*set head step"]:
        """Σ_j min(a_ij, Pᵏ_ij), mean over i: 1 if attention is k steps of propagation."""
        return _ratio(self.layers[layer].overlap, self.uniform.queries, weight)

    def rollout(self, layer: int, weight: Weight) -> Float[np.ndarray, "*set bin"]:
        """mass(k) of the rollout up to this layer."""
        return _ratio(self.layers[layer].rollout, self.uniform.queries, weight)


def attention_by_hop(scene: Scene) -> Attention | None:
    """The attention of all layers between nodes; of GAT teachers the mean over heads of the last layer.

    A graph token's column is left out: the rest is renormalised. None for a model without a matrix of attention
    between nodes. One forward pass a batch and layer, so that one layer's matrices are in memory.
    """
    found: dict[int, list[LayerSums]] = {}
    uniforms, order, places = [], [], scene.draw_roots()
    with at_rest(scene.model), torch.no_grad():
        for batch, positions in scene.batches():
            pairs = Pairs.of(scene, batch, places)
            order.append(positions if scene.per_graph else np.arange(len(places)))
            for layer, weights, rollout in attention_matrices(scene, batch):
                found.setdefault(layer, []).append(pairs.sums(weights, rollout))
            uniforms.append(pairs.uniform())
    if not found:
        return None
    back = np.argsort(np.concatenate(order))
    return Attention({layer: _joined(parts, back) for layer, parts in found.items()}, _joined(uniforms, back))


def attention_matrices(
    scene: Scene, batch: GraphBatch
) -> Iterator[tuple[int, Float[Tensor, "graph head query key"], Float[Tensor, "graph query key"]]]:
    """Each layer, its attention over real nodes, and the rollout up to it; rows of padding are anything.

    Rollout: Π_l ½·(I + Ā_l), Ā the mean over heads (Abnar & Zuidema 2020); of a GAT the last layer's Āᴸ.
    """
    model, depth = scene.model, len(scene.model.state_channels)
    if "attention_layers" not in inspect.signature(model.forward).parameters:
        out = model(batch)
        if out.edge_attention is not None:
            weights = (batch.edge_dense_index, out.edge_attention, out.self_attention, batch.dense_index, batch.mask)
            yield depth, gat_target(*weights)[:, None], gat_target(*weights, radius=depth)
        return
    rollout = torch.eye(batch.max_nodes).expand(batch.num_graphs, -1, -1)
    for layer in range(1, depth + 1):
        logits = model(batch, frozenset({layer})).attention.get(layer)
        if logits is None:
            return
        weights = logits.float().softmax(dim=-1)
        rollout = 0.5 * (rollout + weights.mean(dim=1) @ rollout)
        yield layer, weights, rollout


@dataclass(frozen=True)
class Pairs:
    """The pairs of query and key of a batch that count: their distances, and the unit of each query."""

    queries: Int[Tensor, " query"]
    """Places of the queries in each graph: all, or in one large graph its roots."""
    place: Int[Tensor, " pairs"]
    """unit · bins + bin of every padded pair; pairs of queries that are padding come last."""
    hops: Float[Tensor, "graph query key"]
    """0 where unreachable, and on padding."""
    unit: Int[Tensor, "graph query"]
    units: int
    bins: int
    mask: Bool[Tensor, "graph key"]
    powers: tuple[Float[Tensor, "graph query key"], ...]
    """Rows of Pᵏ, k of STEPS, P = D̃⁻¹Ã."""

    @classmethod
    def of(cls, scene: Scene, batch: GraphBatch, roots: Int[np.ndarray, " root"]) -> Self:
        """Units are the graphs, or in one graph the queries `roots`."""
        units, bins = batch.num_graphs if scene.per_graph else len(roots), scene.hops + 3
        if scene.per_graph:
            queries = torch.arange(batch.max_nodes)
            unit = torch.where(batch.mask, torch.arange(units)[:, None], units)
        else:
            queries, unit = torch.from_numpy(roots), torch.arange(units)[None]
        distances = scene.distances.among(batch)[:, queries]
        place = unit[:, :, None] * bins + torch.from_numpy(bin_of(distances.numpy(), scene.hops))
        hops = distances.masked_fill(distances == UNREACHABLE, 0).float()
        walk = propagation_target(message_matrix(batch.edge_dense_index, batch.mask), batch.mask, 1)
        powers = [walk[:, queries]]
        while len(powers) < len(STEPS):
            powers.append(powers[-1] @ walk)
        return cls(queries, place.flatten(), hops, unit, units, bins, batch.mask, tuple(powers))

    def sums(
        self, weights: Float[Tensor, "graph head node key"], rollout: Float[Tensor, "graph node key"]
    ) -> LayerSums:
        """The sums over the queries of each unit."""
        weights, rollout = weights[:, :, self.queries], rollout[:, self.queries]
        size = self.mask.sum(dim=1).clamp(min=2).log()[:, None, None]
        overlap = [torch.minimum(weights, power[:, None]).sum(dim=-1) for power in self.powers]
        return LayerSums(
            mass=self._by_bin(weights),
            moment=self._by_unit((weights * self.hops[:, None]).sum(dim=-1)),
            entropy=self._by_unit(torch.special.entr(weights).sum(dim=-1) / size),
            overlap=np.stack([self._by_unit(part) for part in overlap], axis=-1),
            rollout=self._by_bin(rollout[:, None])[:, 0],
        )

    def uniform(self) -> Uniform:
        """Those of uniform attention."""
        size = self.mask.sum(dim=1)
        weights = (self.mask / size[:, None])[:, None, None].expand(-1, 1, len(self.queries), -1)
        one = torch.ones_like(self.unit, dtype=torch.float)[:, None]
        return Uniform(
            mass=self._by_bin(weights)[:, 0],
            moment=self._by_unit((weights * self.hops[:, None]).sum(dim=-1))[:, 0],
            queries=self._by_unit(one)[:, 0],
            ranked=self._by_unit(one * (size > 1)[:, None, None])[:, 0],
        )

    def _by_bin(self, weights: Float[Tensor, "graph head query key"]) -> Float[np.ndarray, "unit head bin"]:
        heads = weights.size(1)
        flat = weights.permute(0, 2, 3, 1).reshape(-1, heads).double()
        sums = flat.new_zeros((self.units + 1) * self.bins, heads).index_add_(0, self.place, flat)
        return sums.view(-1, self.bins, heads)[:-1].mT.numpy()

    def _by_unit(self, values: Float[Tensor, "graph head query"]) -> Float[np.ndarray, "unit head"]:
        flat = values.transpose(1, 2).flatten(0, 1).double()
        sums = flat.new_zeros(self.units + 1, flat.size(1)).index_add_(0, self.unit.flatten(), flat)
        return sums[:-1].numpy()


def _ratio(sums: np.ndarray, of: np.ndarray, weight: Weight) -> np.ndarray:
    """Σ_unit w·sums [unit, ...] / Σ_unit w·of [unit] or, with as many dimensions, [unit, ...]."""
    above, below = (np.tensordot(weight, part, axes=(-1, 0)) for part in (sums, of))
    below = np.expand_dims(below, tuple(range(-(sums.ndim - of.ndim), 0)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return above / below


def _joined(parts: list, back: np.ndarray) -> LayerSums | Uniform:
    """All units of the parts, in the order `back`."""
    kind = type(parts[0])
    return kind(*(np.concatenate([getattr(part, item.name) for part in parts])[back] for item in fields(kind)))
