"""Terms of teachers that give no node states: what a weight says that it reads is what its term reads."""

from dataclasses import replace

import loss_reference as plain
import pytest
import torch
from objective_cases import WIDTHS, FoundStructure, draw_states, make_moments, random_tensor
from scenes import Scene, standard
from small_tasks import make_graphs, make_spec

from gnn_distill.config.schema.fields import reading
from gnn_distill.config.schema.objective import (
    AlignmentConfig,
    AlignmentWeights,
    BaselineConfig,
    LossConfig,
    LossWeights,
    MacroConfig,
    MicroConfig,
)
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.projectors import TeacherShape
from gnn_distill.losses.task import TaskLoss
from gnn_distill.losses.term import Requires, TeacherRows

SECTIONS = {"micro": MicroConfig, "macro": MacroConfig, "baseline": BaselineConfig, "align": AlignmentWeights}
WEIGHTS = [(section, key) for section, schema in SECTIONS.items() for key in reading(schema)]
SHAPES = {
    "": TeacherShape(2, {}, None, draw_states),
    "graphs": TeacherShape(2, {}, make_moments(3), draw_states),
    "subgraphs": TeacherShape(2, {}, make_moments(3), draw_states, subgraphs=make_moments(4)),
    "nodes": TeacherShape(2, {layer: make_moments(layer) for layer in (1, 2)}, make_moments(3), draw_states),
}
READS = {
    "": Requires(),
    "graphs": Requires(graph=True),
    "subgraphs": Requires(subgraphs=True),
    "nodes": Requires(frozenset({2})),
}
ALONE = LossWeights(task=0.0)
CLUSTERS = AlignmentConfig(source="cluster")


def objective(section: str, key: str, given: str) -> Objective:
    """That weight alone, of a teacher that gives so much."""
    loss, align = LossConfig(weights=ALONE), CLUSTERS
    if section == "align":
        align = replace(CLUSTERS, weights=AlignmentWeights(**{key: 1.0}))
    else:
        off = dict.fromkeys(reading(SECTIONS[section]), 0.0)
        loss = replace(loss, **{section: SECTIONS[section](**{**off, key: 1.0})})
        if section != "baseline":
            loss = replace(loss, weights=replace(ALONE, **{section: 1.0}))
    packed = make_graphs(make_spec())
    return Objective(TaskLoss(make_spec()), loss, align, SHAPES[given], WIDTHS, FoundStructure(packed))


@pytest.mark.parametrize(("section", "key"), WEIGHTS)
def test_a_weight_says_what_its_term_reads(section: str, key: str) -> None:
    reads = reading(SECTIONS[section])[key]
    requires = objective(section, key, reads).requires
    assert replace(requires, logits=False, attention_layers=frozenset(), distances=False) == READS[reads]


@pytest.mark.parametrize(("section", "key"), [at for at in WEIGHTS if reading(SECTIONS[at[0]])[at[1]] == "subgraphs"])
def test_of_a_teacher_that_gives_node_states_means_are_taken_here(section: str, key: str) -> None:
    assert objective(section, key, "nodes").requires == READS["nodes"]


@pytest.mark.parametrize("source", ["cluster", "ego", "walk"])
def test_given_means_are_matched_by_the_means_of_the_student(source: str) -> None:
    """To the loops of the reference; the teacher gets no gradient."""
    align = AlignmentConfig(weights=AlignmentWeights(subgraph=1.0), source=source)
    scene = Scene("graph", LossConfig(weights=ALONE), align)
    torch.manual_seed(0)
    terms = Objective(
        TaskLoss(scene.spec), scene.loss, align, replace(SHAPES["subgraphs"], nodes={}), WIDTHS, scene.structure
    )
    student = terms.projectors.projections["align_subgraph"](scene.out.nodes[-1]).detach().double()
    (mean,) = scene.subgraph_means(source, student)
    given = random_tensor(len(mean), len(make_moments(4).mean), seed=80).requires_grad_()
    teacher = TeacherRows(None, {}, None, subgraphs=given)
    total, raw, _ = terms(scene.out, scene.batch, teacher, progress=0.5)
    expected = plain.align_mse(mean, standard(given, 4))
    assert float(raw["align_subgraph"]) == pytest.approx(expected, rel=1e-5)
    total.backward()
    assert given.grad is None
    assert scene.out.nodes[-1].grad.abs().sum() > 0


def test_given_clusters_are_those_of_the_published_loss() -> None:
    """MuGSI's clusters of given means have the value that they have where node states are given."""
    scene = Scene("graph", replace(LossConfig(weights=ALONE), baseline=BaselineConfig(mugsi_cluster=1.0)), CLUSTERS)
    _, raw, _ = scene.objective(scene.out, scene.batch, scene.read(), progress=0.5)
    (means,) = scene.subgraph_means("cluster", scene.raw)
    terms = Objective(TaskLoss(scene.spec), scene.loss, CLUSTERS, SHAPES["subgraphs"], WIDTHS, scene.structure)
    _, given, _ = terms(scene.out, scene.batch, TeacherRows(None, {}, None, subgraphs=means.float()), progress=0.5)
    assert float(given["baseline_mugsi_cluster"]) == pytest.approx(float(raw["baseline_mugsi_cluster"]), rel=1e-5)
