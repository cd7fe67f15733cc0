"""Macro terms: relations between whole graphs; at node level between nodes far and near."""

from collections.abc import Iterator

import torch
from torch import Tensor

from gnn_distill.data.batching import StructureBatch
from gnn_distill.losses.bridge import Bridge, TeacherRows, Term
from gnn_distill.losses.labels import Labels
from gnn_distill.losses.macro import graph_relation_cosine, graph_relation_pkt
from gnn_distill.models.representations import Representations
from gnn_distill.schema.objective import AlignmentConfig, LossConfig

GRAPH_RELATIONS = {"cosine": graph_relation_cosine, "pkt": graph_relation_pkt}


def macro_terms(bridge: Bridge, labels: Labels, loss: LossConfig, align: AlignmentConfig) -> Iterator[Term]:
    """`macro_graph_relation`: similarity between graphs; at node level between `samples` nodes drawn in each step."""
    macro, name = loss.macro, "macro_graph_relation"
    if not (weight := loss.weights.macro * macro.graph_relation):
        return
    measure = GRAPH_RELATIONS[macro.measure]
    if bridge.level == "graph":
        target = bridge.graphs()
        project = bridge.project(name, macro.projection, bridge.student.graph, target)

        def relation(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> Tensor:
            return measure(project(out.graph), target.read(teacher))

    else:
        target = bridge.nodes(bridge.last)
        project = bridge.project(name, macro.projection, bridge.student.states[-1], target)

        def relation(out: Representations, batch: StructureBatch, teacher: TeacherRows) -> Tensor:
            states = out.nodes[-1]
            rows = torch.randperm(len(states), device=states.device)[: macro.samples]
            return measure(project(states[rows]), target.read(teacher)[rows])

    yield Term(name, weight, loss.schedule.macro, relation)
