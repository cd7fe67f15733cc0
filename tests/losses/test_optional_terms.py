"""Every term that a config may switch on: equal to the references, reading no more than it says, teaching alone."""

import pytest
from term_cases import CASES, Scene, TermCase

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
    reached = [scene.out.graph, *scene.out.nodes, *scene.out.attention.values(), scene.out.projected]
    assert any(tensor.grad is not None and tensor.grad.abs().sum() > 0 for tensor in reached)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in scene.objective.parameters())
