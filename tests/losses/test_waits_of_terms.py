"""No term of the objective makes a GPU wait: each is computed on a device whose numbers nobody can read."""

import pytest
from objective_cases import CONFIGS
from pretended_device import no_copies, pretended_device
from term_cases import CASES, Scene

from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig


@pytest.mark.parametrize(
    ("loss", "align", "level"),
    [
        pytest.param(case.loss, case.align, level, id=f"{name}-{level}")
        for name, case in CASES.items()
        for level in case.levels
    ]
    + [pytest.param(*CONFIGS[name], level, id=f"{name}-{level}") for name in CONFIGS for level in ("graph", "node", "some")],
)
def test_a_term_does_not_wait(loss: LossConfig, align: AlignmentConfig, level: str) -> None:
    scene = Scene("graph" if level == "graph" else "node", loss, align, some=level == "some")
    scene.objective.find_derived(scene.batch)
    with pretended_device() as there:
        there.module(scene.objective)
        batch, out, teacher = (there.record(part) for part in (scene.batch, scene.out, scene.read()))
        with no_copies():
            total, _, _ = scene.objective(out, batch, teacher, progress=0.5)
            total.backward()
