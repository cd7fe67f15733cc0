"""Every loss, on any graphs and states of any width: what holds on chosen ones (test_states.py, test_terms.py)."""

from functools import partial

import loss_reference as plain
import networkx as nx
import pytest
import torch
from drawn_graphs import networks
from hypothesis import given
from hypothesis import strategies as st
from loss_cases import CASES
from test_states import ORDERED
from test_terms import TERMS
from worlds import World, reordered, states, world_of

from gnn_distill.losses.task import supervised_loss

SEEDS = st.integers(0, 1000)
CHANNELS = st.integers(1, 5)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    drawn = [nx.DiGraph(network) for network in draw(st.lists(networks(max_nodes=4), min_size=1, max_size=3))]
    random = torch.Generator().manual_seed(draw(SEEDS))
    return world_of([len(network) for network in drawn], [list(network.edges) for network in drawn], random)


def nodes_of(world: World) -> int:
    return sum(world.sizes)


@given(world=worlds(), channels=CHANNELS, seed=SEEDS)
def test_any_graphs_give_the_value_of_the_reference(world: World, channels: int, seed: int) -> None:
    s, t = (states(seed + side, nodes_of(world), channels) for side in (0, 1))
    for name, case in CASES.items():
        assert float(case.loss(world, s, t)) == pytest.approx(case.reference(world, s, t), rel=1e-5, abs=1e-6), name


@given(world=worlds(), channels=CHANNELS, seed=SEEDS, scale=st.integers(-3, 6))
def test_a_perfect_student_has_nothing_to_learn(world: World, channels: int, seed: int, scale: int) -> None:
    teacher = states(seed, nodes_of(world), channels)
    teacher = 10.0**scale * (teacher + teacher.sign())  # rows shorter than 1e-6 count as without a direction
    unit = max(1.0, float(teacher.abs().max()) ** 2)  # that of a squared error
    for name in (name for name, case in CASES.items() if case.zero):
        student = teacher.clone().requires_grad_()
        value = CASES[name].loss(world, student, teacher)
        (gradient,) = torch.autograd.grad(value, student)
        assert value.item() == pytest.approx(0, abs=1e-9 * unit), name
        assert (gradient * teacher).abs().max() < 1e-7 * unit, name


@given(world=worlds(), channels=CHANNELS, seed=SEEDS)
def test_nodes_in_another_order_teach_the_same(world: World, channels: int, seed: int) -> None:
    s, t = (states(seed + side, nodes_of(world), channels) for side in (0, 1))
    other, order = reordered(world, seed)
    for name in ORDERED:
        value = float(CASES[name].loss(world, s, t))
        assert float(CASES[name].loss(other, s[order], t[order])) == pytest.approx(value, rel=1e-6, abs=1e-9), name


EXTREMES = st.sampled_from([0.0, 1e-30, 1e-8, 1.0, 1e4, 1e6])
SCALES = st.tuples(EXTREMES, EXTREMES)


@given(world=worlds(), channels=CHANNELS, seed=SEEDS, scales=SCALES, zeros=st.booleans())
def test_any_states_give_finite_values_and_gradients_to_the_student_alone(
    world: World, channels: int, seed: int, scales: tuple[float, float], zeros: bool
) -> None:
    sides = [scale * states(seed + side, nodes_of(world), channels).float() for side, scale in enumerate(scales)]
    if zeros:
        sides[0][::2] = sides[1][1::2] = 0
    for name, case in CASES.items():
        student, teacher = (side.clone().requires_grad_() for side in sides)
        value = case.loss(world, student, teacher)
        value.backward()
        assert value.isfinite(), name
        assert student.grad.isfinite().all(), name
        assert teacher.grad is None, name


ROWS, OUTPUTS = st.integers(1, 6), st.integers(1, 4)
REFERENCES = {
    "soft_classes": lambda s, t: plain.soft_classes(s, t, 2.5),
    "soft_binary": lambda s, t: plain.soft_binary(s, t, 2.5),
    "soft_regression": plain.soft_regression,
    "dist_binary": lambda s, t: plain.dist(s[:, :1], t[:, :1], "binary", 2.5),
    **{f"dist_{kind}": partial(plain.dist, kind=kind, tau=2.5) for kind in ("multiclass", "multilabel", "regression")},
}


@pytest.mark.parametrize("name", TERMS)
@given(rows=ROWS, outputs=OUTPUTS, seed=SEEDS, scales=SCALES)
def test_soft_targets_of_any_shape(name: str, rows: int, outputs: int, seed: int, scales: tuple[float, float]) -> None:
    s, t = states(seed, rows, outputs), states(seed + 1, rows, outputs)
    assert float(TERMS[name](s, t)) == pytest.approx(REFERENCES[name](s, t), rel=1e-9, abs=1e-12)
    assert float(TERMS[name](t, t)) == pytest.approx(0, abs=1e-12)
    student, teacher = (values.float() * scale for values, scale in zip((s, t), scales, strict=True))
    student.requires_grad_()
    teacher.requires_grad_()
    value = TERMS[name](student, teacher)
    value.backward()
    assert value.isfinite()
    assert value > -1e-6
    assert student.grad.isfinite().all()
    assert teacher.grad is None


@pytest.mark.parametrize("kind", ["multiclass", "binary", "regression"])
@given(rows=st.integers(0, 6), outputs=OUTPUTS, seed=SEEDS, scale=EXTREMES, missing=st.floats(0, 1))
def test_labels_of_any_shape(kind: str, rows: int, outputs: int, seed: int, scale: float, missing: float) -> None:
    random = torch.Generator().manual_seed(seed)
    logits = (scale * torch.randn(rows, outputs, generator=random)).requires_grad_()
    if kind == "multiclass":
        y = torch.randint(outputs, (rows, 1), generator=random).float()
    else:
        y = torch.rand(rows, outputs, generator=random).round()
        y[torch.rand(rows, outputs, generator=random) < missing] = float("nan")
    value = supervised_loss(kind, logits, y)
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()
    assert not logits.grad[y.isnan().expand_as(logits)].any()
