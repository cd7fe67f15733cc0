"""Every term that a config may switch on: equal to the references, reading no more than it says, teaching alone."""

import sys
from dataclasses import dataclass, replace
from types import FrameType

import pytest
import torch
from objective_cases import TERMS, random_tensor
from term_cases import CASES, NONE, Scene, TermCase

from gnn_distill.config.schema.fields import number, reading, weight, weights
from gnn_distill.config.schema.objective import (
    AlignmentConfig,
    AlignmentWeights,
    BaselineConfig,
    LossConfig,
    LossWeights,
    MacroConfig,
    MicroConfig,
)
from gnn_distill.errors import UserError
from gnn_distill.losses.alignment import infonce, measure_of
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.projectors import StudentShape
from gnn_distill.losses.published import terms as baseline

SECTIONS = {"micro": MicroConfig, "macro": MacroConfig, "baseline": BaselineConfig, "align": AlignmentWeights}
OFF = {name: dict.fromkeys(weights(schema), 0.0) for name, schema in SECTIONS.items() if name != "align"}
NAMES = [(name, level) for name, case in CASES.items() for level in case.levels]


def make_scene(case: TermCase, level: str) -> Scene:
    return Scene("graph" if level == "graph" else "node", case.loss, case.align, some=level == "some")


@pytest.mark.parametrize(("name", "level"), NAMES)
def test_a_batch_equals_the_reference(name: str, level: str) -> None:
    case = CASES[name]
    scene = make_scene(case, level)
    total, raw, weights = scene.objective(scene.out, scene.batch, scene.read(), progress=0.5)
    assert weights == {case.term: 1.0}
    expected = case.reference(scene)
    assert expected > 1e-4
    assert float(raw[case.term]) == pytest.approx(expected, rel=1e-4)
    total.backward()
    teacher = scene.teacher
    assert all(states.grad is None for states in (teacher.logits, teacher.graph, *teacher.nodes.values()))
    out = scene.out
    reached = [out.logits, out.graph, *out.nodes, *out.attention.values(), out.projected]
    reached += [] if out.patches is None else [out.patches]
    assert any(tensor.grad is not None and tensor.grad.abs().sum() > 0 for tensor in reached)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in scene.objective.parameters())


@pytest.mark.parametrize(("name", "level"), NAMES)
def test_a_stack_trace_shows_names(name: str, level: str) -> None:
    """No lambda, and no function inside one inside another."""
    scene, called = make_scene(CASES[name], level), set()

    def trace(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and "/gnn_distill/losses/" in frame.f_code.co_filename:
            called.add(frame.f_code.co_qualname.removesuffix(".<locals>.<genexpr>"))

    sys.setprofile(trace)
    try:
        scene.objective(scene.out, scene.batch, scene.read(), progress=0.5)
    finally:
        sys.setprofile(None)
    assert {"Objective.forward", "Term.__call__"} < called
    assert not {name for name in called if "<lambda>" in name or name.count("<locals>") > 1}


@pytest.mark.parametrize("level", ["graph", "node"])
def test_rows_that_are_drawn_are_the_same_on_both_sides(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spy(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        seen.append(student)
        assert torch.equal(student, teacher[:, : student.size(1)])  # as many channels as students have here
        return student.sum()

    monkeypatch.setitem(baseline.BETWEEN_GRAPHS, "sp", spy)
    config = LossConfig(weights=LossWeights(task=0.0), baseline=BaselineConfig(sp=1.0, samples=5))
    scene = Scene(level, config, NONE)
    nodes = (*scene.out.nodes[:2], scene.teacher.nodes[2])
    twin = replace(scene.out, nodes=nodes, graph=scene.teacher.graph)
    for _ in range(3):
        scene.objective(twin, scene.batch, scene.read(), 0.5)
    assert {len(rows) for rows in seen} == {5}
    assert not torch.equal(seen[0], seen[1])


def test_a_contrast_of_few_rows_is_one_of_the_same_rows() -> None:
    states = random_tensor(60, 4, seed=0)
    few = measure_of(AlignmentConfig(measure="infonce", samples=6, temperature=0.05))(states, states)
    assert 0 < float(few) < float(infonce(states, states, 0.05))


def test_a_student_without_attention_is_told() -> None:
    case = CASES["attention"]
    scene = make_scene(case, "graph")
    scene.out.attention.pop(2)
    with pytest.raises(UserError, match=r"loss\.micro\.attention: the student returns no attention logits of layer 2"):
        scene.objective(scene.out, scene.batch, scene.read(), 0.5)


def test_every_weight_has_its_term_and_every_term_its_reference() -> None:
    names = {section: weights(schema) for section, schema in SECTIONS.items()}
    on = {section: SECTIONS[section](**dict.fromkeys(keys, 1.0)) for section, keys in names.items()}
    align = AlignmentConfig(weights=on.pop("align"))
    scene = Scene("graph", LossConfig(weights=LossWeights(task=0.0, micro=1.0, macro=1.0), **on), align)
    terms = {f"{section}_{key}" for section, keys in names.items() for key in keys}
    assert terms == scene.objective.terms.keys()
    assert terms <= {case.term for case in CASES.values()} | TERMS


def has_nodes_read(section: str, key: str) -> bool:
    """Whether a term cannot do without states of nodes."""
    loss, align = LossConfig(weights=LossWeights(0, 0, 0, 0)), AlignmentConfig()
    on = SECTIONS[section](**dict.fromkeys(weights(SECTIONS[section]), 0.0) | {key: 1.0})
    if key == "attention":
        on.attention_layers = [1]
    if section == "align":
        align = AlignmentConfig(weights=on, source="patch")
    else:
        loss = LossConfig(weights=LossWeights(0, 0, 1, 1), **{name: SECTIONS[name](**OFF[name]) for name in OFF})
        setattr(loss, section, on)
    scene = Scene("graph", LossConfig(weights=LossWeights(task=0.0)), AlignmentConfig(source="patch"))
    out = replace(scene.out, nodes=(), attention={})
    try:
        made = Objective(scene.objective.task_loss, loss, align, scene.shape, StudentShape((), 4), scene.structure)
        total, raw, _ = made(out, scene.batch, scene.teacher, 0.5)
    except UserError:
        return True
    assert raw.keys() == {f"{section}_{key}"}
    assert total.isfinite()
    return False


@pytest.mark.parametrize("section", SECTIONS)
def test_weights_of_nodes_are_those_of_terms_that_read_nodes(section: str) -> None:
    """Attention is between nodes, too, whether it reads the teacher or not; means over patches are the exception."""
    said = {key for key, reads in reading(SECTIONS[section]).items() if reads in ("nodes", "subgraphs")}
    found = {key for key in weights(SECTIONS[section]) if has_nodes_read(section, key)}
    assert found == (said | ({"attention"} if section == "micro" else set())) - {"subgraph"}


def test_other_keys_are_no_weights() -> None:

    @dataclass
    class Section:
        term: float = weight()
        margin: float = number(0.0, low=0.0)

    assert weights(Section) == ("term",)
