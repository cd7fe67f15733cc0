"""Between teacher and student: what is read of the one, and how the other's states are brought to its width."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gnn_distill.config.schema.objective import AlignmentConfig, Ramp
from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.graph_lookups import LastValue, Structure
from gnn_distill.models.layers.projection import Keep, projection
from gnn_distill.models.layers.standardise import Moments, Standardise
from gnn_distill.models.representations import Representations


@dataclass
class TeacherRows:
    """What the teacher said of a batch: the rows of its signals, in the batch's order; None: not asked for."""

    logits: Float[Tensor, "example output"] | None
    nodes: dict[int, Float[Tensor, "row channel"]]
    """Node states by layer, counted from 1."""
    graph: Float[Tensor, "graph channel"] | None
    edge_attention: Float[Tensor, "edge"] | None = None
    """Its attention along the edges between rows, `GraphBatch.row_edges`."""
    self_attention: Float[Tensor, "row"] | None = None
    """What each node gives itself of it."""

    def to(self, device: torch.device, non_blocking: bool = False) -> "TeacherRows":
        """The same on another device."""
        return self._map(lambda values: values.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "TeacherRows":
        """The same in page-locked memory, for copies that do not block."""
        return self._map(Tensor.pin_memory)

    def _map(self, function: Callable[[Tensor], Tensor]) -> "TeacherRows":
        nodes = {layer: function(states) for layer, states in self.nodes.items()}
        logits, graph, *attention = (
            None if values is None else function(values)
            for values in (self.logits, self.graph, self.edge_attention, self.self_attention)
        )
        return TeacherRows(logits, nodes, graph, *attention)


@dataclass(frozen=True)
class TeacherShape:
    """What the objective has to know of a teacher before training: its depth and the moments of its states."""

    num_layers: int
    nodes: dict[int, Moments]
    graph: Moments
    median_distance: Callable[[], float] = lambda: 1.0
    """Of the last layer's standardised states: between two nodes of a graph. Computed when asked."""


class StudentShape(NamedTuple):
    """Widths of the student's node states, by layer, and of its graph state."""

    states: tuple[int, ...]
    graph: int


class Term(NamedTuple):
    """One loss: its constant weight, when it counts, and how it is computed."""

    name: str
    weight: float
    ramp: Ramp
    loss: Callable[[Representations, GraphBatch, TeacherRows | None], Tensor]


@dataclass
class Requires:
    """What the terms read beside labels and the student's outputs: nothing else is gathered, or computed for them."""

    layers: set[int] = field(default_factory=set)
    """Teacher layers whose node states are read."""
    logits: bool = False
    graph: bool = False
    attention: bool = False
    """The teacher's."""
    attention_layers: set[int] = field(default_factory=set)
    """Student layers whose attention logits are read."""
    distances: bool = False
    """Hop distances of all pairs of a batch."""

    @property
    def teacher(self) -> bool:
        """Whether anything is read of the teacher."""
        return bool(self.layers or self.logits or self.graph or self.attention)


class Target(NamedTuple):
    """States of the teacher as a term reads them."""

    read: Callable[[TeacherRows], Float[Tensor, "row channel"]]
    channels: int
    """How many dimensions are left."""
    kept: Tensor
    """Which they are."""


class Projectors(nn.Module):
    """Owns the projections that terms learn, and the standardisation of what they read of the teacher."""

    def __init__(
        self, teacher: TeacherShape, student: StudentShape, level: str, structure: Structure | None = None
    ) -> None:
        super().__init__()
        self.teacher, self.student, self.level, self.structure = teacher, student, level, structure
        self.standardise, self.projections = nn.ModuleDict(), nn.ModuleDict()
        self.reads = Requires()
        self._operators: dict[str, LastValue] = {}

    @property
    def last(self) -> int:
        """The teacher's last layer, counted from 1."""
        return self.teacher.num_layers

    def nodes(self, layer: int, raw: bool = False) -> Target:
        """Node states after a layer, standardised, or raw with all their dimensions."""
        self.reads.layers.add(layer)
        moments = self.teacher.nodes[layer]
        if raw:
            return _raw(lambda rows: rows.nodes[layer], moments)
        standardise = self._standardise(f"node{layer}", moments)
        return Target(lambda rows: standardise(rows.nodes[layer]), standardise.channels, standardise.alive)

    def graphs(self, raw: bool = False) -> Target:
        """Graph states, standardised, or raw with all their dimensions."""
        self.reads.graph = True
        if raw:
            return _raw(lambda rows: rows.graph, self.teacher.graph)
        standardise = self._standardise("graph", self.teacher.graph)
        return Target(lambda rows: standardise(rows.graph), standardise.channels, standardise.alive)

    def project(self, name: str, kind: str | None, channels: int, target: Target) -> nn.Module:
        """A term's own map from student states of width `channels` to the target's: none, linear or mlp.

        A kind of None is for terms that compare states of any two widths.
        """
        if kind is None:
            return nn.Identity()
        keep = kind == "none"
        self.projections[name] = Keep(target.kept) if keep else projection(kind, channels, target.channels)
        return self.projections[name]

    def restore(self, layer: int, rows: Float[Tensor, "row alive"]) -> Float[Tensor, "row channel"]:
        """Standardised node states of a layer in the teacher's own units."""
        return self._standardise(f"node{layer}", self.teacher.nodes[layer]).restore(rows)

    def operator(self, source: str, align: AlignmentConfig) -> Callable[[GraphBatch], Tensor]:
        """Means over the subgraphs of a batch from `source`, as a sparse matrix."""
        if source not in self._operators:
            self._operators[source] = LastValue(self.structure.subgraphs(source, align).operator)
        return self._operators[source]

    def _standardise(self, key: str, moments: Moments) -> Standardise:
        if key not in self.standardise:
            self.standardise[key] = Standardise(moments)
        return self.standardise[key]


def _raw(read: Callable[[TeacherRows], Tensor], moments: Moments) -> Target:
    channels = len(moments.mean)
    return Target(read, channels, torch.arange(channels, device=moments.mean.device))
