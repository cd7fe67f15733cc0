"""Labels on the nodes of many graphs, each in one part: the same stages, in batches of graphs."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_runs import CONFIG, run_stages
from small_tasks import awaken, choices, encode, make_runtime, make_separate_task, preset, students
from torch_geometric.data import Data

from gnn_distill.config.schema.objective import BaselineConfig, MacroConfig, MicroConfig, SoftConfig
from gnn_distill.config.schema.run import SignalsConfig, TrainConfig, TrainerConfig
from gnn_distill.data.assembly.seen import Seen
from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.loaders import GraphLoader, make_loader
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError
from gnn_distill.losses.macro import _padded, distance_profile
from gnn_distill.losses.published.terms import BETWEEN_GRAPHS, BETWEEN_NODES
from gnn_distill.losses.task import make_task_loss
from gnn_distill.models import build_student, build_teacher
from gnn_distill.pipeline.encodings import stored_encodings
from gnn_distill.pipeline.evaluate import evaluate_splits
from gnn_distill.pipeline.student import check_student, train_student
from gnn_distill.pipeline.teacher import train_teacher
from gnn_distill.pipeline.teacher_outputs import TeacherOutputs, compute_teacher_outputs
from gnn_distill.pipeline.teacher_plan import plan_teacher
from gnn_distill.predict import load, save_student
from gnn_distill.storage.run_directory import read_metrics
from gnn_distill.training.metrics import Metrics

TEACHERS = [name for name in choices("teacher") if name not in ("none", "custom", "file")]
STUDENTS = students(node_states=True)
EVERYTHING = replace(
    CONFIG,
    loss=replace(
        CONFIG.loss,
        micro=MicroConfig(attention=1.0, edge=1.0, attention_samples=10),
        soft=SoftConfig(exits=1.0),
        macro=MacroConfig(anchor_relation=1.0, distance_profile=1.0, distribution=1.0, samples=10),
    ),
)


def collect(folder: Path, task: GraphTask, config: TrainConfig) -> tuple[torch.nn.Module, TeacherOutputs]:
    runtime = make_runtime(folder)
    plan = plan_teacher(config, task)
    teacher, entry = train_teacher(runtime, task, None, make_task_loss(task, config.task), plan)
    return teacher, compute_teacher_outputs(runtime, task, None, teacher, entry, plan)[0]


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten() for value in model.state_dict().values()])


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("on", ["auto", "train"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression"])
def test_every_kind_of_task_is_distilled_by_all_terms(kind: str, on: str, sparse: bool, tmp_path: Path) -> None:
    task = make_separate_task(kind, sparse=sparse)
    config, runtime = replace(EVERYTHING, signals=SignalsConfig(on=on)), make_runtime(tmp_path)
    student, fitted = run_stages(runtime, task, config)
    rows = read_metrics(runtime.directory.path)["student"]
    terms = [name for name in rows if name.startswith("train/") and name.endswith(".weighted")]
    assert {"train/soft.weighted", "train/macro_distance_profile.weighted", "train/micro_attention.weighted"} <= {
        *terms
    }
    assert len(terms) == 13
    assert all(rows[name][0] > 0 for name in terms)
    encodings, _ = stored_encodings(runtime, task, CONFIG.encoding)
    scores = evaluate_splits(runtime, student, task, encodings, make_task_loss(task, CONFIG.task), TrainerConfig())
    assert scores["val"][task.spec.metric] == pytest.approx(fitted.best[task.spec.metric], abs=1e-6)
    metrics, student = Metrics(task.spec), student.eval()
    with torch.no_grad():
        logits = [student(collate(task.graphs, encodings, torch.tensor([i]))).logits for i in range(len(task.graphs))]
    metrics.update(torch.cat(logits)[task.splits.test], task.graphs.y[task.splits.test])
    assert metrics.compute() == pytest.approx(scores["test"], rel=1e-4, nan_ok=True)


@pytest.mark.parametrize("on", ["auto", "train"])
def test_published_losses_have_their_rows(on: str, tmp_path: Path) -> None:
    names = [*BETWEEN_GRAPHS, *BETWEEN_NODES]
    baseline = BaselineConfig(**dict.fromkeys(names, 0.1), samples=12, rkd_samples=8)
    config = replace(CONFIG, loss=replace(CONFIG.loss, baseline=baseline), signals=SignalsConfig(on=on))
    runtime = make_runtime(tmp_path)
    run_stages(runtime, make_separate_task(), config)
    rows = read_metrics(runtime.directory.path)["student"]
    assert all(rows[f"train/baseline_{name}"][0] > 0 for name in names)


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("on", ["auto", "train"])
def test_rows_are_the_teachers_own_and_only_training_graphs_are_kept(on: str, sparse: bool, tmp_path: Path) -> None:
    task = make_separate_task(sparse=sparse)
    teacher, kept = collect(tmp_path, task, replace(CONFIG, signals=SignalsConfig(on=on)))
    training = task.graphs.graphs_of(task.splits.train)
    assert (kept.row >= 0).nonzero().squeeze(1).tolist() == training.tolist()
    assert len(kept.logits) == int(task.graphs.num_nodes[training].sum())
    seen = []
    for _, batch, _ in make_loader(task, None, batch_size=5, max_pairs=900, seed=0, taught=kept.visible).train(1):
        with torch.no_grad():
            said = teacher.eval()(batch)
        rows = kept.rows(batch)
        torch.testing.assert_close(rows.logits, said.logits, rtol=1e-4, atol=1e-5)
        for layer, states in rows.nodes.items():
            torch.testing.assert_close(states, said.nodes[layer - 1], rtol=1e-4, atol=1e-5)
        assert torch.equal(batch.examples(batch.y), task.graphs.y[batch.examples(batch.wanted(batch.node_rows))])
        seen += batch.wanted(batch.node_rows).tolist()
    everything = torch.isin(task.graphs.node_graph, training).nonzero().squeeze(1)
    assert sorted(seen) == (task.splits.train if on == "train" else everything).tolist()


def test_other_graphs_change_nothing_in_training(tmp_path: Path) -> None:
    """With the best epoch fixed (there is one), features and labels of validation and test graphs change no weight."""
    students = []
    for shift in (0, 1):
        task = make_separate_task()
        training = torch.isin(task.graphs.node_graph, task.graphs.graphs_of(task.splits.train))
        task.graphs.y[~training] = (task.graphs.y[~training] + shift) % 3
        task.graphs.x[~training] += shift
        config = replace(EVERYTHING, trainer=replace(CONFIG.trainer, max_epochs=1))
        students.append(weights(run_stages(make_runtime(tmp_path / str(shift)), task, config)[0]))
    assert torch.equal(*students)


def test_what_is_taught_of_nodes_without_labels_counts_only_where_it_is_asked_for(tmp_path: Path) -> None:
    task, students = make_separate_task(), {}
    config = replace(CONFIG, loss=replace(CONFIG.loss, macro=MacroConfig(distance_profile=1.0)))
    for on in ("train", "auto"):
        chosen = replace(config, signals=SignalsConfig(on=on))
        _, kept = collect(tmp_path / on, task, chosen)
        ids = task.graphs.graphs_of(task.splits.train)
        unlabelled = task.graphs.y[torch.isin(task.graphs.node_graph, ids)].isnan().all(dim=1)
        for noisy in (False, True):
            if noisy:
                kept.logits[unlabelled] += 5.0
                for states in kept.nodes.values():
                    states[unlabelled] += torch.randn(states[unlabelled].shape)
            runtime = make_runtime(tmp_path / f"{on} {noisy}")
            encodings, _ = stored_encodings(runtime, task, config.encoding)
            student, _ = train_student(runtime, task, encodings, make_task_loss(task, config.task), kept, chosen)
            students[on, noisy] = weights(student)
    assert torch.equal(students["train", False], students["train", True])
    assert not torch.equal(students["auto", False], students["auto", True])


@pytest.mark.parametrize("taught", ["all", "train"])
def test_profiles_by_distance_are_those_of_each_graph_among_its_rows(taught: str, tmp_path: Path) -> None:
    task = make_separate_task()
    encodings = encode(task.graphs, preset("encoding", "graphormer"))
    loader = make_loader(task, encodings, batch_size=6, max_pairs=10**6, seed=0, taught=taught)
    for _, batch, _ in loader.train(0):
        rows = batch.wanted(batch.node_rows)
        one, other = (torch.randn(len(rows), 4) for _ in range(2))
        found = distance_profile(*_padded(one, other, batch), batch.spd, batch.row_mask)
        values = []
        for graph in range(batch.num_graphs):
            own = batch.wanted(batch.batch) == graph
            place = batch.wanted(batch.dense_index)[own] - graph * batch.max_nodes
            spd = batch.spd[graph][place][:, place].unsqueeze(0)
            if own.sum() > 1:
                mask = torch.ones(1, int(own.sum()), dtype=torch.bool)
                values.append(distance_profile(one[own].unsqueeze(0), other[own].unsqueeze(0), spd, mask))
        assert float(found) == pytest.approx(float(torch.stack(values).mean()), rel=1e-5)


def logits_of_each(model: torch.nn.Module, batch: GraphBatch) -> torch.Tensor:
    with torch.no_grad():
        return model(batch).logits


@pytest.mark.parametrize(("group", "name"), [*(("teacher", t) for t in TEACHERS), *(("student", s) for s in STUDENTS)])
def test_batch_mates_change_no_node(group: str, name: str) -> None:
    task, encoding = make_separate_task(), preset("encoding", "laplacian")
    config = preset(group, name, hidden_channels=8, num_layers=2)
    build = build_teacher if group == "teacher" else lambda config, spec: build_student(config, encoding, spec)
    model, encodings = awaken(build(config, task.spec)), encode(task.graphs, encoding)
    together = logits_of_each(model, collate(task.graphs, encodings, torch.arange(len(task.graphs))))
    alone = [logits_of_each(model, collate(task.graphs, encodings, torch.tensor([i]))) for i in range(len(task.graphs))]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("teacher", "student"), [(TEACHERS[i % len(TEACHERS)], STUDENTS[i % len(STUDENTS)]) for i in range(len(TEACHERS))]
)
def test_every_teacher_and_student_train_and_predict_raw_graphs(teacher: str, student: str, tmp_path: Path) -> None:
    task = make_separate_task("regression")
    name = "graphormer" if student in ("graphormer", "transformer", "gps") else "laplacian"
    config = replace(
        CONFIG,
        teacher=preset("teacher", teacher, hidden_channels=8, num_layers=2),
        student=preset("student", student, hidden_channels=8, num_layers=2, num_heads=2),
        encoding=preset("encoding", name),
        trainer=TrainerConfig(max_epochs=1, batch_size=4),
    )
    runtime = make_runtime(tmp_path)
    model, fitted = run_stages(runtime, task, config)
    assert fitted.epochs == 1
    save_student(tmp_path, model, task.spec, config, task.pipeline, Seen.in_training(task))
    predictor = load(tmp_path)
    raw = [task.graphs.select(torch.tensor([i])) for i in range(len(task.graphs))]
    said = predictor.predict([Data(x=one.x, edge_index=one.edge_index) for one in raw])
    encodings, ids = encode(task.graphs, config.encoding), torch.arange(len(task.graphs))
    with torch.no_grad():
        expected = task.spec.in_original_units(model.eval()(collate(task.graphs, encodings, ids)).logits)
    torch.testing.assert_close(said, expected, rtol=1e-3, atol=1e-4)


def test_the_loader_holds_every_node_of_a_split_once() -> None:
    task = make_separate_task()
    loader = make_loader(task, None, batch_size=3, max_pairs=400, seed=0)
    assert isinstance(loader, GraphLoader)
    for split in ("train", "val", "test"):
        batches = list(loader.eval_batches(split))
        assert all(batch.num_graphs * batch.max_nodes**2 <= 400 for batch in batches)
        rows = torch.cat([batch.wanted(batch.node_rows) for batch in batches])
        assert torch.equal(rows.sort().values, getattr(task.splits, split))


def test_a_graph_beyond_the_budget_is_refused() -> None:
    with pytest.raises(UserError, match=r"trainer\.max_pairs=16 is too small for .* leave such graphs out of the data"):
        check_student(make_separate_task(), replace(CONFIG, trainer=TrainerConfig(max_pairs=16)))
