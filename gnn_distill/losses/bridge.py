"""Between teacher and student: what is read of the one, and how the other's states are brought to its width."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gnn_distill.data.batching import StructureBatch
from gnn_distill.losses.alignment import Keep, projection
from gnn_distill.losses.standardise import Moments, Standardise
from gnn_distill.models.representations import Representations
from gnn_distill.schema.objective import Ramp


@dataclass
class TeacherRows:
    """What the teacher said of a batch: the rows of its signals, in the batch's order."""

    logits: Float[Tensor, "example output"]
    nodes: dict[int, Float[Tensor, "row channel"]]
    """Node states by layer, counted from 1."""
    graph: Float[Tensor, "graph channel"]

    def to(self, device: torch.device) -> "TeacherRows":
        """The same on another device."""
        nodes = {layer: states.to(device) for layer, states in self.nodes.items()}
        return TeacherRows(self.logits.to(device), nodes, self.graph.to(device))


@dataclass(frozen=True)
class TeacherShape:
    """What the objective has to know of a teacher before training: its depth and the moments of its states."""

    num_layers: int
    nodes: dict[int, Moments]
    graph: Moments


class StudentShape(NamedTuple):
    """Widths of the student's node states, by layer, and of its graph state."""

    states: tuple[int, ...]
    graph: int


class Term(NamedTuple):
    """One loss: its constant weight, when it counts, and how it is computed."""

    name: str
    weight: float
    ramp: Ramp
    loss: Callable[[Representations, StructureBatch, TeacherRows | None], Tensor]


class Target(NamedTuple):
    """States of the teacher as a term reads them."""

    read: Callable[[TeacherRows], Float[Tensor, "row channel"]]
    channels: int
    """How many dimensions are left."""
    kept: Tensor
    """Which they are."""


class Bridge(nn.Module):
    """Owns the projections that terms learn, and the standardisation of what they read of the teacher."""

    def __init__(self, teacher: TeacherShape, student: StudentShape, level: str) -> None:
        super().__init__()
        self.teacher, self.student, self.level = teacher, student, level
        self.standardise, self.projections = nn.ModuleDict(), nn.ModuleDict()
        self.teacher_layers: set[int] = set()
        """Teacher layers whose node states some term reads."""

    @property
    def last(self) -> int:
        """The teacher's last layer, counted from 1."""
        return self.teacher.num_layers

    def nodes(self, layer: int) -> Target:
        """Standardised node states after a layer."""
        self.teacher_layers.add(layer)
        standardise = self._standardise(f"node{layer}", self.teacher.nodes[layer])
        return Target(lambda rows: standardise(rows.nodes[layer]), standardise.channels, standardise.alive)

    def graphs(self) -> Target:
        """Standardised graph states."""
        standardise = self._standardise("graph", self.teacher.graph)
        return Target(lambda rows: standardise(rows.graph), standardise.channels, standardise.alive)

    def project(self, name: str, kind: str, channels: int, target: Target) -> nn.Module:
        """A term's own map from student states of width `channels` to the target's: none, linear or mlp."""
        keep = kind == "none"
        self.projections[name] = Keep(target.kept) if keep else projection(kind, channels, target.channels)
        return self.projections[name]

    def _standardise(self, key: str, moments: Moments) -> Standardise:
        if key not in self.standardise:
            self.standardise[key] = Standardise(moments)
        return self.standardise[key]
