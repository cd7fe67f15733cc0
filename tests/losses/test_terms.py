"""Every loss equals a slow reference, is zero for a perfect student, and sends no gradient to the teacher."""

import math

import loss_reference as reference
import pytest
import torch
from torch import Tensor

from gnn_distill.losses import alignment, macro, micro, soft_targets
from gnn_distill.losses.task import balanced_pos_weight, task_loss

# Triangle with a tail, a pair, two single nodes (one with a self-loop), a star; node 11 has no edge.
EDGES = [(0, 1), (1, 2), (0, 2), (2, 3), (4, 5), (8, 7), (8, 9), (8, 10), (10, 7)]
NUM_NODES = 12


@pytest.fixture
def edge_index() -> Tensor:
    both = [pair for a, b in EDGES for pair in ((a, b), (b, a))] + [(6, 6)]
    return torch.tensor(both).T


def states(seed: int, rows: int = NUM_NODES, channels: int = 5) -> Tensor:
    return torch.randn(rows, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def labels_with_gaps(rows: int, columns: int) -> Tensor:
    y = (states(9, rows, columns) > 0).double()
    y[0, 0] = y[2, 1] = math.nan
    return y


FEATURE_TERMS = {
    "relation": lambda edges: lambda s, t: micro.neighbourhood_relation(s, t, edges, 0.2),
    "graph_relation_cosine": lambda edges: macro.graph_relation_cosine,
    "graph_relation_pkt": lambda edges: macro.graph_relation_pkt,
    "align_mse": lambda edges: alignment.align_mse,
    "align_cosine": lambda edges: alignment.align_cosine,
}
LOGIT_TERMS = {
    "soft_classes": lambda s, t: soft_targets.soft_classes(s, t, 2.5),
    "soft_binary": lambda s, t: soft_targets.soft_binary(s, t, 2.5),
    "soft_regression": soft_targets.soft_regression,
}


def term(name: str, edge_index: Tensor):
    return FEATURE_TERMS[name](edge_index) if name in FEATURE_TERMS else LOGIT_TERMS[name]


ALL = [*FEATURE_TERMS, *LOGIT_TERMS]


@pytest.mark.parametrize("seed", range(3))
def test_terms_equal_their_references(seed: int, edge_index: Tensor) -> None:
    s, t = states(seed), states(seed + 100)
    y = states(seed + 200)
    y[1] = math.nan
    counted = states(seed + 300) > 0
    expected = {
        "relation": reference.neighbourhood_relation(s, t, edge_index, 0.2),
        "graph_relation_cosine": reference.graph_relation_cosine(s, t),
        "graph_relation_pkt": reference.graph_relation_pkt(s, t),
        "align_mse": reference.align_mse(s, t),
        "align_cosine": reference.align_cosine(s, t),
        "soft_classes": reference.soft_classes(s, t, 2.5),
        "soft_binary": reference.soft_binary(s, t, 2.5),
        "soft_regression": reference.soft_regression(s, t),
    }
    for name, value in expected.items():
        assert float(term(name, edge_index)(s, t)) == pytest.approx(value, rel=1e-9, abs=1e-9), name
    bounded = soft_targets.soft_regression(s, t, y)
    assert float(bounded) == pytest.approx(reference.soft_regression(s, t, y), abs=1e-9)
    masked = soft_targets.soft_binary(s, t, 3.0, counted)
    assert float(masked) == pytest.approx(reference.soft_binary(s, t, 3.0, counted), abs=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_a_perfect_student_is_at_the_minimum(name: str, edge_index: Tensor) -> None:
    loss = term(name, edge_index)
    student = states(1).requires_grad_()
    value = loss(student, states(1))
    (gradient,) = torch.autograd.grad(value, student)
    assert value.item() == pytest.approx(0, abs=1e-12)
    assert gradient.abs().max() < 1e-8
    assert float(loss(states(2), states(1))) > 1e-3


@pytest.mark.parametrize("name", ALL)
def test_gradients_reach_the_student_only(name: str, edge_index: Tensor) -> None:
    student, teacher = states(1).requires_grad_(), states(2).requires_grad_()
    term(name, edge_index)(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0
    assert torch.autograd.gradcheck(lambda s: term(name, edge_index)(s, teacher), (student,))


@pytest.mark.parametrize("name", FEATURE_TERMS)
def test_node_order_does_not_matter(name: str, edge_index: Tensor) -> None:
    order = torch.randperm(NUM_NODES, generator=torch.Generator().manual_seed(0))
    renamed = torch.empty_like(order).scatter_(0, order, torch.arange(NUM_NODES))[edge_index]
    s, t = states(1), states(2)
    straight, shuffled = term(name, edge_index)(s, t), term(name, renamed)(s[order], t[order])
    assert float(shuffled) == pytest.approx(float(straight), abs=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_terms_stay_finite_at_extreme_inputs(name: str, edge_index: Tensor) -> None:
    rows = torch.zeros(NUM_NODES, 5)
    for student, teacher in ((rows, rows), (rows, 1e4 + rows), (1e4 * states(1).float(), -1e4 * states(2).float())):
        student = student.clone().requires_grad_()
        value = term(name, edge_index)(student, teacher)
        value.backward()
        assert value.isfinite()
        assert student.grad.isfinite().all()


def test_relation_without_a_node_of_two_neighbours_is_zero() -> None:
    student = states(1).requires_grad_()
    for edges in (torch.empty(2, 0, dtype=torch.long), torch.tensor([[0, 1], [1, 0]])):
        value = micro.neighbourhood_relation(student, states(2), edges)
        value.backward()
        assert value.item() == 0


@pytest.mark.parametrize("loss", [macro.graph_relation_cosine, macro.graph_relation_pkt])
def test_one_graph_has_no_relation(loss) -> None:
    assert float(loss(states(1, rows=1), states(2, rows=1))) == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_task_losses_equal_their_references(smoothing: float) -> None:
    logits, y = states(1, 6, 3), labels_with_gaps(6, 3)
    pos_weight = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    expected = reference.binary_cross_entropy(logits, y, pos_weight, smoothing)
    assert float(task_loss("multilabel", logits, y, pos_weight, smoothing)) == pytest.approx(expected, abs=1e-9)
    y = states(3, 6, 3).masked_fill(y.isnan(), math.nan)
    expected = reference.squared_error(logits, y)
    assert float(task_loss("regression", logits, y)) == pytest.approx(expected, abs=1e-9)
    nothing = task_loss("regression", logits, torch.full_like(y, math.nan))
    assert float(nothing) == 0


def test_classes_are_averaged_over_examples_not_classes() -> None:
    s, t = states(1, 4, 7), states(2, 4, 7)
    doubled = [torch.cat([z, torch.full((4, 50), -1e9, dtype=torch.float64)], dim=1) for z in (s, t)]
    assert float(soft_targets.soft_classes(*doubled, 1.0)) == pytest.approx(float(soft_targets.soft_classes(s, t, 1.0)))


def test_balanced_pos_weight_counts_present_labels() -> None:
    y = torch.tensor([[1, 0, math.nan], [0, 0, 1], [0, 0, 1], [0, 0, math.nan]])
    assert balanced_pos_weight(y).tolist() == [3.0, 1.0, 1.0]
