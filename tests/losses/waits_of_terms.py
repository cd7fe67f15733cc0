"""No term of the objective makes a GPU wait: each is computed on a device whose numbers nobody can read."""

from functools import partial

import pytest
import torch
from objective_cases import ALL_SCALES, CONFIGS, FoundStructure
from pretended_device import no_copies, pretended_device
from rank_gradients import RankCase, student_of, teacher_outputs, the_task
from small_tasks import encode
from steps_elsewhere import take_steps
from term_cases import CASES, Scene

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig, LossWeights, MacroConfig, MicroConfig
from gnn_distill.data.loaders import make_loader
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.projectors import StudentShape
from gnn_distill.losses.task import TaskLoss


@pytest.mark.parametrize(
    ("loss", "align", "level"),
    [
        pytest.param(case.loss, case.align, level, id=f"{name}-{level}")
        for name, case in CASES.items()
        for level in case.levels
    ]
    + [
        pytest.param(*CONFIGS[name], level, id=f"{name}-{level}")
        for name in CONFIGS
        for level in ("graph", "node", "some")
    ],
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


@pytest.mark.parametrize("level", ["graph", "separate"])
def test_a_step_of_the_loop_finds_on_the_host_what_all_terms_read(level: str) -> None:
    """With the rows that the teacher's outputs give, also for labels on the nodes of many graphs."""
    micro, macro = MicroConfig(attention=1.0, edge=1.0), MacroConfig(distance_profile=1.0, distribution=1.0)
    loss = LossConfig(weights=LossWeights(1, 1, 1, 1), micro=micro, macro=macro, balance="gradient")
    case, align = RankCase(loss, level=level), AlignmentConfig(weights=ALL_SCALES)
    task = the_task(case.level, case.kind)
    outputs = teacher_outputs(task)
    student = student_of(case, task, outputs)
    structure = FoundStructure(task.graphs, among=torch.arange(len(task.graphs.x)))
    task_loss, widths = TaskLoss(task.spec, split_by_graph=True), StudentShape.of(student, 1.0)
    objective = Objective(task_loss, loss, align, outputs.shape(), widths, structure)
    encodings = encode(task.graphs, EncodingConfig(spd=True))
    loader = make_loader(task, encodings, batch_size=9, max_pairs=10**6, seed=0, taught="all")

    def first_batch():
        return next(iter(loader.train(1)))[1]

    take_steps(student, objective, first_batch, task.spec, partial(outputs.rows, requires=objective.requires))
