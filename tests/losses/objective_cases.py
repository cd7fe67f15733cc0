"""Batches, students, teachers and objectives for tests, and the objective's terms by the reference's loops."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import loss_reference as reference
import torch
from small_tasks import make_graphs, make_spec
from torch import Tensor

from gnn_distill.config.schema.objective import (
    AlignmentConfig,
    AlignmentWeights,
    LossConfig,
    LossWeights,
    MacroConfig,
    MicroConfig,
    SoftConfig,
)
from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.subgraphs.anchors import Anchors, sample_anchors
from gnn_distill.data.subgraphs.subgraphs import Subgraphs, compute_subgraphs, compute_walks
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.projectors import StudentShape, TeacherShape
from gnn_distill.losses.task import TaskLoss
from gnn_distill.losses.term import TeacherRows
from gnn_distill.models.layers.standardise import Moments
from gnn_distill.models.representations import Representations

STUDENT_LAYERS, STUDENT_CHANNELS = 3, 4
WIDTHS = StudentShape((STUDENT_CHANNELS,) * STUDENT_LAYERS, STUDENT_CHANNELS)
TEACHER_LAYERS, TEACHER_CHANNELS = 2, 6
DEAD = 2
ALL_WEIGHTS = LossWeights(task=1.0, soft=0.5, micro=0.25, macro=2.0)
ALL_SCALES = AlignmentWeights(node=1.0, subgraph=0.5, graph=0.25)
TERMS = {"task", "soft", "micro_relation", "macro_graph_relation", "align_node", "align_subgraph", "align_graph"}


def random_tensor(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class FoundStructure:
    """What terms ask for of some graphs, found each time, and whether they asked."""

    graphs: PackedGraphs
    among: Tensor | None = None
    asked: list[str] = field(default_factory=list)

    def subgraphs(self, source: str, align: AlignmentConfig) -> Subgraphs:
        self.asked.append(source)
        keys = {"radius": align.radius, "walk_length": align.walk_length, "max_members": align.max_members}
        return compute_subgraphs(self.graphs, source, **keys)

    def walks(self, length: int) -> Tensor:
        self.asked.append("walks")
        return compute_walks(self.graphs, length)

    def anchors(self, count: int) -> Anchors:
        self.asked.append("anchors")
        return sample_anchors(self.graphs, self.among, count)


def make_batch(kind: str = "binary", graphs: tuple[int, ...] = tuple(range(10))) -> GraphBatch:
    """One node, no edges, two components, a directed path, a lonely node, and random graphs."""
    packed = make_graphs(make_spec(kind))
    packed.y[3, 0] = math.nan if kind in ("multilabel", "regression") else packed.y[3, 0]
    return collate(packed, None, torch.tensor(graphs))


def make_student(batch: GraphBatch, outputs: int, seed: int = 0) -> Representations:
    nodes = tuple(
        random_tensor(len(batch.x), STUDENT_CHANNELS, seed=seed + layer).requires_grad_()
        for layer in range(STUDENT_LAYERS)
    )
    graph = random_tensor(batch.num_graphs, STUDENT_CHANNELS, seed=seed + 10).requires_grad_()
    return Representations(random_tensor(batch.num_graphs, outputs, seed=seed + 11).requires_grad_(), nodes, graph)


def make_teacher(batch: GraphBatch, outputs: int) -> tuple[TeacherRows, TeacherShape]:
    """Rows that would take a gradient if one came, and moments that drop one dimension."""
    states = {layer: random_tensor(len(batch.x), TEACHER_CHANNELS, seed=20 + layer) for layer in (1, 2)}
    graph = random_tensor(batch.num_graphs, TEACHER_CHANNELS, seed=30)
    logits = random_tensor(batch.num_graphs, outputs, seed=31)
    moments = {layer: make_moments(layer) for layer in states}
    rows = TeacherRows(
        logits.requires_grad_(), {layer: h.requires_grad_() for layer, h in states.items()}, graph.requires_grad_()
    )
    return rows, TeacherShape(TEACHER_LAYERS, moments, make_moments(3), draw_states)


def draw_states(of: int | str, most: int) -> Tensor:
    """States of fifty taught units, that of the batch being some of them or not."""
    return random_tensor(50, TEACHER_CHANNELS, seed=80 + (of if isinstance(of, int) else 0))[:most]


def make_moments(seed: int) -> Moments:
    std = 0.5 + random_tensor(TEACHER_CHANNELS, seed=40 + seed).abs()
    std[DEAD] = 0.0
    return Moments(random_tensor(TEACHER_CHANNELS, seed=50 + seed), std)


def make_objective(kind: str, shape: TeacherShape | None, loss: LossConfig, align: AlignmentConfig) -> Objective:
    torch.manual_seed(0)
    return Objective(
        TaskLoss(make_spec(kind)),
        loss,
        align,
        shape,
        WIDTHS,
        FoundStructure(make_graphs(make_spec(kind))),
    )


CONFIGS = {
    "linear": (LossConfig(weights=ALL_WEIGHTS), AlignmentConfig(weights=ALL_SCALES, radius=1)),
    "layers": (
        LossConfig(weights=ALL_WEIGHTS, soft=SoftConfig(temperature=3.0, mask_missing=True, bounded=True)),
        AlignmentConfig(weights=ALL_SCALES, layers=True, projection="mlp", radius=3),
    ),
    "cosine": (
        LossConfig(
            weights=ALL_WEIGHTS,
            micro=MicroConfig(relation=2.0, temperature=0.5, projection="mlp"),
            macro=MacroConfig(graph_relation=0.5, measure="pkt"),
        ),
        AlignmentConfig(weights=ALL_SCALES, measure="cosine"),
    ),
}
KINDS = {"binary": 1, "multiclass": 3, "multilabel": 2, "regression": 2}


def expected_soft(soft: SoftConfig, kind: str, student: Tensor, teacher: Tensor, batch: GraphBatch) -> float:
    """The loss between logits that suits the kind of task."""
    logits, z = student.detach().double(), teacher.detach().double()
    if kind == "multiclass":
        return reference.soft_classes(logits, z, soft.temperature)
    if kind == "regression":
        y = (batch.y - torch.tensor([3.0, -5.0])) / torch.tensor([2.0, 0.5])
        return reference.soft_regression(logits, z, y if soft.bounded else None)
    counted = ~batch.y.isnan() if soft.mask_missing else None
    return reference.soft_binary(logits, z, soft.temperature, counted)


def expected_terms(
    objective: Objective,
    loss: LossConfig,
    align: AlignmentConfig,
    kind: str,
    batch: GraphBatch,
    shape: TeacherShape,
) -> Callable[[Representations, TeacherRows], dict[str, float]]:
    """Every raw term by the loops of the reference, in float64."""

    def projected(name: str, states: Tensor) -> Tensor:
        return objective.projectors.projections[name](states).detach().double()

    def standard(states: Tensor, moments: Moments) -> Tensor:
        alive = [channel for channel in range(TEACHER_CHANNELS) if channel != DEAD]
        return ((states.detach() - moments.mean) / moments.std)[:, alive].double()

    measure = {"mse": reference.align_mse, "cosine": reference.align_cosine}[align.measure]

    def terms(out: Representations, teacher: TeacherRows) -> dict[str, float]:
        last = standard(teacher.nodes[2], shape.nodes[2])
        graph = standard(teacher.graph, shape.graph)
        relation = reference.neighbourhood_relation(
            projected("micro_relation", out.nodes[-1]), last, batch.edge_index, loss.micro.temperature
        )
        between = {"cosine": reference.graph_relation_cosine, "pkt": reference.graph_relation_pkt}[loss.macro.measure]
        pairs = [(1, 1), (2, 2), (3, 2)] if align.layers else [(3, 2)]  # ⌈l·2/3⌉
        nodes = [
            measure(projected(f"align_node{s}", out.nodes[s - 1]), standard(teacher.nodes[t], shape.nodes[t]))
            for s, t in pairs
        ]
        means = [
            reference.ego_means(states, batch.edge_index, align.radius)
            for states in (projected("align_subgraph", out.nodes[-1]), last)
        ]
        return {
            "soft": expected_soft(loss.soft, kind, out.logits, teacher.logits, batch),
            "micro_relation": relation,
            "macro_graph_relation": between(projected("macro_graph_relation", out.graph), graph),
            "align_node": sum(nodes) / len(nodes),
            "align_subgraph": measure(*means),
            "align_graph": measure(projected("align_graph", out.graph), graph),
        }

    return terms
