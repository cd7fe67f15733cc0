"""Weights as shares of the task's gradient."""

from dataclasses import replace

import pytest
import torch
from objective_cases import ALL_SCALES, ALL_WEIGHTS, TERMS, make_batch, make_objective, make_student, make_teacher

from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig, Ramp, ScheduleConfig
from gnn_distill.losses.balance import MOMENTUM, MOST, Balance
from gnn_distill.losses.gradients import gradient

THETA = torch.tensor([3.0, 4.0], requires_grad=True)


def raw(**slopes: float) -> dict[str, torch.Tensor]:
    """Losses whose gradient on THETA has these norms."""
    return {name: slope * THETA[0] for name, slope in slopes.items()}


def test_a_weight_becomes_a_share_of_the_tasks_gradient() -> None:
    balance = Balance(["task", "soft", "node"], task_weight=2.0, share=0.5, every=1)
    losses = raw(task=3.0, soft=12.0, node=0.01)
    balance.measure(losses, [THETA])
    weights = balance({"task": 0.7, "soft": 1.0, "node": 0.3})
    assert weights["task"] == 0.7  # a ramp may have lowered it: what it is a share of stays
    for name, share in (("soft", 1.0), ("node", 0.3)):
        pull = gradient(weights[name] * losses[name], [THETA]).norm()
        assert float(pull) == pytest.approx(share * 0.5 * 2.0 * 3.0)


def test_norms_are_running_means() -> None:
    balance = Balance(["task", "soft"], 1.0, 1.0, every=1)
    for task, soft in ((1.0, 2.0), (5.0, 0.0), (3.0, float("nan")), (2.0, 8.0)):
        balance.measure(raw(task=task, soft=soft), [THETA])
    m = MOMENTUM
    means = [(2 + 3 * m + 5 * m**2 + m**3) / (1 + m + m**2 + m**3), (8 + 2 * m) / (1 + m)]  # nothing is left out of it
    assert float(balance({"task": 1.0, "soft": 1.0})["soft"]) == pytest.approx(means[0] / means[1])


@pytest.mark.parametrize(("slope", "factor"), [(0.0, 0.0), (1e-9, MOST), (float("inf"), 0.0)])
def test_what_has_no_gradient_is_not_blown_up(slope: float, factor: float) -> None:
    balance = Balance(["task", "soft"], 1.0, 1.0, every=1)
    balance.measure({"task": THETA.sum(), **raw(soft=slope)}, [THETA])
    assert float(balance({"task": 1.0, "soft": 1.0})["soft"]) == factor


def test_a_constant_has_no_gradient() -> None:
    balance = Balance(["task", "soft"], 1.0, 1.0, every=1)
    balance.measure({"task": THETA.sum(), "soft": torch.tensor(2.0)}, [THETA])
    assert float(balance({"task": 1.0, "soft": 1.0})["soft"]) == 0


def test_steps_are_counted_and_kept() -> None:
    balance = Balance(["task", "soft"], 1.0, 1.0, every=3)
    assert [balance.due() for _ in range(5)] == [True, False, False, True, False]
    balance.measure(raw(task=1.0, soft=4.0), [THETA])
    again = Balance(["task", "soft"], 1.0, 1.0, every=3)
    again.load_state_dict(balance.state_dict())
    assert [again.due() for _ in range(3)] == [False, True, False]
    assert float(again({"task": 1.0, "soft": 1.0})["soft"]) == 0.25


def test_every_term_of_the_objective_gets_its_share() -> None:
    batch = make_batch()
    out, (teacher, shape) = make_student(batch, 1), make_teacher(batch, 1)
    schedule = ScheduleConfig(task=Ramp(enter=[0.5, 0.5]))
    loss = LossConfig(weights=replace(ALL_WEIGHTS, task=3.0), schedule=schedule, balance="gradient", balance_share=0.1)
    objective = make_objective("binary", shape, loss, AlignmentConfig(weights=ALL_SCALES))
    leaves = [out.logits, out.graph, *out.nodes]
    reference = float(gradient(objective.terms["task"](out, batch, teacher), leaves).norm())
    total, values, weights = objective(out, batch, teacher, 0.0, leaves)
    assert set(values) == TERMS - {"task"}  # not yet, though it is measured
    shares = {
        "soft": 0.5, "micro_relation": 0.25, "macro_graph_relation": 2.0,
        "align_node": 1.0, "align_subgraph": 0.5, "align_graph": 0.25,
    }  # fmt: skip
    for name, share in shares.items():
        pull = gradient(objective.terms[name](out, batch, teacher), leaves).norm() * weights[name]
        assert float(pull) == pytest.approx(share * 0.1 * 3.0 * reference, rel=1e-4), name
    assert total.item() == pytest.approx(sum(float(weights[name] * values[name]) for name in values), rel=1e-5)
    later, values, weights = objective(out, batch, teacher, 0.7, leaves)
    assert set(values) == TERMS
    assert weights["task"] == 3.0
    assert later.item() > total.item()
    assert {"balance.sums", "balance.counts"} <= objective.state_dict().keys()


def test_it_is_off_unless_it_is_asked_for() -> None:
    _, shape = make_teacher(make_batch(), 1)
    assert make_objective("binary", shape, LossConfig(weights=ALL_WEIGHTS), AlignmentConfig()).balance is None
    alone = LossConfig(balance="gradient")
    assert make_objective("binary", None, alone, AlignmentConfig()).balance is None
