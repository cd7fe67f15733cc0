"""Every loss on states: equal to its reference, right at its minimum, blind to order and padding, kind to extremes."""

import pytest
import torch
from loss_cases import CASES
from worlds import make_world, padded, reordered, states

NAMES = list(CASES)
PER_GRAPH = [name for name, case in CASES.items() if case.per_graph]
WORLD = make_world()
NODES = len(WORLD.batch.x)
ORDERED = [name for name in NAMES if name != "rkd_angle"]  # which is tested on the first rows only


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(2))
def test_equals_its_reference(name: str, seed: int) -> None:
    world, s, t = make_world(seed), states(seed, NODES), states(seed + 100, NODES)
    expected = CASES[name].reference(world, s, t)
    assert expected > 1e-4
    assert float(CASES[name].loss(world, s, t)) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.zero])
def test_a_perfect_student_is_at_the_minimum(name: str) -> None:
    student, teacher = states(1, NODES).requires_grad_(), states(1, NODES)
    value = CASES[name].loss(WORLD, student, teacher)
    (gradient,) = torch.autograd.grad(value, student)
    assert value.item() == pytest.approx(0, abs=1e-12)
    assert gradient.abs().max() < 1e-8
    assert float(CASES[name].loss(WORLD, states(2, NODES), teacher)) > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_right_and_reach_the_student_only(name: str) -> None:
    student, teacher = states(1, NODES).requires_grad_(), states(2, NODES).requires_grad_()
    CASES[name].loss(WORLD, student, teacher).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0
    teacher = teacher.detach()
    assert torch.autograd.gradcheck(lambda s: CASES[name].loss(WORLD, s, teacher), (student,), fast_mode=True)


@pytest.mark.parametrize("name", ORDERED)
def test_node_order_does_not_matter(name: str) -> None:
    world, order = reordered(WORLD)
    s, t = states(1, NODES), states(2, NODES)
    straight, shuffled = CASES[name].loss(WORLD, s, t), CASES[name].loss(world, s[order], t[order])
    assert float(shuffled) == pytest.approx(float(straight), rel=1e-6)


@pytest.mark.parametrize("name", PER_GRAPH)
def test_padding_does_not_matter(name: str) -> None:
    values = [CASES[name].loss(world, states(1, NODES), states(2, NODES)) for world in (WORLD, padded(WORLD))]
    assert float(values[1]) == pytest.approx(float(values[0]), rel=1e-6)


@pytest.mark.parametrize("name", PER_GRAPH)
def test_batch_mates_do_not_matter(name: str) -> None:
    """What the last graphs teach is the same whatever the states of the others."""
    kept = WORLD.graphs[-2].start
    gradients = []
    for seed in (1, 2):
        s, t = states(3, NODES), states(4, NODES)
        s[:kept], t[:kept] = states(seed, kept), states(seed + 10, kept)
        (gradient,) = torch.autograd.grad(CASES[name].loss(WORLD, s.requires_grad_(), t), s)
        gradients.append(gradient[kept:])
    assert gradients[0].abs().max() > 1e-6
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-9, atol=1e-12)


def extremes() -> list[tuple[torch.Tensor, torch.Tensor]]:
    zero, large = torch.zeros(NODES, 4), 1e4 * states(1, NODES).float()
    return [
        (zero, zero),
        (zero, zero + 1e4),
        (large, -1e4 * states(2, NODES).float()),
        (large, zero),
        (1 + zero, large),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_extreme_states_give_finite_values_and_gradients(name: str) -> None:
    for student, teacher in extremes():
        student = student.clone().requires_grad_()
        value = CASES[name].loss(WORLD, student, teacher)
        value.backward()
        assert value.isfinite()
        assert student.grad.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_made_single(name: str) -> None:
    s, t = states(1, NODES), states(2, NODES)
    halves = s.bfloat16().requires_grad_(), t.bfloat16()
    value = CASES[name].loss(WORLD, *halves)
    value.backward()
    assert value.dtype == torch.float32
    assert halves[0].grad.isfinite().all()
    assert value.item() == pytest.approx(float(CASES[name].loss(WORLD, s, t)), rel=0.1, abs=0.01)
