"""The student's stage: with a teacher and without; what is written down; evaluation; stored encodings."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_runs import CONFIG, run_stages
from small_tasks import make_node_task, make_runtime, make_task, preset

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.objective import Ramp, ScheduleConfig
from gnn_distill.config.schema.run import DebugConfig, OptimConfig, TrainConfig, TrainerConfig
from gnn_distill.data.encodings.structural import compute_encodings
from gnn_distill.data.loaders import GraphLoader
from gnn_distill.data.task import GraphTask
from gnn_distill.losses.task import TaskLoss, make_task_loss
from gnn_distill.pipeline.encodings import stored_encodings
from gnn_distill.pipeline.evaluate import evaluate_splits
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.storage import checkpoint
from gnn_distill.storage.metrics_file import METRICS_FILE
from gnn_distill.storage.run_directory import read_metrics
from gnn_distill.training.loop import FitResult
from gnn_distill.training.metrics import Metrics

TERMS = ("task", "soft", "micro_relation", "macro_graph_relation", "align_node", "align_subgraph", "align_graph")


def run(
    folder: Path, task: GraphTask, config: TrainConfig = CONFIG, store: Path | None = None
) -> tuple[Runtime, torch.nn.Module, FitResult]:
    runtime = make_runtime(folder, store)
    return runtime, *run_stages(runtime, task, config)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression"])
def test_every_kind_of_task_is_distilled(kind: str, tmp_path: Path) -> None:
    task = make_task(kind, edges="categorical")
    if kind == "multilabel":
        task.graphs.y[::3, 0] = torch.nan
    runtime, _, fitted = run(tmp_path, task)
    rows = read_metrics(runtime.directory.path)["student"]
    assert rows["epoch"] == [1, 2]
    for epoch in range(2):
        total = sum(rows[f"train/{name}.weighted"][epoch] for name in TERMS)
        assert rows["train/loss"][epoch] == pytest.approx(total, rel=1e-4)
        weights = {"task": 1.0, "align_node": 1.0}
        for name in TERMS:
            expected = weights.get(name, 0.5) * rows[f"train/{name}"][epoch]
            assert rows[f"train/{name}.weighted"][epoch] == pytest.approx(expected, rel=1e-4)
    with open(runtime.directory.path / METRICS_FILE, newline="") as file:
        header = next(csv.reader(file))
    assert header[:2] == ["stage", "epoch"]
    metrics = [name for name in header if name.startswith("val/")]
    assert metrics[0] == f"val/{task.spec.metric}"
    assert fitted.best[task.spec.metric] in rows[metrics[0]]
    assert runtime.directory.last.exists()


def test_a_run_is_repeated_to_the_last_digit(tmp_path: Path) -> None:
    task = make_task("regression")
    (one, student, fitted), (other, twin, same) = (run(tmp_path / name, task) for name in ("one", "other"))
    assert all(torch.equal(a, b) for a, b in zip(student.parameters(), twin.parameters(), strict=True))
    assert fitted.best == same.best
    rows = [read_metrics(runtime.directory.path) for runtime in (one, other)]
    for stage in ("teacher", "student"):
        for some in rows:
            some[stage].pop("seconds")
    assert rows[0] == rows[1]
    _, third, _ = run(tmp_path / "seed", task, replace(CONFIG, seed=1))
    assert not torch.equal(next(student.parameters()), next(third.parameters()))


def test_a_stored_teacher_gives_the_student_of_a_fresh_one(tmp_path: Path) -> None:
    task = make_task()
    config = replace(CONFIG, teacher=replace(CONFIG.teacher, dropout=0.3))
    (fresh, student, _), (stored, twin, _) = (
        run(tmp_path / name, task, config, store=tmp_path / "store") for name in ("fresh", "stored")
    )
    rows = [read_metrics(runtime.directory.path)["teacher"] for runtime in (fresh, stored)]
    assert rows[0] == rows[1]  # to the second it took: it was trained once
    assert all(torch.equal(a, b) for a, b in zip(student.parameters(), twin.parameters(), strict=True))


def test_without_a_teacher_the_student_learns_from_labels(tmp_path: Path) -> None:
    config = replace(CONFIG, teacher=preset("teacher", "none"))
    runtime, _, _ = run(tmp_path, make_task(), config)
    rows = read_metrics(runtime.directory.path)
    assert list(rows) == ["student"]
    assert {name for name in rows["student"] if name.startswith("train/")} == {
        *("train/loss", "train/task", "train/task.weighted")
    }


def test_alignment_may_lead_and_the_task_come_late(tmp_path: Path) -> None:
    schedule = ScheduleConfig(task=Ramp(enter=[0.5, 0.5]), align=Ramp(leave=[0.5, 0.5]))
    config = replace(CONFIG, loss=replace(CONFIG.loss, schedule=schedule))
    runtime, _, _ = run(tmp_path, make_task(), config)
    with open(runtime.directory.path / METRICS_FILE, newline="") as file:
        first, second = (row for row in csv.DictReader(file) if row["stage"] == "student")
    for name, early in (("train/task", False), ("train/align_node", True), ("train/align_graph.weighted", True)):
        assert (first[name] != "", second[name] != "") == (early, not early)


@pytest.mark.parametrize("task", [make_task(), make_node_task()], ids=["graph", "node"])
def test_gradients_are_told_and_change_nothing(task: GraphTask, tmp_path: Path) -> None:
    """Neither the student's dropout nor the nodes that a term draws hear of it."""
    config = replace(CONFIG, trainer=TrainerConfig(max_epochs=2, batch_size=12))
    runs = {
        look: run(tmp_path / str(look), task, replace(config, debug=DebugConfig(gradients=look)))
        for look in (False, True)
    }
    (plain, student, _), (looking, twin, _) = runs[False], runs[True]
    for name, value in student.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name])
    rows, told = (read_metrics(runtime.directory.path)["student"] for runtime in (plain, looking))
    more = {f"train/{name}.grad_norm" for name in TERMS} | {f"train/{name}.grad_cosine" for name in TERMS[1:]}
    assert told.keys() - rows.keys() == more
    assert all(told[f"train/{name}.grad_norm"][epoch] > 0 for name in TERMS for epoch in range(2))
    assert all(-1.001 < told[f"train/{name}.grad_cosine"][0] < 1.001 for name in TERMS[1:])
    assert {name: told[name] for name in rows if name != "seconds"} == {
        name: rows[name] for name in rows if name != "seconds"
    }


def test_balanced_terms_count_as_much_as_they_are_told_to(tmp_path: Path) -> None:
    """With the rate at 0 and all graphs in one batch, the measured shares are exact."""
    loss = replace(CONFIG.loss, balance="gradient", balance_share=0.5, balance_every=2)
    config = replace(
        CONFIG,
        loss=loss,
        student=replace(CONFIG.student, dropout=0.0),
        encoding=replace(CONFIG.encoding, lap_pe=0),
        trainer=TrainerConfig(max_epochs=3, batch_size=99),
        optim=OptimConfig(lr=1e-30),
        debug=DebugConfig(gradients=True),
    )
    runtime, _, _ = run(tmp_path, make_task(), config)
    rows = read_metrics(runtime.directory.path)["student"]
    for name in TERMS[1:]:
        share = 0.5 * (1.0 if name == "align_node" else 0.5)
        factor = rows[f"train/{name}.weighted"][-1] / rows[f"train/{name}"][-1]
        assert factor * rows[f"train/{name}.grad_norm"][-1] == pytest.approx(
            share * rows["train/task.grad_norm"][-1], rel=1e-3
        ), name
    state = checkpoint.load(runtime.directory.checkpoints / "last.safetensors")["objective"]
    assert state["balance._extra_state"] == 3  # steps
    assert torch.allclose(state["balance.counts"], torch.tensor(1.7))  # two measurements


def test_evaluation_measures_every_graph_of_a_split_once(tmp_path: Path) -> None:
    task = make_task("regression")
    runtime, student, _ = run(tmp_path, task)
    task_loss = make_task_loss(task, CONFIG.task)
    encodings = compute_encodings(task.graphs, CONFIG.encoding)
    scores = evaluate_splits(runtime, student, task, encodings, task_loss, TrainerConfig(batch_size=2))
    assert list(scores) == ["train", "val", "test"]
    metrics = Metrics(task.spec)
    from gnn_distill.data.batching import collate

    with torch.no_grad():
        for graph in task.splits.test:
            batch = collate(task.graphs, encodings, graph[None])
            metrics.update(student.eval()(batch).logits, batch.y)
    assert scores["test"] == pytest.approx(metrics.compute(), rel=1e-5)
    assert next(iter(scores["test"])) == "mae"


def test_the_test_split_stays_closed_while_tuning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task()
    runtime, student, _ = run(tmp_path, task)
    encodings = compute_encodings(task.graphs, CONFIG.encoding)
    read, eval_batches = [], GraphLoader.eval_batches
    watched = lambda loader, split: (read.append(split), eval_batches(loader, split))[1]  # noqa: E731
    monkeypatch.setattr(GraphLoader, "eval_batches", watched)
    closed = TrainerConfig(test=False)
    assert list(evaluate_splits(runtime, student, task, encodings, TaskLoss(task.spec), closed)) == ["train", "val"]
    assert read == ["train", "val"]


def test_encodings_are_kept_for_all_that_they_depend_on(tmp_path: Path) -> None:
    task, runtime = make_task(), make_runtime(tmp_path)
    encoding = EncodingConfig(degree=True, spd=True, rwse=3, lap_pe=2)
    fresh, entry = stored_encodings(runtime, task, encoding)
    stored, again = stored_encodings(runtime, task, encoding)
    assert (entry.found, again.found) == (False, True)
    direct = compute_encodings(task.graphs, encoding).to_tensors()
    for some in (fresh, stored):
        assert {name: value.tolist() for name, value in some.to_tensors().items()} == {
            name: value.tolist() for name, value in direct.items()
        }
    for change in ({"rwse": 4}, {"lap_pe": 0}, {"spd": False}):
        assert not stored_encodings(runtime, task, replace(encoding, **change))[1].found
    for change in ({"max_spd": 3}, {"max_degree": 3}, {"bias_scale": 1.0}, {"edge": True}):
        assert stored_encodings(runtime, task, replace(encoding, **change))[1].found
    assert not stored_encodings(runtime, make_task("multiclass"), encoding)[1].found


def test_a_student_without_encodings_needs_none(tmp_path: Path) -> None:
    config = replace(CONFIG, student=replace(CONFIG.student, name="transformer"), encoding=EncodingConfig())
    _, _, fitted = run(tmp_path, make_task(), config)
    assert fitted.epochs == 2
