"""Between teacher and student: standardised states of the one, and maps of the other's states to their width."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gnn_distill.config.schema.objective import AlignmentConfig
from gnn_distill.data.derived import Derived
from gnn_distill.errors import UserError
from gnn_distill.losses.graph_lookups import Structure
from gnn_distill.losses.task import TaskLoss
from gnn_distill.losses.term import Requires, TeacherRows
from gnn_distill.models.layers.projection import Keep, projection
from gnn_distill.models.layers.standardise import Moments, Standardise, Whiten

MOST_CORRELATED = 65_536
"""Largest number of states from which their correlations are computed."""


@dataclass(frozen=True)
class TeacherShape:
    """What the objective has to know of a teacher before training: its depth and the moments of its states."""

    num_layers: int
    nodes: dict[int, Moments]
    """By layer, counted from 1; empty: the teacher gives no node states."""
    graph: Moments | None
    """None: it gives no graph states."""
    draw: Callable[[int | str, int], Float[Tensor, "unit channel"]]
    """At most so many of the states after a layer, of `graph` or `subgraphs`, of what is taught; always the same."""
    median_distance: Callable[[nn.Module], float] = lambda standardise: 1.0
    """`median_distance` of the last layer's states, standardised by a function; computed when called."""
    subgraphs: Moments | None = None
    """Of the means over subgraphs that it gives instead of node states; None: it gives none."""

    def moments(self, of: int | str) -> Moments:
        """Those of the node states after a layer, of `graph` states or of `subgraphs`."""
        return self.nodes[of] if isinstance(of, int) else getattr(self, of)


class StudentShape(NamedTuple):
    """Numbers of channels that terms read of the student's node states, by layer, and of its graph state."""

    states: tuple[int, ...]
    graph: int

    @classmethod
    def of(cls, student: nn.Module, share: float) -> "StudentShape":
        """`share` of a student's channels, rounded, and one at the least."""
        return cls(
            tuple(max(1, round(share * channels)) for channels in student.state_channels),
            max(1, round(share * student.graph_channels)),
        )


class Target(NamedTuple):
    """States of the teacher as a term reads them."""

    states: int | str
    """Node states after this layer, counted from 1; `graph` states; or `subgraphs`, means that the teacher gives."""
    standardise: Standardise | Whiten | None
    """None: raw states with all their dimensions."""
    channels: int
    """Number of dimensions left."""
    kept: Int[Tensor, "alive"]
    """Which dimensions these are."""

    @property
    def requires(self) -> Requires:
        """The states that are read."""
        is_layer = isinstance(self.states, int)
        return Requires(layers=frozenset({self.states})) if is_layer else Requires(**{self.states: True})

    def read(self, teacher: TeacherRows) -> Float[Tensor, "row alive"]:
        """The states of a batch."""
        states = teacher.nodes[self.states] if isinstance(self.states, int) else getattr(teacher, self.states)
        return states if self.standardise is None else self.standardise(states)


class Projectors(nn.Module):
    """Owns the projections that terms learn, and the standardisation of the teacher's states.

    task_loss: knows labels and level of the task; structure: finds subgraphs, walks and anchors when a term needs them;
    whiten: standardised states are also made uncorrelated; operators: what was found for another teacher of the same
    student.
    """

    def __init__(
        self,
        teacher: TeacherShape,
        student: StudentShape,
        task_loss: TaskLoss,
        structure: Structure | None = None,
        whiten: bool = False,
        operators: dict[str, Derived] | None = None,
    ) -> None:
        super().__init__()
        self.teacher, self.student, self.task_loss, self.structure = teacher, student, task_loss, structure
        self.whiten = whiten
        self.standardise, self.projections, self.held = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        self.operators = {} if operators is None else operators
        """Of subgraphs by source, for `operator`."""

    @property
    def level(self) -> str:
        """graph or node: what has a label."""
        return self.task_loss.level

    @property
    def split_by_graph(self) -> bool:
        """Whether batches consist of graphs whose pairs of nodes all fit, as `GraphTask.split_by_graph`."""
        return self.task_loss.split_by_graph

    @property
    def last(self) -> int:
        """The teacher's last layer, counted from 1."""
        return self.teacher.num_layers

    @property
    def student_last(self) -> int:
        """The student's last layer, counted from 1. Raises UserError where it has no states of nodes."""
        if not self.student.states:
            raise UserError(
                "A loss compares states of nodes, and the student has none: its state_channels are empty. Declare "
                "node_states=False in the CAPABILITIES of its module to see which."
            )
        return len(self.student.states)

    @property
    def given_means(self) -> bool:
        """Whether the teacher gives means over subgraphs instead of node states."""
        return self.teacher.subgraphs is not None

    def target(self, states: int | str, raw: bool = False) -> Target:
        """Node states after a layer, `graph` states or `subgraphs`; standardised, or raw with all their dimensions."""
        if raw:
            moments = self.teacher.moments(states)
            channels = len(moments.mean)
            return Target(states, None, channels, torch.arange(channels, device=moments.mean.device))
        standardise = self.standardiser(states)
        return Target(states, standardise, standardise.channels, standardise.alive)

    def standardiser(self, states: int | str) -> Standardise | Whiten:
        """Standardisation of what `target` reads, the same for all terms."""
        key = f"node{states}" if isinstance(states, int) else states
        if key not in self.standardise:
            standardise = Standardise(self.teacher.moments(states))
            if self.whiten:
                standardise = Whiten(standardise, self.teacher.draw(states, MOST_CORRELATED))
            self.standardise[key] = standardise
        return self.standardise[key]

    def project(self, name: str, kind: str | None, channels: int, target: Target) -> nn.Module:
        """A term's own map from student states of width `channels` to the target's: none, linear or mlp.

        A kind of None is for terms that compare states of any two widths.
        """
        if kind is None:
            return nn.Identity()
        keep = kind == "none"
        self.projections[name] = Keep(target.kept) if keep else projection(kind, channels, target.channels)
        return self.projections[name]

    def hold(self, name: str, module: nn.Module) -> nn.Module:
        """The same module, a term's own: it follows the objective to its device, and what it learns is trained."""
        self.held[name] = module
        return module

    def operator(self, source: str, align: AlignmentConfig) -> Derived:
        """Means over the subgraphs of a batch from `source`, as a sparse matrix."""
        if source not in self.operators:
            self.operators[source] = Derived(source, self.structure.subgraphs(source, align).operator)
        return self.operators[source]


def median_distance(
    states: Float[Tensor, "node channel"],
    node_ptr: Int[Tensor, "graphs+1"],
    pairs: int = 20_000,
    seed: int = 0,
    prepare: Callable[[Tensor], Tensor] = lambda rows: rows,
) -> float:
    """Median of ‖h_i − h_j‖ over random pairs of different nodes of a graph; at least 1e-6, the unit of bandwidths.

    prepare: applied to the rows of these pairs alone.

    Graphs of one node have no pair; 1 where no graph has one.
    """
    random = torch.Generator().manual_seed(seed)
    sizes = node_ptr.diff()
    owner = torch.repeat_interleave(sizes)
    candidates = (sizes[owner] > 1).nonzero().squeeze(1)
    if not len(candidates):
        return 1.0
    one = candidates[torch.randint(len(candidates), (pairs,), generator=random)]
    graph = owner[one]
    start, size = node_ptr[graph], sizes[graph]
    # A step of 1 to n − 1 around the graph never comes back to the same node.
    step = 1 + (torch.rand(pairs, generator=random, dtype=torch.float64) * (size - 1)).long()
    other = start + (one - start + step) % size
    difference = prepare(states[one]).float() - prepare(states[other]).float()
    return max(float(difference.norm(dim=-1).median()), 1e-6)
