"""Several teachers: soft targets from their mean, and the mean over teachers of every term of states."""

from dataclasses import replace

import pytest
import torch
from objective_cases import (
    CONFIGS,
    KINDS,
    TEACHER_CHANNELS,
    WIDTHS,
    FoundStructure,
    draw_states,
    expected_terms,
    make_batch,
    make_moments,
    make_objective,
    make_student,
    make_teacher,
    random_tensor,
)
from small_tasks import make_graphs, make_spec

from gnn_distill.config.schema.objective import AlignmentConfig, BaselineConfig, LossConfig, LossWeights, MicroConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.projectors import TeacherShape
from gnn_distill.losses.task import TaskLoss
from gnn_distill.losses.term import MeanOverTeachers, TeacherRows
from gnn_distill.models.ensemble import mean_logits


def another_teacher(batch: GraphBatch) -> tuple[TeacherRows, TeacherShape]:
    """States and moments of its own, of a deeper teacher; no logits."""
    states = {layer: random_tensor(len(batch.x), TEACHER_CHANNELS, seed=70 + layer) for layer in (2, 3)}
    moments = {layer: make_moments(20 + layer) for layer in (1, 2, 3)}
    rows = TeacherRows(None, states, random_tensor(batch.num_graphs, TEACHER_CHANNELS, seed=80))
    return rows, TeacherShape(3, moments, make_moments(30), draw_states)


def objective_of(kind: str, shapes: list[TeacherShape], loss: LossConfig, align: AlignmentConfig) -> Objective:
    torch.manual_seed(0)
    structure = FoundStructure(make_graphs(make_spec(kind)))
    return Objective(TaskLoss(make_spec(kind)), loss, align, shapes[0], WIDTHS, structure, shapes[1:])


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_the_value_is_the_mean_of_both_teachers_by_the_reference(kind: str) -> None:
    loss, align = CONFIGS["linear"]
    batch = make_batch(kind)
    out = make_student(batch, KINDS[kind])
    (first, shape), (second, other) = make_teacher(batch, KINDS[kind]), another_teacher(batch)
    objective = objective_of(kind, [shape, other], loss, align)
    _, raw, weights = objective(out, batch, replace(first, further=[second]), progress=0.5)
    alone = make_objective(kind, shape, loss, align)
    assert weights == alone(out, batch, first, 0.5)[2], "teachers share the weight"
    expected = expected_terms(objective, loss, align, kind, batch, shape)(out, first)
    assert float(raw["soft"]) == pytest.approx(expected.pop("soft"), rel=1e-4)
    for name, value in expected.items():
        term = objective.terms[name].loss
        assert isinstance(term, MeanOverTeachers), name
        theirs = term.losses[1](out, batch, second).item()
        assert abs(theirs - value) > 1e-3, name
        assert float(raw[name]) == pytest.approx((value + theirs) / 2, rel=1e-4), name
    state = {name for name, _ in objective.named_parameters()}
    assert {name.partition("projections.")[2] for name in state if name.startswith("further.0.")} == {
        name.partition("projections.")[2] for name in state if name.startswith("projectors.")
    }, "each teacher has maps of its own"


def test_one_teacher_is_as_ever() -> None:
    loss, align = CONFIGS["layers"]
    batch = make_batch()
    out, (teacher, shape) = make_student(batch, 1), make_teacher(batch, 1)
    one, same = objective_of("binary", [shape], loss, align), make_objective("binary", shape, loss, align)
    assert one.state_dict().keys() == same.state_dict().keys()
    assert all(torch.equal(value, same.state_dict()[name]) for name, value in one.state_dict().items())
    assert not any(isinstance(term.loss, MeanOverTeachers) for term in one.terms.values())
    assert torch.equal(one(out, batch, teacher, 0.5)[0], same(out, batch, teacher, 0.5)[0])


def test_two_equal_teachers_whose_maps_are_equal_teach_what_one_does() -> None:
    loss, align = CONFIGS["cosine"]
    batch = make_batch()
    out, (teacher, shape) = make_student(batch, 1), make_teacher(batch, 1)
    one, two = objective_of("binary", [shape], loss, align), objective_of("binary", [shape, shape], loss, align)
    two.further[0].load_state_dict(two.projectors.state_dict())
    single, double = one(out, batch, teacher, 0.5), two(out, batch, replace(teacher, further=[teacher]), 0.5)
    torch.testing.assert_close(double[0], single[0])
    double[0].backward()
    assert all(tensor.grad is None for tensor in (teacher.logits, teacher.graph, *teacher.nodes.values()))


def test_what_is_the_same_for_all_teachers_is_computed_once() -> None:
    """Soft targets, and attention to propagation, which reads no teacher; subgraphs are found once for all."""
    batch = make_batch()
    (_, shape), (_, other) = make_teacher(batch, 1), another_teacher(batch)
    loss = LossConfig(weights=LossWeights(soft=1.0, micro=1.0), micro=MicroConfig(relation=0.0, attention=1.0))
    objective = objective_of("binary", [shape, other], loss, AlignmentConfig())
    assert not any(isinstance(term.loss, MeanOverTeachers) for term in objective.terms.values())
    objective = objective_of("binary", [shape, other], *CONFIGS["linear"])
    assert objective.projectors.structure.asked == ["ego"]
    assert objective.requires.layers == {2, 3}


def test_published_losses_follow_the_same_rule() -> None:
    batch = make_batch()
    out = make_student(batch, 1)
    (first, shape), (second, other) = make_teacher(batch, 1), another_teacher(batch)
    loss = LossConfig(baseline=BaselineConfig(lsp=1.0, gcrd=1.0, fitnet=1.0))
    objective = objective_of("binary", [shape, other], loss, AlignmentConfig())
    rows = replace(first, further=[second])
    for name in ("baseline_lsp", "baseline_fitnet"):
        losses = objective.terms[name].loss.losses
        one, two = losses[0](out, batch, first), losses[1](out, batch, second)
        assert float(one.detach()) != float(two.detach())
        torch.testing.assert_close(objective.terms[name](out, batch, rows), (one + two) / 2)


def test_rows_of_all_teachers_move_together() -> None:
    batch = make_batch()
    (first, _), (second, _) = make_teacher(batch, 1), another_teacher(batch)
    moved = replace(first, further=[second]).to(torch.device("meta"))
    assert moved.logits.is_meta
    assert moved.further[0].nodes[2].is_meta
    assert moved.further[0].logits is None


@pytest.mark.parametrize("kind", ["binary", "multilabel", "multiclass", "regression"])
def test_the_mean_is_that_of_probabilities(kind: str) -> None:
    """By plain numbers; members that are certain, and of opposite opinions, stay finite."""
    z = [random_tensor(5, 3, seed=seed) for seed in range(3)]
    mean = mean_logits(z, kind)
    for row in range(5):
        if kind == "regression":
            expected = [sum(float(one[row, c]) for one in z) / 3 for c in range(3)]
            assert mean[row].tolist() == pytest.approx(expected, rel=1e-5)
        elif kind == "multiclass":
            probabilities = [(one[row].double().exp() / one[row].double().exp().sum()).tolist() for one in z]
            expected = [sum(p[c] for p in probabilities) / 3 for c in range(3)]
            assert mean[row].softmax(0).tolist() == pytest.approx(expected, rel=1e-5)
        else:
            expected = [sum(1 / (1 + float((-one[row, c]).double().exp())) for one in z) / 3 for c in range(3)]
            assert mean[row].sigmoid().tolist() == pytest.approx(expected, rel=1e-5)
    certain = torch.tensor([[200.0, -200.0, 0.0]])
    assert mean_logits([certain, -certain], kind).isfinite().all()
    assert mean_logits([certain, -certain], "binary")[0].tolist() == [0.0, 0.0, 0.0]
