"""Losses on logits and labels: equal to a slow reference, zero for a perfect student, no gradient to the teacher."""

import math

import loss_reference as reference
import pytest
import torch
from worlds import states

from gnn_distill.losses import soft
from gnn_distill.losses.published.predictions import dist
from gnn_distill.losses.task import balanced_pos_weight, supervised_loss

ROWS, OUTPUTS = 12, 5
TERMS = {
    "soft_classes": lambda s, t: soft.soft_classes(s, t, 2.5),
    "soft_binary": lambda s, t: soft.soft_binary(s, t, 2.5),
    "soft_regression": soft.soft_regression,
    "dist_multiclass": lambda s, t: dist(s, t, "multiclass", 2.5),
    "dist_binary": lambda s, t: dist(s[:, :1], t[:, :1], "binary", 2.5),
    "dist_multilabel": lambda s, t: dist(s, t, "multilabel", 2.5),
    "dist_regression": lambda s, t: dist(s, t, "regression", 2.5),
}


def labels_with_gaps(rows: int, columns: int) -> torch.Tensor:
    y = (states(9, rows, columns) > 0).double()
    y[0, 0] = y[2, 1] = math.nan
    return y


@pytest.mark.parametrize("seed", range(3))
def test_soft_targets_equal_their_references(seed: int) -> None:
    s, t, y = (states(seed + more, ROWS, OUTPUTS) for more in (0, 100, 200))
    y[1] = math.nan
    counted = states(seed + 300, ROWS, OUTPUTS) > 0
    expected = {
        "soft_classes": reference.soft_classes(s, t, 2.5),
        "soft_binary": reference.soft_binary(s, t, 2.5),
        "soft_regression": reference.soft_regression(s, t),
        "dist_binary": reference.dist(s[:, :1], t[:, :1], "binary", 2.5),
        **{f"dist_{kind}": reference.dist(s, t, kind, 2.5) for kind in ("multiclass", "multilabel", "regression")},
    }
    assert expected.keys() == TERMS.keys()
    for name, value in expected.items():
        assert float(TERMS[name](s, t)) == pytest.approx(value, rel=1e-9, abs=1e-9), name
    bounded = soft.soft_regression(s, t, y)
    assert float(bounded) == pytest.approx(reference.soft_regression(s, t, y), abs=1e-9)
    masked = soft.soft_binary(s, t, 3.0, counted)
    assert float(masked) == pytest.approx(reference.soft_binary(s, t, 3.0, counted), abs=1e-9)


@pytest.mark.parametrize("name", TERMS)
def test_a_perfect_student_is_at_the_minimum(name: str) -> None:
    student = states(1, ROWS, OUTPUTS).requires_grad_()
    value = TERMS[name](student, states(1, ROWS, OUTPUTS))
    (gradient,) = torch.autograd.grad(value, student)
    assert value.item() == pytest.approx(0, abs=1e-12)
    assert gradient.abs().max() < 1e-8
    assert float(TERMS[name](states(2, ROWS, OUTPUTS), states(1, ROWS, OUTPUTS))) > 1e-3


@pytest.mark.parametrize("name", TERMS)
def test_gradients_reach_the_student_only(name: str) -> None:
    student, teacher = states(1, ROWS, OUTPUTS).requires_grad_(), states(2, ROWS, OUTPUTS).requires_grad_()
    TERMS[name](student, teacher).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0
    assert torch.autograd.gradcheck(lambda s: TERMS[name](s, teacher), (student,))


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_terms_stay_finite_at_extreme_inputs(name: str, dtype: torch.dtype) -> None:
    rows, large = torch.zeros(ROWS, OUTPUTS, dtype=dtype), (1e4 * states(1, ROWS, OUTPUTS)).to(dtype)
    for student, teacher in ((rows, rows), (rows, 1e4 + rows), (large, -large)):
        student = student.clone().requires_grad_()
        value = TERMS[name](student, teacher)
        value.backward()
        assert value.isfinite()
        assert student.grad.isfinite().all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_task_losses_equal_their_references(smoothing: float) -> None:
    logits, y = states(1, 6, 3), labels_with_gaps(6, 3)
    pos_weight = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    expected = reference.binary_cross_entropy(logits, y, pos_weight, smoothing)
    assert float(supervised_loss("multilabel", logits, y, pos_weight, smoothing)) == pytest.approx(expected, abs=1e-9)
    y = states(3, 6, 3).masked_fill(y.isnan(), math.nan)
    expected = reference.squared_error(logits, y)
    assert float(supervised_loss("regression", logits, y)) == pytest.approx(expected, abs=1e-9)
    nothing = supervised_loss("regression", logits, torch.full_like(y, math.nan))
    assert float(nothing) == 0


def test_classes_are_averaged_over_examples_not_classes() -> None:
    s, t = states(1, 4, 7), states(2, 4, 7)
    doubled = [torch.cat([z, torch.full((4, 50), -1e9, dtype=torch.float64)], dim=1) for z in (s, t)]
    assert float(soft.soft_classes(*doubled, 1.0)) == pytest.approx(float(soft.soft_classes(s, t, 1.0)))


def test_correlations_that_do_not_exist_are_left_out() -> None:
    s, t = states(1, 6, 2), states(2, 6, 2)
    # Two classes: within an example the correlation is ±1, so only that within classes is left.
    assert float(dist(s, t, "multiclass")) == pytest.approx(reference.dist(s, t, "multiclass", 1.0), rel=1e-9)
    for kind, columns in (("multiclass", 2), ("binary", 1), ("multilabel", 2), ("regression", 2)):
        student = s[:1, :columns].clone().requires_grad_()
        value = dist(student, t[:1, :columns], kind)  # one example
        value.backward()
        assert (value.item(), student.grad.abs().sum().item()) == (0, 0)
    t[:, 0] = 3.0  # a target that the teacher predicts as constant
    kept = dist(s[:, 1:], t[:, 1:], "regression")
    assert float(dist(s, t, "regression")) == pytest.approx(float(kept), rel=1e-9)


def test_scale_and_shift_of_predictions_do_not_matter_to_a_regression() -> None:
    s, t = states(1, 6, 2), states(2, 6, 2)
    assert float(dist(3 * s + 1, t, "regression")) == pytest.approx(float(dist(s, t, "regression")), rel=1e-9)


def test_balanced_pos_weight_counts_present_labels() -> None:
    y = torch.tensor([[1, 0, math.nan], [0, 0, 1], [0, 0, 1], [0, 0, math.nan]])
    assert balanced_pos_weight(y).tolist() == [3.0, 1.0, 1.0]
