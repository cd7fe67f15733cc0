"""One large graph in parts: teachers are inferred exactly, students hear them at the nodes of their batches."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from small_tasks import make_node_task, make_runtime, preset

from gnn_distill.config.schema.objective import AlignmentConfig, AlignmentWeights, LossConfig, LossWeights
from gnn_distill.config.schema.run import OptimConfig, PretrainConfig, SignalsConfig, TrainConfig, TrainerConfig
from gnn_distill.data.encodings.structural import StructuralEncodings
from gnn_distill.data.loaders import NodeLoader, no_extra
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError
from gnn_distill.losses.task import make_task_loss
from gnn_distill.models.layers.standardise import Moments, RunningMoments
from gnn_distill.pipeline.evaluate import evaluate_splits
from gnn_distill.pipeline.hops import with_hops
from gnn_distill.pipeline.kept_outputs import TeacherOutputs
from gnn_distill.pipeline.kept_predictions import KeptPredictions
from gnn_distill.pipeline.messages import advise_parts
from gnn_distill.pipeline.student import student_and_objective, train_student
from gnn_distill.pipeline.subgraphs import NoStructure
from gnn_distill.pipeline.teacher import train_teacher
from gnn_distill.pipeline.teacher_outputs import compute_teacher_outputs
from gnn_distill.pipeline.teacher_plan import plan_teacher
from gnn_distill.training.part_loader import PartLoader, Sampling, sampling_of

NEIGHBOURS = TrainerConfig(max_epochs=2, sampler="neighbor", batch_nodes=5, fanout=[2, 2])
CONFIG = TrainConfig(
    teacher=preset("teacher", "sage", hidden_channels=8, num_layers=2),
    student=preset("student", "nagphormer", hidden_channels=8, num_layers=2, num_heads=2, hops=2),
    loss=LossConfig(weights=LossWeights(soft=0.5, micro=0.5)),
    alignment=AlignmentConfig(weights=AlignmentWeights(node=1.0), layers=True),
    pretrain=PretrainConfig(max_epochs=1),
    trainer=NEIGHBOURS,
    optim=OptimConfig(lr=1e-2),
)


def taught(
    folder: Path, task: GraphTask, config: TrainConfig, like: TrainConfig | None = None
) -> tuple[torch.nn.Module, TeacherOutputs]:
    """A teacher and what is kept of it; with the weights that `like` trains, if it is given."""
    runtime = make_runtime(folder)
    plan, loss = plan_teacher(like or config, task), make_task_loss(task, config.task)
    teacher, entry = train_teacher(runtime, task, None, loss, plan)
    return teacher, compute_teacher_outputs(runtime, task, None, teacher, entry, plan_teacher(config, task))[0]


@pytest.mark.parametrize(
    ("setting", "on", "control"),
    [
        ("transductive", "auto", "none"),
        ("inductive", "train", "none"),
        ("transductive", "train", "shuffled"),
        ("inductive", "auto", "untrained"),
    ],
)
def test_what_is_inferred_block_by_block_is_what_one_pass_gives(tmp_path: Path, setting: str, on: str, control: str):
    task = make_node_task(setting=setting)
    signals = SignalsConfig(on=on)
    config = replace(CONFIG, signals=signals, teacher=replace(CONFIG.teacher, control=control))
    whole = replace(config, trainer=TrainerConfig(max_epochs=2))
    _, inferred = taught(tmp_path / "a", task, config)
    _, expected = taught(tmp_path / "b", task, whole, like=config)
    assert inferred.nodes.keys() == expected.nodes.keys()
    for _, batch, _ in NodeLoader(task, None, 7, seed=0, taught=expected.visible).train(1):
        found, right = inferred.rows(batch), expected.rows(batch)
        torch.testing.assert_close(found.logits, right.logits, rtol=1e-5, atol=1e-5)
        for layer in right.nodes:
            torch.testing.assert_close(found.nodes[layer], right.nodes[layer], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(inferred.graph, expected.graph, rtol=1e-5, atol=1e-5)
    for one, other in zip(inferred.moments, expected.moments, strict=True):
        torch.testing.assert_close(one.mean, other.mean, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(one.std, other.std, rtol=1e-4, atol=1e-5)


NEEDS_METIS = pytest.mark.skipif(find_spec("pymetis") is None, reason="needs the extra cluster (pymetis)")


@pytest.mark.parametrize(
    ("sampler", "on"),
    [("neighbor", "auto"), ("random", "train"), pytest.param("cluster", "auto", marks=NEEDS_METIS)],
)
def test_batches_hear_the_teacher_at_their_own_nodes(tmp_path: Path, sampler: str, on: str):
    task = make_node_task()
    config = replace(CONFIG, signals=SignalsConfig(on=on, dtype="float16"))
    _, kept = taught(tmp_path, task, config)
    assert {states.dtype for states in kept.nodes.values()} == {torch.float16}
    loader = PartLoader(task, None, Sampling(sampler, (2, 2), 3, 5), seed=0, taught=kept.visible)
    seen, labelled = [], []
    for _, batch, rows in loader.train(1, kept.rows):
        nodes = batch.wanted(batch.node_rows)
        assert torch.equal(rows.logits, kept.logits[nodes])
        assert torch.equal(rows.nodes[2], kept.nodes[2][nodes].float())
        assert torch.equal(batch.y, task.graphs.y[nodes])
        seen += nodes.tolist()
        labelled += batch.examples(nodes).tolist()
    assert sorted(seen) == (list(range(40)) if on == "auto" else task.splits.train.tolist())
    assert sorted(labelled) == task.splits.train.tolist()


def test_evaluation_is_exact_for_teachers_and_for_students_with_hops(tmp_path: Path):
    task = make_node_task()
    runtime, loss = make_runtime(tmp_path), make_task_loss(task, CONFIG.task)
    teacher, kept = taught(tmp_path, task, CONFIG)
    encodings = with_hops(runtime, task, StructuralEncodings(), CONFIG)
    student, fitted = train_student(runtime, task, encodings, loss, kept, CONFIG)
    assert fitted.epochs == 2
    for model, given in ((teacher, None), (student, encodings)):
        predictions = KeptPredictions(task)
        with predictions.recording("teacher", model):
            found = evaluate_splits(runtime, model, task, given, loss, CONFIG.trainer)
        right = evaluate_splits(runtime, model, task, None, loss, TrainerConfig())
        for split, scores in right.items():
            assert found[split] == pytest.approx(scores, abs=1e-5)
        assert predictions._logits["teacher"][task.splits.test].isfinite().all()


@pytest.mark.parametrize(
    "name", ["sgformer", *(pytest.param(name, marks=pytest.mark.slow) for name in ("polynormer", "gps"))]
)
def test_other_students_are_trained_and_evaluated_on_random_parts(tmp_path: Path, name: str):
    task, loss = make_node_task(), make_task_loss(make_node_task(), CONFIG.task)
    trainer = TrainerConfig(max_epochs=2, sampler="random", parts=3)
    student = preset("student", name, hidden_channels=8, num_layers=2, num_heads=2, local="gcn")
    config = replace(CONFIG, trainer=trainer, student=student)
    runtime = make_runtime(tmp_path)
    _, kept = taught(tmp_path, task, config)
    model, fitted = train_student(runtime, task, StructuralEncodings(), loss, kept, config)
    assert fitted.epochs == 2
    scores = [evaluate_splits(runtime, model, task, None, loss, trainer) for _ in range(2)]
    assert scores[0] == scores[1]


def test_epochs_differ_and_repeat():
    task = make_node_task()

    def nodes(epoch: int, sampler: str) -> list[list[int]]:
        loader = PartLoader(task, None, Sampling(sampler, (2, 2), 3, 5), seed=1)
        return [batch.node_rows.tolist() for _, batch, _ in loader.train(epoch, no_extra)]

    for sampler in ("neighbor", "random"):
        assert nodes(1, sampler) == nodes(1, sampler) != nodes(2, sampler)


def test_inferred_states_are_forgotten_when_training_goes_on(tmp_path: Path):
    task = make_node_task()
    teacher, _ = taught(tmp_path, task, CONFIG)
    loader = PartLoader(task, None, sampling_of(NEIGHBOURS), seed=0)
    validation = loader.validation(teacher)
    first, again = ([batch.states[0] for batch in validation] for _ in range(2))
    assert torch.equal(first[0], again[0])
    next(loader.train(1))
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.mul_(2)
    assert not torch.allclose(first[0], next(iter(validation)).states[0])


def test_terms_about_whole_graphs_are_refused(tmp_path: Path):
    task, runtime = make_node_task(), make_runtime(tmp_path)
    _, kept = taught(tmp_path, task, CONFIG)
    align = AlignmentConfig(weights=AlignmentWeights(subgraph=1.0), source="cluster")
    with pytest.raises(UserError, match="reads subgraphs of whole graphs"):
        student_and_objective(runtime, task, make_task_loss(task, CONFIG.task), kept, replace(CONFIG, alignment=align))
    for ask in (lambda: NoStructure("random").walks(3), lambda: NoStructure("random").anchors(3)):
        with pytest.raises(UserError, match=r"trainer\.sampler=random"):
            ask()


def test_running_moments_are_those_of_all_rows():
    rows = torch.randn(50, 3) * torch.tensor([1.0, 10.0, 0.1]) + 100
    running = RunningMoments()
    for block in rows.split([1, 20, 29]):
        running.add(block)
    for found, right in zip(running.result(), Moments.of(rows), strict=True):
        torch.testing.assert_close(found, right, rtol=1e-6, atol=1e-6)


def test_a_set_of_many_graphs_is_not_read_in_parts():
    from small_tasks import make_task

    with pytest.raises(UserError, match=r"trainer\.sampler=full"):
        PartLoader(make_task(), None, Sampling("random", (2,), 2, 5), seed=0)


def test_a_large_graph_as_one_batch_is_announced_where_the_student_has_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    task, whole = make_node_task(), replace(CONFIG, trainer=TrainerConfig())
    assert advise_parts(task, whole) == []
    monkeypatch.setattr("gnn_distill.pipeline.messages.MANY_NODES", 40)
    (told,) = advise_parts(task, whole)
    assert told.startswith("All 40 nodes are one batch")
    assert "trainer=sampled trains nagphormer" in told
    own = replace(whole, teacher=preset("teacher", "custom", target="models.GNN"))
    assert "trainer=sampled pretrain.sampler=full trains nagphormer" in advise_parts(task, own)[0]
    for trainer in (NEIGHBOURS, TrainerConfig(batch_nodes=5), TrainerConfig(sampler="random")):
        assert advise_parts(task, replace(whole, trainer=trainer)) == []
    assert advise_parts(task, replace(whole, student=preset("student", "sgformer"))) == []
