"""Training graphs without labels: who hears of them, who does not, and that hidden labels reach nobody."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_runs import CONFIG, run_stages
from small_tasks import make_runtime, make_separate_task, make_task
from test_separate_graphs import EVERYTHING, collect, weights

from gnn_distill.config.schema.run import DebugConfig, SignalsConfig, TrainConfig
from gnn_distill.data.assembly.splits import hide_labels
from gnn_distill.data.loaders import make_loader
from gnn_distill.data.task import GraphTask, taught_graphs
from gnn_distill.losses.task import make_task_loss
from gnn_distill.models.representations import Representations
from gnn_distill.pipeline.encodings import stored_encodings
from gnn_distill.pipeline.student import train_student
from gnn_distill.results.run_page import run_page
from gnn_distill.storage.run_directory import read_metrics

ONCE = replace(CONFIG, trainer=replace(CONFIG.trainer, max_epochs=1))
ALL = replace(ONCE, signals=SignalsConfig(on="all"))


def hidden(task: GraphTask, labelled: int) -> GraphTask:
    """`task` with the labels of its first `labelled` training graphs, and without those of its others."""
    if task.spec.level == "graph":
        kept = task.splits.train[:labelled]
    else:
        graphs = task.graphs.graphs_of(task.splits.train)[:labelled]
        kept = task.splits.train[torch.isin(task.graphs.node_graph[task.splits.train], graphs)]
    graphs, splits = hide_labels(task.graphs, task.splits, kept)
    return replace(task, graphs=graphs, splits=splits)


def student_of(folder: Path, task: GraphTask, config: TrainConfig) -> torch.Tensor:
    return weights(run_stages(make_runtime(folder), task, config)[0])


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression"])
def test_every_kind_of_task_is_distilled_by_all_terms_also_in_batches_without_labels(
    kind: str, separate: bool, tmp_path: Path
) -> None:
    """Two labelled graphs in three batches."""
    task = hidden((make_separate_task if separate else make_task)(kind), 2)
    config, runtime = replace(EVERYTHING, debug=DebugConfig(gradients=True)), make_runtime(tmp_path)
    student, _ = run_stages(runtime, task, config)
    rows = read_metrics(runtime.directory.path)["student"]
    terms = [name for name in rows if name.startswith("train/") and name.endswith(".weighted")]
    assert {"train/task.weighted", "train/soft.weighted", "train/align_node.weighted"} <= {*terms}
    assert all(rows[name][0] > 0 for name in terms)
    assert weights(student).isfinite().all()


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("on", ["auto", "train", "all"])
def test_no_hidden_label_reaches_the_teacher_or_the_student(kind: str, on: str, tmp_path: Path) -> None:
    """They are NaN; absurd ones put in their place afterwards change no weight, so nobody reads them."""
    config, found = replace(CONFIG, signals=SignalsConfig(on=on)), []
    for poison in (torch.nan, 1e6):
        task = hidden(make_task(kind), 5)
        task.graphs.y[task.splits.unlabelled] = poison
        folder = tmp_path / str(poison)
        teacher, kept = collect(folder, task, config)
        found.append(torch.cat([weights(teacher), kept.logits.flatten(), student_of(folder, task, config)]))
    assert torch.equal(*found)


def test_teacher_and_student_alone_are_those_of_the_labelled_graphs(tmp_path: Path) -> None:
    """Bit for bit what they are where there are no other graphs, and so is a student with signals.on=train."""
    task = hidden(make_task(), 5)
    without = replace(task, splits=replace(task.splits, unlabelled=None))
    alone = replace(CONFIG, teacher=replace(CONFIG.teacher, name="none"))
    for name, config in {"alone": alone, "taught": replace(CONFIG, signals=SignalsConfig(on="train"))}.items():
        found = [student_of(tmp_path / f"{name} {one.splits.unlabelled}", one, config) for one in (task, without)]
        assert torch.equal(*found)
    teachers = [weights(collect(tmp_path / name, one, CONFIG)[0]) for name, one in {"a": task, "b": without}.items()]
    assert torch.equal(*teachers)


@pytest.mark.parametrize(("on", "heard"), [("auto", True), ("train", False), ("all", True)])
def test_the_student_hears_its_teacher_on_graphs_without_labels(on: str, heard: bool, tmp_path: Path) -> None:
    task, config = hidden(make_task(), 5), replace(ONCE, signals=SignalsConfig(on=on))
    found = []
    for shift in (0.0, 3.0):
        _, kept = collect(tmp_path / str(shift), task, config)
        rows = kept.row[task.splits.unlabelled]
        kept.logits[rows[rows >= 0]] += shift
        runtime = make_runtime(tmp_path / f"student {shift}")
        encodings, _ = stored_encodings(runtime, task, config.encoding)
        student, _ = train_student(runtime, task, encodings, make_task_loss(task, config.task), kept, config)
        found.append(weights(student))
    assert torch.equal(*found) != heard


@pytest.mark.parametrize(("on", "inputs_heard"), [("auto", False), ("all", True)])
@pytest.mark.parametrize("what", ["x", "y"])
def test_held_out_graphs_are_heard_only_where_that_is_asked_for_and_their_labels_never(
    what: str, on: str, inputs_heard: bool, tmp_path: Path
) -> None:
    """With the best epoch fixed (there is one)."""
    found = []
    for shift in (0, 1):
        task, config = hidden(make_task("regression"), 5), replace(ONCE, signals=SignalsConfig(on=on))
        ids = torch.cat([task.splits.val, task.splits.test])
        rows = torch.isin(task.graphs.node_graph, ids) if what == "x" else ids
        getattr(task.graphs, what)[rows] += shift
        found.append(student_of(tmp_path / str(shift), task, config))
    assert torch.equal(*found) != (what == "x" and inputs_heard)


@pytest.mark.parametrize(("on", "taught"), [("auto", "all"), ("train", "train"), ("all", "transductive")])
def test_batches_mix_graphs_with_and_without_labels(on: str, taught: str, tmp_path: Path) -> None:
    task = hidden(make_task("regression"), 5)
    teacher, kept = collect(tmp_path, task, replace(CONFIG, signals=SignalsConfig(on=on)))
    assert kept.visible == taught
    seen = taught_graphs(task, taught)
    expected = {"train": 5, "all": 12, "transductive": 24}[taught]
    assert len(seen) == expected
    assert torch.equal((kept.row >= 0).nonzero().squeeze(1), seen)
    loader = make_loader(task, None, batch_size=6, max_pairs=10**6, seed=0, taught=taught)
    batches = [batch for _, batch, _ in loader.train(1)]
    assert torch.equal(torch.cat([batch.graph_ids for batch in batches]).sort().values, seen)
    assert {batch.num_examples for batch in batches} <= {5 // len(batches), -(-5 // len(batches))}
    loss = make_task_loss(task, CONFIG.task)
    for batch in batches:
        labelled = torch.isin(batch.graph_ids, task.splits.train)
        assert batch.y[~labelled].isnan().all()  # also those of validation and test
        assert torch.equal(batch.y[labelled], task.graphs.y[batch.graph_ids[labelled]])
        with torch.no_grad():
            said = teacher(batch)
        torch.testing.assert_close(kept.rows(batch).logits, said.logits, rtol=1e-4, atol=1e-5)
        errors = [
            (logit - y).abs() for logit, y in zip(said.logits[labelled], loss.target(batch.y[labelled]), strict=True)
        ]
        mean = float(torch.stack(errors).mean()) if errors else 0.0
        assert float(loss(said, batch)) == pytest.approx(mean, rel=1e-5)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression"])
def test_the_task_loss_of_a_batch_without_labels_is_zero_with_a_zero_gradient(kind: str) -> None:
    task = hidden(make_task(kind), 1)
    loader = make_loader(task, None, batch_size=2, max_pairs=10**6, seed=0, taught="all")
    empty = next(batch for _, batch, _ in loader.train(0) if not batch.num_examples)
    logits = torch.randn(empty.num_graphs, task.spec.num_outputs, requires_grad=True)
    loss = make_task_loss(task, CONFIG.task)(Representations(logits, [], None), empty)
    loss.backward()
    assert float(loss.detach()) == 0
    assert not logits.grad.any()


def test_shuffled_states_come_from_all_graphs_on_which_the_teacher_teaches(tmp_path: Path) -> None:
    task = hidden(make_task(), 5)
    config = replace(CONFIG, teacher=replace(CONFIG.teacher, control="shuffled"))
    _, kept = collect(tmp_path, task, config)
    assert sorted(kept.foreign.graphs.tolist()) == list(range(12))
    run_stages(make_runtime(tmp_path / "run"), task, config)


SMALL = (
    *("train", "dataset.num_train=32", "dataset.num_val=10", "dataset.num_test=10", "trainer.max_epochs=1"),
    *("pretrain.max_epochs=1", "trainer.threads=1", "trainer.accelerator=cpu", "tracker=none", "hydra.run.dir=run"),
    *("teacher.hidden_channels=8", "student.hidden_channels=8", "student.num_layers=1", "student.num_heads=2"),
)
PRESET = ("experiment=few_labels", "dataset=typed_edges", "dataset.train_fraction=1")


def test_a_run_shows_how_many_labels_there_are_and_that_it_is_transductive(
    gnn_distill: Callable, tmp_path: Path
) -> None:
    status, out, err = gnn_distill(*SMALL, *PRESET, "dataset.label_fraction=0.25", "signals.on=all")
    assert (status, err) == (0, "")
    sizes = "32 train (8 with labels), 10 val, 10 test graphs"
    assert sizes in out
    assert "signals.on=all: the student hears its teacher on graphs of validation and test, too" in " ".join(
        out.split()
    )
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["split"]["sizes"] == {"train": 8, "unlabelled": 24, "val": 10, "test": 10}
    assert summary["visibility"]["signals_on"] == "transductive"
    page = run_page(tmp_path / "run")
    assert page["facts"]["Data"] == sizes
    assert any("transductive" in note for note in page["notes"])


@pytest.mark.parametrize("given", ["regime=subgraph_states", "regime=graph_states", "loss=kd signals.give=logits"])
def test_teachers_that_give_less_are_heard_on_graphs_without_labels(
    given: str, gnn_distill: Callable, tmp_path: Path
) -> None:
    """Two of them, with shuffled states."""
    words = (*given.split(), "teacher.ensemble=2", "teacher.control=shuffled", "signals.on=all")
    status, _, err = gnn_distill(*SMALL, *PRESET, *words)
    assert (status, err) == (0, "")
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["visibility"]["signals_on"] == "transductive"
