"""Alignment at three scales: nodes, subgraphs, whole graphs."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gnn_distill.data.batching import StructureBatch
from gnn_distill.data.subgraphs import ego_subgraphs
from gnn_distill.losses.alignment import MEASURES, teacher_layer
from gnn_distill.losses.bridge import Bridge, TeacherRows, Term
from gnn_distill.losses.labels import Labels
from gnn_distill.losses.prototypes import class_means
from gnn_distill.models.representations import Representations
from gnn_distill.schema.objective import AlignmentConfig, LossConfig


def alignment_terms(bridge: Bridge, labels: Labels, loss: LossConfig, align: AlignmentConfig) -> Iterator[Term]:
    """`align_node`, `align_subgraph` and `align_graph`."""
    measure, ramp = MEASURES[align.measure], loss.schedule.align
    for scale, make in (("node", _nodes), ("subgraph", _subgraphs), ("graph", _graphs)):
        if weight := getattr(align.weights, scale):
            yield Term(f"align_{scale}", weight, ramp, make(bridge, labels, align, measure))


def _nodes(bridge: Bridge, labels: Labels, align: AlignmentConfig, measure: Callable) -> Callable:
    """Last layer to last layer, or the mean over all student layers l of the match with layer ⌈l·L_T/L_S⌉."""
    widths = bridge.student.states
    depth = len(widths)
    pairs = []
    for layer in range(1, depth + 1) if align.layers else [depth]:
        target = bridge.nodes(teacher_layer(layer, depth, bridge.last))
        project = bridge.project(f"align_node{layer}", align.projection, widths[layer - 1], target)
        pairs.append((layer, project, target))

    def nodes(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> Tensor:
        return torch.stack(
            [measure(project(out.nodes[layer - 1]), target.read(teacher)) for layer, project, target in pairs]
        ).mean()

    return nodes


def _subgraphs(bridge: Bridge, labels: Labels, align: AlignmentConfig, measure: Callable) -> Callable:
    """Means over ego networks; at node level the same balls weighted by walks of `radius` steps, never n²."""
    target = bridge.nodes(bridge.last)
    # A map of its own with a hidden layer: a linear one commutes with the mean, and would only repeat `node`.
    project = bridge.project("align_subgraph", "mlp", bridge.student.states[-1], target)

    def subgraphs(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> Tensor:
        student, states = project(out.nodes[-1]), target.read(teacher)
        node_level = bridge.level == "node"
        operator = batch.row_walk if node_level else ego_subgraphs(batch, align.radius)
        for _ in range(align.radius if node_level else 1):
            student, states = operator @ student, operator @ states
        return measure(student, states)

    return subgraphs


def _graphs(bridge: Bridge, labels: Labels, align: AlignmentConfig, measure: Callable) -> Callable:
    """Graph states; at node level, where there is one graph, the prototypes of its labelled classes."""
    if bridge.level == "graph":
        target = bridge.graphs()
        project = bridge.project("align_graph", align.projection, bridge.student.graph, target)
        return lambda out, batch, teacher: measure(project(out.graph), target.read(teacher))
    target = bridge.nodes(bridge.last)
    project = bridge.project("align_graph", align.projection, bridge.student.states[-1], target)

    def prototypes(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> Tensor:
        label = labels.classes(batch.examples(batch.y))
        student, states = (batch.examples(rows) for rows in (project(out.nodes[-1]), target.read(teacher)))
        return measure(class_means(student, label), class_means(states, label))

    return prototypes
