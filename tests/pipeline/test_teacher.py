"""teacher.control=self: the teacher is the student as it would be alone."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_tasks import make_node_task, make_runtime, make_task, preset
from test_distill import CONFIG, TERMS

from gnn_distill.config.schema.run import OptimConfig, PretrainConfig, TrainConfig, TrainerConfig
from gnn_distill.data.batching import collate
from gnn_distill.data.task import GraphTask
from gnn_distill.losses.task import make_task_loss
from gnn_distill.pipeline.encodings import stored_encodings
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.pipeline.student import train_student
from gnn_distill.pipeline.teacher import store_key, train_teacher
from gnn_distill.pipeline.teacher_outputs import compute_teacher_outputs
from gnn_distill.pipeline.teacher_plan import plan_teacher
from gnn_distill.storage.run_directory import read_metrics
from gnn_distill.storage.store import content_key

TWIN = replace(CONFIG, teacher=replace(CONFIG.teacher, control="self"))


def vector(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def teach(folder: Path, task: GraphTask, config: TrainConfig = TWIN) -> tuple[Runtime, torch.nn.Module, object]:
    runtime, plan = make_runtime(folder), plan_teacher(config, task)
    encodings, _ = stored_encodings(runtime, task, plan.encoding)
    return runtime, *train_teacher(runtime, task, encodings, make_task_loss(task, config.task), plan)


@pytest.mark.parametrize("task", [make_task(), make_node_task()], ids=["graph", "node"])
def test_the_teacher_is_the_student_alone_of_another_seed(task: GraphTask, tmp_path: Path) -> None:
    config = replace(TWIN, trainer=replace(TWIN.trainer, batch_nodes=0))
    _, teacher, _ = teach(tmp_path / "teacher", task, config)
    plan = plan_teacher(config, task)
    assert plan.recipe.seed != config.seed
    alone = replace(config, teacher=preset("teacher", "none"), seed=plan.recipe.seed)
    runtime = make_runtime(tmp_path / "alone")
    encodings, _ = stored_encodings(runtime, task, alone.encoding)
    student, _ = train_student(runtime, task, encodings, make_task_loss(task, alone.task), None, alone)
    assert torch.equal(vector(teacher), vector(student))


def test_the_student_is_taught_by_its_twin(tmp_path: Path) -> None:
    task = make_task()
    runtime, teacher, entry = teach(tmp_path, task)
    encodings, _ = stored_encodings(runtime, task, TWIN.encoding)
    kept, _ = compute_teacher_outputs(runtime, task, encodings, teacher, entry, plan_teacher(TWIN, task))
    assert set(kept.nodes) == {1, 2, 3}  # the student's layers
    batch = collate(task.graphs, encodings, task.splits.train)
    with torch.no_grad():
        said = teacher(batch)
    rows = kept.rows(batch)
    torch.testing.assert_close(rows.logits, said.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(rows.graph, said.graph, rtol=1e-4, atol=1e-5)
    for layer in (1, 2, 3):
        torch.testing.assert_close(rows.nodes[layer], said.nodes[layer - 1], rtol=1e-4, atol=1e-5)
    train_student(runtime, task, encodings, make_task_loss(task, TWIN.task), kept, TWIN)
    told = read_metrics(runtime.directory.path)
    assert all(told["student"][f"train/{name}"][0] > 0 for name in TERMS)
    assert told["teacher"]["epoch"] == [1, 2]  # trainer.max_epochs, not the one of pretrain


CHANGES = {
    "student": {"student": replace(TWIN.student, num_layers=2)},
    "encoding": {"encoding": replace(TWIN.encoding, max_spd=4)},
    "rate": {"optim": OptimConfig(lr=2e-2)},
    "epochs": {"trainer": TrainerConfig(max_epochs=3, batch_size=4)},
    "batch": {"trainer": TrainerConfig(max_epochs=2, batch_size=5)},
    "seed": {"seed": 1},
    "a GNN": {"teacher": CONFIG.teacher},
}
SAME = {
    "GNN": {"teacher": preset("teacher", "gcn", hidden_channels=99, control="self")},
    "its recipe": {"pretrain": PretrainConfig(max_epochs=7, batch_size=3, optim=OptimConfig(lr=0.5))},
    "loss": {"loss": replace(TWIN.loss, name="other")},
    "alignment": {"alignment": replace(TWIN.alignment, layers=False)},
}


def test_its_key_holds_what_makes_a_student_alone() -> None:
    task = make_task()

    def key(**changes: object) -> str:
        return content_key(store_key(task, plan_teacher(replace(TWIN, **changes), task)))

    changed = {name: key(**change) for name, change in CHANGES.items()}
    assert len({*changed.values(), key()}) == len(CHANGES) + 1
    assert {name: key(**change) for name, change in SAME.items()} == dict.fromkeys(SAME, key())


@pytest.mark.parametrize(("config", "narrow"), [(CONFIG, False), (TWIN, True)], ids=["GNN", "twin that pads"])
def test_only_models_that_pad_are_trained_on_graphs_of_like_size(config: TrainConfig, narrow: bool) -> None:
    """Batch normalisation of a GNN would meet other sizes in evaluation than in each batch of training."""
    task = make_task(count=96)
    recipe = replace(plan_teacher(config, task).recipe, batch_size=8)
    batches = [batch for _, batch, _ in recipe.loader(task, None, torch.device("cpu")).train(epoch=0)]
    within = torch.stack([batch.ptr.diff().float().std() for batch in batches]).mean()
    of_all = torch.cat([batch.ptr.diff() for batch in batches]).float().std()
    assert (within < of_all / 2) == narrow
