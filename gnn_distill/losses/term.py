"""A term of the objective: one loss with its weight, what it requires, and the teacher's rows that it receives."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import reduce
from operator import or_
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from gnn_distill.config.schema.objective import Ramp
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.derived import Derived
from gnn_distill.data.packed import moved
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
    derived: frozenset[Derived] = field(default=frozenset(), compare=False)
    """What is found in every batch, where it is made."""

    @property
    def teacher(self) -> bool:
        """Whether anything is read of the teacher."""
        return self.logits or self.of_each_teacher

    @property
    def of_each_teacher(self) -> bool:
        """Whether what is read differs between several teachers: all but logits, which are theirs together."""
        return bool(self.layers or self.graph or self.subgraphs or self.attention)

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
    further: list["TeacherRows"] = field(default_factory=list)
    """The states of further teachers; `logits` are those of all teachers together."""

    def to(self, device: torch.device) -> "TeacherRows":
        """The same on another device."""
        return moved(self, device)


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


@dataclass(frozen=True)
class MeanLoss:
    """The mean of several losses, such as those of several layers."""

    losses: Sequence[Loss]

    @property
    def requires(self) -> Requires:
        """What any of them reads."""
        return reduce(or_, (loss.requires for loss in self.losses))

    def __call__(self, out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Float[Tensor, ""]:
        return torch.stack([loss(out, batch, teacher) for loss in self.losses]).mean()


@dataclass(frozen=True)
class MeanOverTeachers(MeanLoss):
    """The mean of the same loss of each of several teachers, with a map of its own for each."""

    def __call__(self, out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Float[Tensor, ""]:
        rows = (teacher, *teacher.further)
        return torch.stack([loss(out, batch, one) for loss, one in zip(self.losses, rows, strict=True)]).mean()


def of_all_teachers(terms: Sequence[Term]) -> Term:
    """The term that several teachers share, given each one's: their mean under its one weight.

    One that reads only what is the same for all, as the logits of the ensemble, is that of the first.
    """
    first, *others = terms
    if not others or not first.requires.of_each_teacher:
        return first
    return replace(first, loss=MeanOverTeachers([term.loss for term in terms]))
