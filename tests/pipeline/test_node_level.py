"""Node-level tasks go through the same stages: who is taught, by whom, and what the terms compare."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_tasks import make_node_task, make_runtime
from test_distill import CONFIG, TERMS, run

from gnn_distill.config.schema.run import SignalsConfig, TrainConfig, TrainerConfig
from gnn_distill.data.loaders import NodeLoader
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError
from gnn_distill.losses.task import make_task_loss
from gnn_distill.pipeline.encodings import stored_encodings
from gnn_distill.pipeline.evaluate import evaluate_splits
from gnn_distill.pipeline.kept_outputs import TeacherOutputs
from gnn_distill.pipeline.student import check_student, train_student
from gnn_distill.pipeline.teacher import train_teacher
from gnn_distill.pipeline.teacher_outputs import compute_teacher_outputs
from gnn_distill.pipeline.teacher_plan import plan_teacher, visibility
from gnn_distill.storage.run_directory import read_metrics


def collect(folder: Path, task: GraphTask, config: TrainConfig) -> tuple[torch.nn.Module, TeacherOutputs]:
    runtime = make_runtime(folder)
    plan = plan_teacher(config, task)
    teacher, entry = train_teacher(runtime, task, None, make_task_loss(task, config.task), plan)
    return teacher, compute_teacher_outputs(runtime, task, None, teacher, entry, plan)[0]


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression"])
@pytest.mark.parametrize("setting", ["transductive", "inductive"])
def test_every_kind_of_task_is_distilled(kind: str, setting: str, tmp_path: Path) -> None:
    task = make_node_task(kind, setting=setting)
    runtime, student, _ = run(tmp_path, task)
    rows = read_metrics(runtime.directory.path)["student"]
    assert rows["epoch"] == [1, 2]
    assert all(rows[f"train/{name}"][0] > 0 for name in TERMS)
    encodings, _ = stored_encodings(runtime, task, CONFIG.encoding)
    scores = evaluate_splits(runtime, student, task, encodings, make_task_loss(task, CONFIG.task), TrainerConfig())
    assert list(scores) == ["train", "val", "test"]


@pytest.mark.parametrize("setting", ["transductive", "inductive"])
@pytest.mark.parametrize("on", ["train", "auto"])
def test_rows_are_the_teachers_own(setting: str, on: str, tmp_path: Path) -> None:
    task = make_node_task(setting=setting)
    config = replace(CONFIG, signals=SignalsConfig(on=on))
    teacher, kept = collect(tmp_path, task, config)
    seen = visibility(task, on)
    assert seen == ("train" if on == "train" else "all")
    for batch_nodes in (0, 5):
        for _, batch, _ in NodeLoader(task, None, batch_nodes, seed=0, taught=seen).train(1):
            with torch.no_grad():
                said = teacher(batch)
            rows = kept.rows(batch)
            torch.testing.assert_close(rows.logits, said.logits, rtol=1e-5, atol=1e-5)
            for layer, states in rows.nodes.items():
                torch.testing.assert_close(states, said.nodes[layer - 1], rtol=1e-5, atol=1e-5)
    taught = list(range(40)) if seen == "all" else task.splits.train
    if setting == "inductive":  # nodes of the second graph: 12 for training, 8 in no part
        taught = torch.arange(20) if seen == "all" else task.splits.train - 40
    torch.testing.assert_close(kept.shape().nodes[2].mean, kept.nodes[2][taught].mean(0), rtol=1e-5, atol=1e-5)


def test_what_is_taught_of_other_nodes_changes_the_student_only_where_it_is_seen(tmp_path: Path) -> None:
    """Teacher signals of validation and test nodes are replaced by noise: signals.on=train does not notice."""
    task = make_node_task()
    students = {}
    for on in ("train", "all"):
        config = replace(CONFIG, signals=SignalsConfig(on=on))
        _, kept = collect(tmp_path / on, task, config)
        other = torch.ones(40, dtype=torch.bool)
        other[task.splits.train] = False
        for noisy in (False, True):
            if noisy:
                kept.logits[other] += 5.0
                for states in kept.nodes.values():
                    states[other] += torch.randn(states[other].shape)
            runtime = make_runtime(tmp_path / f"{on} {noisy}")
            encodings, _ = stored_encodings(runtime, task, config.encoding)
            student, _ = train_student(runtime, task, encodings, make_task_loss(task, config.task), kept, config)
            students[on, noisy] = torch.cat([value.flatten() for value in student.state_dict().values()])
    assert torch.equal(students["train", False], students["train", True])
    assert not torch.equal(students["all", False], students["all", True])


def test_labels_of_validation_and_test_nodes_are_not_learned_from(tmp_path: Path) -> None:
    """With the best epoch fixed (there is one), other nodes' labels change no weight."""
    weights = []
    for shift in (0, 1):
        task = make_node_task()
        other = torch.ones(40, dtype=torch.bool)
        other[task.splits.train] = False
        task.graphs.y[other] = (task.graphs.y[other] + shift) % 3
        config = replace(CONFIG, trainer=replace(CONFIG.trainer, max_epochs=1))
        _, student, _ = run(tmp_path / str(shift), task, config)
        weights.append(torch.cat([value.flatten() for value in student.state_dict().values()]))
    assert torch.equal(*weights)


def test_a_graph_beyond_the_budget_is_refused_with_the_students_that_take_it() -> None:
    config = replace(CONFIG, trainer=TrainerConfig(max_pairs=1000))
    with pytest.raises(
        UserError, match=r"trainer\.max_pairs=1000.* pairs: student=nagphormer, student=polynormer or student=sgformer"
    ):
        check_student(make_node_task(), config)
    check_student(make_node_task(), replace(config, trainer=TrainerConfig(max_pairs=1600)))
