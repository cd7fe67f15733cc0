"""Losses of the user's own: terms like any other, and one message where the function is not what it must be."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from scenes import Scene
from torch import Tensor

from gnn_distill.config.schema.objective import (
    AlignmentConfig,
    BaselineConfig,
    LossConfig,
    LossWeights,
    OwnLossConfig,
    Ramp,
    ScheduleConfig,
)
from gnn_distill.data.batching import GraphBatch
from gnn_distill.errors import UserError
from gnn_distill.losses.gradients import blamed, gradient
from gnn_distill.losses.published.states import mugsi_graph, similarity_preserving
from gnn_distill.losses.soft import soft_binary

CALLS: list[tuple[Tensor, Tensor, GraphBatch]] = []


def squared(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Tensor:
    return (student - teacher).square().mean()


def lengths(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Tensor:
    return mugsi_graph(student, teacher)


def products(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Tensor:
    return similarity_preserving(student, teacher)


def softened(student: Tensor, teacher: Tensor, batch: GraphBatch, temperature: float) -> Tensor:
    return soft_binary(student, teacher, temperature)


def counted(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Tensor:
    CALLS.append((student, teacher, batch))
    return student.square().mean() + 0 * teacher.sum()


def own(
    function: Callable | str, level: str = "graph", task: float = 0.0, loss: dict | None = None, **keys: Any
) -> Scene:
    target = function if isinstance(function, str) else f"{__name__}.{function.__name__}"
    terms = {"mine": OwnLossConfig(target, **keys)}
    return make_scene(level, LossConfig(weights=LossWeights(task=task), own=terms, **(loss or {})))


def make_scene(level: str, loss: LossConfig, reuse_head: bool = False) -> Scene:
    kind = "graph" if level == "graph" else "node"
    return Scene(kind, loss, AlignmentConfig(reuse_head=reuse_head), some=level == "some")


def pull(scene: Scene) -> tuple[Tensor, Tensor]:
    """The total, and its gradient on all that the student puts out and on the projections."""
    total, _, _ = scene.objective(scene.out, scene.batch, scene.read(), progress=0.5)
    out = scene.out
    return total, gradient(total, [out.logits, out.graph, *out.nodes, out.projected, *scene.objective.parameters()])


BASELINE = LossWeights(task=0.0)
SAME = {
    "nodes": (squared, {}, LossConfig(weights=BASELINE, baseline=BaselineConfig(fitnet=1.0))),
    "mlp": (
        squared,
        {"projection": "mlp"},
        LossConfig(weights=BASELINE, baseline=BaselineConfig(fitnet=1.0, projection="mlp")),
    ),
    "graphs": (lengths, {"reads": "graphs"}, LossConfig(weights=BASELINE, baseline=BaselineConfig(mugsi_graph=1.0))),
    "as they are": (
        products,
        {"reads": "graphs", "projection": "none"},
        LossConfig(weights=BASELINE, baseline=BaselineConfig(sp=1.0)),
    ),
    "logits": (
        softened,
        {"reads": "logits", "kwargs": {"temperature": 2.0}},
        LossConfig(weights=LossWeights(task=0.0, soft=1.0)),
    ),
}


@pytest.mark.parametrize(("name", "level"), [*((name, "graph") for name in SAME), ("nodes", "node"), ("nodes", "some")])
def test_the_formula_of_a_loss_of_the_package_gives_its_numbers(name: str, level: str) -> None:
    function, keys, loss = SAME[name]
    mine, theirs = own(function, level, **keys), make_scene(level, loss)
    assert mine.objective.terms.keys() == {"own_mine"}
    assert mine.objective.requires == theirs.objective.requires
    for one, other in zip(pull(mine), pull(theirs), strict=True):
        assert torch.allclose(one, other, rtol=1e-6, atol=1e-8)
        assert one.abs().sum() > 0
    assert all(rows.grad is None for rows in (mine.teacher.logits, mine.teacher.graph, *mine.teacher.nodes.values()))


def test_a_student_under_its_teachers_head_is_read_where_the_head_reads_it() -> None:
    terms = {"mine": OwnLossConfig(f"{__name__}.squared")}
    mine = make_scene("graph", LossConfig(weights=BASELINE, own=terms), reuse_head=True)
    theirs = make_scene("graph", LossConfig(weights=BASELINE, baseline=BaselineConfig(fitnet=1.0)), reuse_head=True)
    assert torch.equal(pull(mine)[1], pull(theirs)[1])


def test_states_under_the_teachers_head_have_its_units_before_the_first_step() -> None:
    """So that what brings them there moves to the device with all else."""
    for loss in ({"own": {"mine": OwnLossConfig(f"{__name__}.squared")}}, {"baseline": BaselineConfig(fitnet=1.0)}):
        objective = make_scene("graph", LossConfig(weights=BASELINE, **loss), reuse_head=True).objective
        assert list(objective.projectors.standardise) == ["node2"]


def test_it_gets_both_sides_rows_and_the_batch_and_nothing_goes_to_the_teacher() -> None:
    CALLS.clear()
    scene = own(counted, "some", projection="none")
    scene.out.nodes[-1].data = scene.out.nodes[-1].data.bfloat16()
    pull(scene)
    ((student, teacher, batch),) = CALLS
    assert batch is scene.batch
    assert torch.equal(teacher, scene.teacher.nodes[2])
    assert (student.dtype, teacher.requires_grad) == (torch.float, False)
    assert len(student) == len(batch.wanted(batch.batch))


def test_a_weight_of_0_costs_nothing() -> None:
    scene = own("nowhere.to_be.found", weight=0.0)
    assert not scene.objective.terms
    assert not scene.objective.requires.teacher
    assert not list(scene.objective.parameters())


def test_it_is_not_called_before_its_time() -> None:
    scene = own(counted, task=1.0, loss={"schedule": ScheduleConfig(baseline=Ramp(enter=[0.5, 0.5]))})
    CALLS.clear()
    _, values, _ = scene.objective(scene.out, scene.batch, scene.read(), progress=0.4)
    assert (values.keys(), CALLS) == ({"task"}, [])
    _, values, weights = scene.objective(scene.out, scene.batch, scene.read(), progress=0.6)
    assert values.keys() == {"task", "own_mine"}
    assert weights["own_mine"] == 1.0


def test_its_weight_becomes_a_share_of_the_tasks_gradient() -> None:
    scene = own(squared, task=1.0, weight=0.3, loss={"balance": "gradient"})
    leaves = [scene.out.logits, scene.out.graph, *scene.out.nodes]
    _, values, weights = scene.objective(scene.out, scene.batch, scene.read(), 0.5, leaves)
    norms = {
        name: gradient(scene.objective.terms[name](scene.out, scene.batch, scene.read()), leaves).norm()
        for name in values
    }
    assert float(weights["own_mine"] * norms["own_mine"]) == pytest.approx(0.3 * float(norms["task"]), rel=1e-5)


def not_finite(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Tensor:
    return (student - teacher).sum() * torch.nan


@pytest.mark.filterwarnings("error")
def test_it_is_blamed_by_its_name() -> None:
    scene = own(not_finite)
    what = blamed(scene.objective.terms, scene.out, scene.batch, scene.read(), list(scene.objective.parameters()))
    assert list(what) == ["term own_mine (nan)"]


def two(student: Tensor, teacher: Tensor) -> Tensor:
    return (student - teacher).mean()


def vector(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Tensor:
    return (student - teacher).square().mean(dim=1)


def one_row(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Tensor:
    return (student - teacher).mean().view(1)


def number(student: Tensor, teacher: Tensor, batch: GraphBatch) -> float:
    return float((student - teacher).detach().mean())


def count(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Tensor:
    return (student > 0).sum()


def detached(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Tensor:
    return (student.detach() - teacher).square().mean()


def in_place(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Tensor:
    teacher -= teacher.mean(dim=0)
    return (student - teacher).square().mean()


class Loss:
    """No function."""


HERE = f"loss.own.mine.target={__name__}"
ROWS = r"for student rows \[\d+, 6\] and teacher rows \[\d+, 6\]\. It must return a scalar tensor"
WRONG = {
    "no module": (
        "no_losses.loss",
        {},
        "loss.own.mine.target=no_losses: no module named no_losses. Run from the folder",
    ),
    "no function": (f"{__name__}.square", {}, f"{HERE}.square: {__name__} has no square. Did you mean 'squared'?"),
    "no path": ("squared", {}, "loss.own.mine.target=squared: must be the import path of a function"),
    "a value": (f"{__name__}.WRONG", {}, f"{HERE}.WRONG: not a class or function of a Python file"),
    "a class": (Loss, {}, f"{HERE}.Loss: this is a class. Give the path of a function."),
    "two arguments": (
        two,
        {},
        rf"{HERE}.two: takes \(student: .*\) -> .*, but is called with \(student, teacher, batch\): too",
    ),
    "an argument more": (
        squared,
        {"kwargs": {"p": 2}},
        r"is called with \(student, teacher, batch, p=2\): got an unexp",
    ),
    "an argument less": (softened, {}, "missing a required argument: 'temperature'. Correct the function, or loss.own"),
    "a vector": (vector, {}, rf"{HERE}.vector: returned a tensor of shape \[\d+\] {ROWS}"),
    "one row": (one_row, {}, rf"{HERE}.one_row: returned a tensor of shape \[1\] {ROWS}"),
    "no tensor": (number, {}, f"{HERE}.number: returned no tensor, but float, {ROWS}"),
    "whole numbers": (count, {}, f"{HERE}.count: returned a tensor of torch.int64 {ROWS}"),
    "no gradient": (detached, {}, rf"{HERE}.detached: returned a value without a gradient \(a constant, or made of de"),
    "in place": (in_place, {}, f"{HERE}.in_place: modifies its rows in place, which other terms read, too"),
    "two widths": (
        squared,
        {"projection": "none"},
        r"fails on student rows \[\d+, 4\] and teacher rows \[\d+, 6\], in line \d+ of .*test_own.py \(RuntimeError: "
        r".*\)\. "
        "If it needs rows of equal width, set loss.own.mine.projection=linear.",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_loss_is_refused_with_one_message(name: str) -> None:
    function, keys, told = WRONG[name]
    with pytest.raises(UserError, match=told) as raised:
        pull(own(function, **keys))
    assert "\n" not in str(raised.value)


def test_at_node_level_there_are_no_graph_states_to_read() -> None:
    with pytest.raises(UserError, match=r"loss\.own\.mine\.reads=graphs: the task is about nodes, not graphs"):
        own(squared, "node", reads="graphs")
