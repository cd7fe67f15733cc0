"""teacher.ensemble and teacher.also: which teachers there are, that the store shares each, what a run tells."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_runs import CONFIG, run_stages
from small_tasks import make_node_task, make_runtime, make_task
from test_run import SMALL

from gnn_distill.data.batching import collate
from gnn_distill.data.task import GraphTask
from gnn_distill.losses.task import make_task_loss
from gnn_distill.models.ensemble import Ensemble
from gnn_distill.pipeline.ensemble import together
from gnn_distill.pipeline.finished_run import load_data, load_models, read_finished_run
from gnn_distill.pipeline.kept_outputs import TeacherOutputs
from gnn_distill.pipeline.summary import describe_control
from gnn_distill.pipeline.teacher import store_key, train_teacher
from gnn_distill.pipeline.teacher_outputs import compute_teacher_outputs
from gnn_distill.pipeline.teacher_plan import TeacherPlan, plan_teacher, plan_teachers
from gnn_distill.results.run_page import run_page
from gnn_distill.storage.run_directory import read_metrics
from gnn_distill.storage.store import content_key

THREE = replace(CONFIG, teacher=replace(CONFIG.teacher, ensemble=3))
MIXED = replace(CONFIG, teacher=replace(CONFIG.teacher, ensemble=2, also=["gat", "sage"]))


def test_teachers_differ_in_kind_and_seed_and_the_first_is_that_of_a_run_with_one() -> None:
    task = make_task()
    plans = plan_teachers(replace(MIXED, seed=2**32 - 1), task)
    assert [(plan.role, plan.name, plan.recipe.seed) for plan in plans] == [
        *(("teacher", "gin", 2**32 - 1), ("teacher_2", "gin", 1_000_002)),
        *(("teacher_3", "gat", 2**32 - 1), ("teacher_4", "gat", 1_000_002)),
        *(("teacher_5", "sage", 2**32 - 1), ("teacher_6", "sage", 1_000_002)),
    ]
    keys = [content_key(store_key(task, plan)) for plan in plans]
    assert len({*keys}) == 6
    alone = replace(CONFIG, seed=2**32 - 1)
    assert keys[0] == content_key(store_key(task, plan_teacher(alone, task)))
    gat = replace(alone, teacher=replace(CONFIG.teacher, name="gat"))
    assert keys[2] == content_key(store_key(task, plan_teacher(gat, task)))
    repeated = {plan.recipe.seed for seed in range(100) for plan in plan_teachers(replace(THREE, seed=seed), task)}
    assert len(repeated) == 300, "repetitions of a run share no teacher"


def test_twins_of_the_student_differ_from_it_and_from_each_other() -> None:
    plans = plan_teachers(replace(THREE, teacher=replace(THREE.teacher, control="self")), make_task())
    assert len({CONFIG.seed, *(plan.recipe.seed for plan in plans)}) == 4
    assert {plan.name for plan in plans} == {"graphormer"}


def teach(folder: Path, task: GraphTask, plans: list[TeacherPlan], store: Path | None = None) -> tuple:
    """The models, their entries, and their outputs one by one."""
    runtime, task_loss = make_runtime(folder, store), make_task_loss(task, CONFIG.task)
    trained = [train_teacher(runtime, task, None, task_loss, plan) for plan in plans]
    outputs = [
        compute_teacher_outputs(runtime, task, None, *one, plan) for one, plan in zip(trained, plans, strict=True)
    ]
    return [model for model, _ in trained], [entry for _, entry in trained], outputs


@pytest.mark.parametrize("task", [make_task("multiclass"), make_node_task()], ids=["graphs", "nodes"])
def test_each_teacher_is_found_in_the_store_and_they_speak_as_one(task: GraphTask, tmp_path: Path) -> None:
    first, *_ = teach(tmp_path / "one", task, plan_teachers(CONFIG, task), tmp_path / "store")
    plans = plan_teachers(replace(CONFIG, teacher=replace(CONFIG.teacher, also=["gat"])), task)
    models, entries, outputs = teach(tmp_path / "two", task, plans, tmp_path / "store")
    assert [entry.reused for entry in entries] == [True, False]
    assert [entry.reused for _, entry in outputs] == [True, False]
    _, entries, again = teach(tmp_path / "more", task, plans, tmp_path / "store")
    assert all(entry.reused for entry in (*entries, *(entry for _, entry in again)))
    assert (tmp_path / "two" / "run" / "checkpoints" / "teacher_2.safetensors").is_file()
    assert [*read_metrics(tmp_path / "more" / "run")] == ["teacher", "teacher_2"]
    kept: TeacherOutputs = together([one for one, _ in outputs], task.spec.kind)
    batch = collate(task.graphs, None, task.splits.train if task.spec.level == "graph" else torch.tensor([0]))
    with torch.no_grad():
        said, together_said = [model(batch) for model in models], Ensemble(models, task.spec.kind)(batch)
        assert torch.equal(first[0](batch).logits, said[0].logits)
    rows = kept.rows(batch)
    mean = sum(one.logits.softmax(1) for one in said) / 2
    torch.testing.assert_close(rows.logits.softmax(1), mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together_said.logits.softmax(1), mean, rtol=1e-4, atol=1e-5)
    for mine, one in zip((rows, *rows.further), said, strict=True):
        torch.testing.assert_close(mine.nodes[2], one.nodes[1], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(mine.graph, one.graph, rtol=1e-4, atol=1e-5)
    assert rows.further[0].logits is None
    assert together([outputs[0][0]], "multiclass") is outputs[0][0]


def test_teachers_of_other_depths_give_what_they_have(tmp_path: Path) -> None:
    task = make_task()
    deeper = replace(CONFIG, teacher=replace(CONFIG.teacher, num_layers=3))
    _, _, outputs = teach(tmp_path, task, [plan_teacher(CONFIG, task), plan_teacher(deeper, task)])
    rows = together([one for one, _ in outputs], "binary").rows(collate(task.graphs, None, task.splits.train))
    assert ({*rows.nodes}, {*rows.further[0].nodes}) == ({1, 2}, {1, 2})


@pytest.mark.parametrize("control", ["shuffled", "untrained"])
def test_controls_change_the_states_of_each_teacher_and_no_soft_target(control: str, tmp_path: Path) -> None:
    task, two = make_task(), replace(CONFIG, teacher=replace(CONFIG.teacher, ensemble=2))
    batch = collate(task.graphs, None, task.splits.train)
    kept = {}
    for name in ("none", control):
        config = replace(two, teacher=replace(two.teacher, control=name))
        _, _, outputs = teach(tmp_path / name, task, plan_teachers(config, task), tmp_path / "store")
        kept[name] = together([one for one, _ in outputs], "binary")
    own, other = (one.rows(batch) for one in kept.values())
    torch.testing.assert_close(own.logits, other.logits)
    for mine, theirs in zip((own, *own.further), (other, *other.further), strict=True):
        assert not torch.allclose(mine.graph, theirs.graph, atol=1e-3)
    said = describe_control(config.teacher, kept[control])
    assert said["name"] == control
    assert control == "untrained" or (len(said["classes"]), len(said["alone"])) == (2, 2)


def test_a_student_of_two_teachers_learns_from_both(tmp_path: Path) -> None:
    task = make_task("regression", edges="categorical")
    two = replace(CONFIG, teacher=replace(CONFIG.teacher, ensemble=2))
    one, _ = run_stages(make_runtime(tmp_path / "one"), task, CONFIG)
    both, fitted = run_stages(make_runtime(tmp_path / "two"), task, two)
    assert fitted.epochs == 2
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), both.parameters(), strict=True))


def test_a_run_says_what_each_teacher_is_worth_and_what_they_are_together(
    gnn_distill: Callable, tmp_path: Path
) -> None:
    words = ("teacher.also=[gcn]", "pretrain.select=last", "trainer.select=average", "trainer.max_epochs=2")
    status, out, err = gnn_distill(*SMALL, *words, "hydra.run.dir=both")
    assert (status, err) == (0, "")
    assert "Each teacher alone, validation accuracy: gin " in out
    summary = json.loads((tmp_path / "both" / "summary.json").read_text())
    assert summary["name"] == "graphormer<-gin+gcn typed_edges s0"
    assert [(one["name"], one["seed"], [*one][2:]) for one in summary["teachers"]] == [
        ("gin", 0, ["train", "val", "test"]),
        ("gcn", 0, ["train", "val", "test"]),
    ]
    assert summary["selected"] == {
        "teacher": {"select": "last", "epochs": [1]},
        "student": {"select": "average", "epochs": [1, 2]},
    }
    run = read_finished_run(tmp_path / "both")
    task = load_data(run)
    assert {*load_models(run, task)} == {"teacher", "student"}
    facts = dict(run_page(tmp_path / "both")["facts"])
    assert facts["Each teacher"].startswith("gin ")
    assert facts["Selected"].startswith("mean of the epochs 1 to 2 of 2 (best on validation: epoch ")
