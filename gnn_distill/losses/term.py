"""A term of the objective: one loss with its weight, what it requires, and the teacher's rows that it receives."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from gnn_distill.config.schema.objective import Ramp
from gnn_distill.data.batching import GraphBatch
from gnn_distill.models.representations import Representations


@dataclass(frozen=True)
class Requires:
    """What terms read besides labels and the student's outputs: nothing else is gathered, or computed for them."""

    layers: frozenset[int] = frozenset()
    """Teacher layers whose node states are read, counted from 1."""
    logits: bool = False
    """The teacher's logits."""
    graph: bool = False
    """The teacher's graph states."""
    subgraphs: bool = False
    """The means over subgraphs that the teacher gives instead of node states."""
    attention: bool = False
    """The teacher's attention along edges."""
    attention_layers: frozenset[int] = frozenset()
    """Student layers whose attention logits are read, counted from 1."""
    distances: bool = False
    """Hop distances between all pairs of nodes of a graph."""

    @property
    def teacher(self) -> bool:
        """Whether anything is read of the teacher."""
        return bool(self.layers or self.logits or self.graph or self.subgraphs or self.attention)

    def __or__(self, other: "Requires") -> "Requires":
        """What either of the two requires."""
        return Requires(*(getattr(self, key.name) | getattr(other, key.name) for key in fields(self)))


@dataclass
class TeacherRows:
    """The teacher's outputs on a batch, row by row in the batch's order; None: not required."""

    logits: Float[Tensor, "example output"] | None
    nodes: dict[int, Float[Tensor, "row channel"]]
    """Node states by layer, counted from 1."""
    graph: Float[Tensor, "graph channel"] | None
    edge_attention: Float[Tensor, "edge"] | None = None
    """Its attention along the edges between rows, `GraphBatch.row_edges`."""
    self_attention: Float[Tensor, "row"] | None = None
    """The attention of each node to itself."""
    subgraphs: Float[Tensor, "subgraph channel"] | None = None
    """Means of its node states over the subgraphs of a batch, where it gives no node states."""

    def to(self, device: torch.device, non_blocking: bool = False) -> "TeacherRows":
        """The same on another device."""
        return self._map(lambda values: values.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "TeacherRows":
        """The same in page-locked memory, for copies that do not block."""
        return self._map(Tensor.pin_memory)

    def _map(self, function: Callable[[Tensor], Tensor]) -> "TeacherRows":
        nodes = {layer: function(states) for layer, states in self.nodes.items()}
        logits, graph, *others = (
            None if values is None else function(values)
            for values in (self.logits, self.graph, self.edge_attention, self.self_attention, self.subgraphs)
        )
        return TeacherRows(logits, nodes, graph, *others)


class Loss(Protocol):
    """Computes a term's value."""

    requires: Requires

    def __call__(self, out: Representations, batch: GraphBatch, teacher: TeacherRows | None) -> Float[Tensor, ""]:
        """The value on a batch, from the student's and the teacher's outputs."""


@dataclass(frozen=True)
class Term:
    """One loss of the objective: its constant weight, when it counts, and how it is computed."""

    name: str
    weight: float
    ramp: Ramp
    loss: Loss

    @property
    def requires(self) -> Requires:
        """What it reads besides labels and the student's outputs."""
        return self.loss.requires

    def __call__(self, out: Representations, batch: GraphBatch, teacher: TeacherRows | None) -> Float[Tensor, ""]:
        """The raw value on a batch, without the weight."""
        return self.loss(out, batch, teacher)
