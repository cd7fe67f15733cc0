"""Which rows of the student's states a term compares with which of the teacher's, and losses of such rows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from jaxtyping import Float
from torch import Tensor, nn

from gnn_distill.config.schema.objective import AlignmentConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.derived import Derived
from gnn_distill.losses.prepare import class_index, means_of
from gnn_distill.losses.projectors import Projectors, Target
from gnn_distill.losses.task import TaskLoss
from gnn_distill.losses.term import Requires, TeacherRows
from gnn_distill.losses.whole_batch import Sides, Units, sample_rows, whole_examples, whole_mean, whole_rows
from gnn_distill.models.layers.standardise import Standardise
from gnn_distill.models.representations import Representations


class Rows(Protocol):
    """Finds both sides' rows of a batch."""

    requires: Requires

    def __call__(self, out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Sides:
        """The student's rows, projected, and the teacher's."""


@dataclass(frozen=True)
class RowLoss:
    """A loss of both sides' rows: formula(student, teacher); 0 where a batch has none."""

    rows: Rows
    formula: Callable[..., Float[Tensor, ""]]
    extra: Requires = field(default_factory=Requires)
    """What the formula itself reads."""
    units: Units | None = None
    """Of what the formula is a mean; None: it relates rows to one another, and takes those of the whole batch."""

    @property
    def requires(self) -> Requires:
        return self.rows.requires | self.extra

    def __call__(self, out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Float[Tensor, ""]:
        student, states = self.rows(out, batch, teacher)
        if self.units is None and not _of_whole(self.rows):
            student, states = whole_rows(student, states, batch)
        # There are no prototypes of classes in a batch without labels.
        value = self._loss(student, states, batch) if len(student) else out.logits.sum() * 0.0
        if self.units is None or batch.share is None:
            return value
        return whole_mean(value, self.units(student, batch), batch)

    def _loss(self, student: Tensor, states: Tensor, batch: GraphBatch) -> Float[Tensor, ""]:
        return self.formula(student, states)


class BatchLoss(RowLoss):
    """A loss of both sides' rows and of the graphs they belong to: formula(student, teacher, batch)."""

    def _loss(self, student: Tensor, states: Tensor, batch: GraphBatch) -> Float[Tensor, ""]:
        return self.formula(student, states, batch.whole if self.units is None else batch)


class LogitRows:
    """Logits of both sides."""

    requires = Requires(logits=True)

    def __call__(self, out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Sides:
        return out.logits, teacher.logits


@dataclass(frozen=True)
class StateRows:
    """Node or graph states of both sides."""

    layer: int | None
    """The student's node states after this layer, counted from 1; None: its graph states."""
    target: Target
    project: nn.Module
    channels: int
    """How many of the student's channels are compared, the first ones; the others are free."""
    samples: int = 0
    """Largest number of rows, drawn at random in every step; 0: all."""

    @property
    def requires(self) -> Requires:
        return self.target.requires

    def __call__(self, out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Sides:
        student = (out.graph if self.layer is None else out.nodes[self.layer - 1])[:, : self.channels]
        states = self.target.read(teacher)
        if self.samples:
            student, states = whole_rows(student, states, batch)
            picked = sample_rows(len(student), self.samples, student.device)
            student, states = student[picked], states[picked]
        return self.project(student), states


@dataclass(frozen=True)
class HeadRows:
    """Last node states, the student's as it hands them to the teacher's head."""

    target: Target
    standardise: Standardise | None
    """Brings the student's to the teacher's own units; None: they are compared standardised."""

    @property
    def requires(self) -> Requires:
        return self.target.requires

    def __call__(self, out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Sides:
        student = out.projected if self.standardise is None else self.standardise.restore(out.projected)
        return student, self.target.read(teacher)


@dataclass(frozen=True)
class PooledRows:
    """Means of both sides' rows by a sparse row-stochastic matrix, applied `times` times."""

    rows: Rows
    operator: Derived
    """Finds the matrix of a batch."""
    times: int = 1

    @property
    def requires(self) -> Requires:
        return self.rows.requires | Requires(derived=frozenset({self.operator}))

    def __call__(self, out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Sides:
        student, states = self.rows(out, batch, teacher)
        matrix = self.operator(batch)
        for _ in range(self.times):
            student, states = matrix @ student, matrix @ states
        return student, states


@dataclass(frozen=True)
class GivenMeans:
    """Means over subgraphs: of the student's projected last node states, and those that the teacher gives."""

    target: Target
    project: nn.Module
    channels: int
    """How many of the student's channels are compared, the first ones."""
    operator: Derived
    """Finds the matrix of a batch."""

    @property
    def requires(self) -> Requires:
        return self.target.requires | Requires(derived=frozenset({self.operator}))

    def __call__(self, out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Sides:
        student = self.project(out.nodes[-1][:, : self.channels])
        return self.operator(batch) @ student, self.target.read(teacher)


@dataclass(frozen=True)
class PatchRows:
    """The student's patch states, and the means of the teacher's node states over each patch."""

    target: Target
    project: nn.Module
    channels: int
    """How many of the student's channels are compared, the first ones; the others are free."""

    @property
    def requires(self) -> Requires:
        return self.target.requires

    def __call__(self, out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Sides:
        states = self.target.read(teacher).index_select(0, batch.patches.members)
        return self.project(out.patches[:, : self.channels]), batch.patches.means(states)


@dataclass(frozen=True)
class ClassRows:
    """Means of both sides' rows over the labelled examples of each class, of all processes' share of the batch."""

    rows: Rows
    task_loss: TaskLoss

    @property
    def requires(self) -> Requires:
        return self.rows.requires | Requires(derived=frozenset({self.task_loss.class_index}))

    def __call__(self, out: Representations, batch: GraphBatch, teacher: TeacherRows) -> Sides:
        student, states = (batch.examples(rows) for rows in self.rows(out, batch, teacher))
        if batch.share is None:
            index, count = self.task_loss.class_index(batch)
        else:
            label = self.task_loss.classes(batch.examples(batch.y))
            student, states, label = whole_examples(student, states, label, batch)
            index, count = class_index(label)
        return means_of(student, index, count), means_of(states, index, count)


def _of_whole(rows: Rows) -> bool:
    """Whether these are the rows of all processes of a run, where several have a share of the batch."""
    return isinstance(rows, ClassRows) or getattr(rows, "samples", 0) > 0


def node_rows(
    projectors: Projectors,
    name: str,
    projection: str | None,
    layers: tuple[int, int] | None = None,
    raw: bool = False,
    samples: int = 0,
) -> StateRows:
    """Node states after two layers, the student's and the teacher's (counted from 1; None: the last of each).

    name: of the projection; projection: its kind, None for states of any widths; raw: the teacher's states are not
    standardised; samples: largest number of nodes, drawn at random in every step; 0: all.
    """
    layer, teacher_layer = layers or (projectors.student_last, projectors.last)
    target, channels = projectors.target(teacher_layer, raw), projectors.student.states[layer - 1]
    return StateRows(layer, target, projectors.project(name, projection, channels, target), channels, samples)


def patch_rows(projectors: Projectors, name: str, projection: str | None) -> PatchRows:
    """Last patch states, which are as wide as the graph state, and last node states of the teacher; as `node_rows`."""
    target, channels = projectors.target(projectors.last), projectors.student.graph
    return PatchRows(target, projectors.project(name, projection, channels, target), channels)


def graph_rows(
    projectors: Projectors,
    name: str,
    projection: str | None,
    align: AlignmentConfig,
    among: str = "nodes",
    raw: bool = False,
    samples: int = 0,
) -> Rows:
    """Graph states; at node level, where there is one graph, what stands for graphs, as `among` says.

    among: nodes, or prototypes, which are means of the states of classes or clusters; samples: largest number of graphs
    or nodes; all else as in `node_rows`.
    """
    if projectors.level == "graph":
        target, channels = projectors.target("graph", raw), projectors.student.graph
        return StateRows(None, target, projectors.project(name, projection, channels, target), channels, samples)
    if among == "nodes":
        return node_rows(projectors, name, projection, raw=raw, samples=samples)
    nodes = node_rows(projectors, name, projection, raw=raw)
    if among == "clusters":
        return PooledRows(nodes, projectors.operator("cluster", align))
    return ClassRows(nodes, projectors.task_loss)


def subgraph_rows(
    projectors: Projectors, name: str, projection: str | None, source: str, align: AlignmentConfig, raw: bool = False
) -> Rows:
    """Means over the subgraphs of `source`: of both sides' last node states, or of the student's and those given.

    All else as in `node_rows`.
    """
    if not projectors.given_means:
        return PooledRows(node_rows(projectors, name, projection, raw=raw), projectors.operator(source, align))
    target, channels = projectors.target("subgraphs", raw), projectors.student.states[-1]
    project = projectors.project(name, projection, channels, target)
    return GivenMeans(target, project, channels, projectors.operator(source, align))


def head_rows(projectors: Projectors, raw: bool = False) -> HeadRows:
    """Last node states of a student that predicts by its teacher's head; raw: in the teacher's own units."""
    standardise = projectors.standardiser(projectors.last) if raw else None
    return HeadRows(projectors.target(projectors.last, raw), standardise)
