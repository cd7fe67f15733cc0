"""The objective: L = w_task·L_task + w_soft·L_soft + w_micro·L_micro + w_macro·L_macro + Σ_s w_s·L_align^s."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gnn_distill.data.batching import StructureBatch
from gnn_distill.data.subgraphs import ego_subgraphs
from gnn_distill.losses import alignment, macro, micro, soft_targets
from gnn_distill.losses.labels import Labels
from gnn_distill.losses.prototypes import class_means
from gnn_distill.losses.schedule import ramp_factor
from gnn_distill.losses.standardise import Moments, Standardise
from gnn_distill.models.representations import Representations
from gnn_distill.schema.objective import AlignmentConfig, LossConfig, Ramp


@dataclass
class TeacherRows:
    """What the teacher said of a batch: the rows of its signals, in the batch's order."""

    logits: Float[Tensor, "example output"]
    nodes: dict[int, Float[Tensor, "node channel"]]
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


class Wholes(NamedTuple):
    """What stands for whole graphs, of both sides."""

    student: Float[Tensor, "whole channel"]
    teacher: Float[Tensor, "whole channel"]


class Term(NamedTuple):
    """One loss: its constant weight, when it counts, and how it is computed."""

    weight: float
    ramp: Ramp
    loss: Callable[[Representations, StructureBatch, TeacherRows | None], Tensor]


class Objective(nn.Module):
    """Weighted sum of the terms whose weight is not 0; owns the projections that the terms learn.

    Without a teacher only the task term is left.
    """

    def __init__(
        self,
        labels: Labels,
        loss: LossConfig,
        align: AlignmentConfig,
        teacher: TeacherShape | None = None,
        student: StudentShape | None = None,
    ) -> None:
        super().__init__()
        self.labels, self.form = labels, loss.schedule.form
        self.projections, self.standardise = nn.ModuleDict(), nn.ModuleDict()
        self.terms: dict[str, Term] = {}
        self._add("task", loss.weights.task, loss.schedule.task, labels)
        if teacher is not None:
            self._states, self._graph_channels = student
            self._teacher = teacher
            self._add("soft", loss.weights.soft, loss.schedule.soft, self._soft(loss))
            self._add_micro(loss)
            self._add_macro(loss)
            self._add_alignment(align, loss.schedule.align)
            del self._teacher

    @property
    def teacher_layers(self) -> set[int]:
        """Teacher layers whose node states some term reads."""
        return {int(key.removeprefix("node")) for key in self.standardise if key.startswith("node")}

    def forward(
        self, out: Representations, batch: StructureBatch, teacher: TeacherRows | None, progress: float
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor], dict[str, float]]:
        """The total, each counted term's raw value, and each term's weight now."""
        weights = {name: term.weight * ramp_factor(term.ramp, self.form, progress) for name, term in self.terms.items()}
        raw = {name: self.terms[name].loss(out, batch, teacher) for name, weight in weights.items() if weight}
        total = sum((weights[name] * value for name, value in raw.items()), start=out.logits.sum() * 0.0)
        return total, {name: value.detach() for name, value in raw.items()}, weights

    def _add(self, name: str, weight: float, ramp: Ramp, loss: Callable) -> None:
        if weight:
            self.terms[name] = Term(weight, ramp, loss)

    def _node(self, layer: int) -> Standardise:
        """The standardisation of a teacher layer, made once."""
        key = f"node{layer}"
        if key not in self.standardise:
            self.standardise[key] = Standardise(self._teacher.nodes[layer])
        return self.standardise[key]

    def _graph(self) -> Standardise:
        if "graph" not in self.standardise:
            self.standardise["graph"] = Standardise(self._teacher.graph)
        return self.standardise["graph"]

    def _project(self, name: str, kind: str, channels: int, target: Standardise) -> nn.Module:
        """A term's own map from student states of `channels` to the standardised teacher's width."""
        self.projections[name] = (
            alignment.Keep(target.alive) if kind == "none" else alignment.projection(kind, channels, target.channels)
        )
        return self.projections[name]

    def _wholes(self, name: str, kind: str) -> Callable[[Representations, StructureBatch, TeacherRows], Wholes]:
        """What stands for whole graphs, projected and standardised: graph states; at node level class prototypes."""
        if self.labels.level == "graph":
            standardise = self._graph()
            project = self._project(name, kind, self._graph_channels, standardise)
            return lambda out, batch, teacher: Wholes(project(out.graph), standardise(teacher.graph))
        last = self._teacher.num_layers
        standardise = self._node(last)
        project = self._project(name, kind, self._states[-1], standardise)

        def prototypes(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> Wholes:
            label = self.labels.classes(batch.examples(batch.y))
            student, target = batch.examples(out.nodes[-1]), batch.examples(teacher.nodes[last])
            return Wholes(project(class_means(student, label)), standardise(class_means(target, label)))

        return prototypes

    def _soft(self, loss: LossConfig) -> Callable:
        soft, kind, labels = loss.soft, self.labels.kind, self.labels

        def term(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> Tensor:
            if kind == "multiclass":
                return soft_targets.soft_classes(out.logits, teacher.logits, soft.temperature)
            if kind == "regression":
                y = labels.target(batch.y) if soft.bounded else None
                return soft_targets.soft_regression(out.logits, teacher.logits, y)
            counted = ~batch.y.isnan() if soft.mask_missing else None
            return soft_targets.soft_binary(out.logits, teacher.logits, soft.temperature, counted)

        return term

    def _add_micro(self, loss: LossConfig) -> None:
        weight = loss.weights.micro * loss.micro.relation
        if not weight:
            return
        last = self._teacher.num_layers
        standardise = self._node(last)
        project = self._project("micro_relation", loss.micro.projection, self._states[-1], standardise)
        temperature = loss.micro.temperature

        def relation(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> Tensor:
            return micro.neighbourhood_relation(
                project(out.nodes[-1]), standardise(teacher.nodes[last]), batch.row_edges, temperature
            )

        self._add("micro_relation", weight, loss.schedule.micro, relation)

    def _add_macro(self, loss: LossConfig) -> None:
        weight = loss.weights.macro * loss.macro.graph_relation
        if not weight:
            return
        measure = {"cosine": macro.graph_relation_cosine, "pkt": macro.graph_relation_pkt}[loss.macro.measure]
        if self.labels.level == "graph":
            wholes = self._wholes("macro_graph_relation", loss.macro.projection)
            self._add("macro_graph_relation", weight, loss.schedule.macro, lambda *args: measure(*wholes(*args)))
            return
        last = self._teacher.num_layers
        standardise = self._node(last)
        project = self._project("macro_graph_relation", loss.macro.projection, self._states[-1], standardise)

        def node_relation(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> Tensor:
            """The same between some nodes of one graph: all pairs would be n²."""
            rows = torch.randperm(len(out.nodes[-1]), device=out.logits.device)[: loss.macro.samples]
            return measure(project(out.nodes[-1][rows]), standardise(teacher.nodes[last][rows]))

        self._add("macro_graph_relation", weight, loss.schedule.macro, node_relation)

    def _add_alignment(self, align: AlignmentConfig, ramp: Ramp) -> None:
        measure = alignment.MEASURES[align.measure]
        last = self._teacher.num_layers
        if align.weights.node:
            self._add("align_node", align.weights.node, ramp, self._align_nodes(align, measure))
        if align.weights.subgraph:
            standardise_nodes = self._node(last)
            # A map of its own with a hidden layer: a linear one commutes with the mean, and would only repeat `node`.
            project_nodes = self._project("align_subgraph", "mlp", self._states[-1], standardise_nodes)
            steps = 1
            operator_of = partial(ego_subgraphs, radius=align.radius)
            if self.labels.level == "node":  # the same balls, weighted by walks: never n²
                steps, operator_of = align.radius, attrgetter("row_walk")

            def subgraphs(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> Tensor:
                operator = operator_of(batch)
                student, target = project_nodes(out.nodes[-1]), standardise_nodes(teacher.nodes[last])
                for _ in range(steps):
                    student, target = operator @ student, operator @ target
                return measure(student, target)

            self._add("align_subgraph", align.weights.subgraph, ramp, subgraphs)
        if align.weights.graph:
            wholes = self._wholes("align_graph", align.projection)
            self._add("align_graph", align.weights.graph, ramp, lambda *args: measure(*wholes(*args)))

    def _align_nodes(self, align: AlignmentConfig, measure: Callable) -> Callable:
        """Last layer to last layer, or the mean over all student layers l of the match with layer ⌈l·L_T/L_S⌉."""
        depth = len(self._states)
        chosen = range(1, depth + 1) if align.layers else [depth]
        pairs = []
        for layer in chosen:
            target = alignment.teacher_layer(layer, depth, self._teacher.num_layers)
            standardise = self._node(target)
            project = self._project(f"align_node{layer}", align.projection, self._states[layer - 1], standardise)
            pairs.append((layer, target, project, standardise))

        def nodes(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> Tensor:
            return torch.stack(
                [
                    measure(project(out.nodes[layer - 1]), standardise(teacher.nodes[target]))
                    for layer, target, project, standardise in pairs
                ]
            ).mean()

        return nodes
