"""Signals are what the teacher says of the training graphs, whatever batch asks for them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from small_tasks import make_runtime, make_task, preset
from torch import nn

from gnn_distill.config.schema.data import DatasetConfig
from gnn_distill.config.schema.objective import AlignmentConfig
from gnn_distill.config.schema.run import SignalsConfig, TrainConfig, TrainerConfig
from gnn_distill.data.batching import collate
from gnn_distill.data.task import GraphTask
from gnn_distill.models import build_teacher
from gnn_distill.models.layers.standardise import BLOCK, Moments
from gnn_distill.pipeline.kept_outputs import TeacherOutputs
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.pipeline.teacher import untrained_teacher
from gnn_distill.pipeline.teacher_outputs import compute_teacher_outputs
from gnn_distill.pipeline.teacher_plan import plan_teacher
from gnn_distill.storage import blocks
from gnn_distill.storage.store import Entry

LAYERS = 3


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return make_runtime(tmp_path)


@pytest.fixture(params=["multiclass", "regression"])
def task(request: pytest.FixtureRequest) -> GraphTask:
    return make_task(request.param, edges="categorical")


def make_config(layers: str = "all", dtype: str = "float32", control: str = "none", **changes) -> TrainConfig:
    return TrainConfig(
        dataset=DatasetConfig(),
        teacher=preset("teacher", "gin", hidden_channels=8, num_layers=LAYERS, dropout=0.5, control=control),
        student=preset("student", "graphormer"),
        signals=SignalsConfig(dtype=dtype, layers=layers),
        trainer=TrainerConfig(max_pairs=200),
        **changes,
    )


def make_teacher(task: GraphTask, config: TrainConfig) -> nn.Module:
    """As if trained: other weights than the seed gives, statistics that have moved."""
    torch.manual_seed(123)
    model = build_teacher(config.teacher, task.spec)
    model.train()(collate(task.graphs, None, torch.arange(10)))
    return model.eval()


def collect(runtime: Runtime, task: GraphTask, config: TrainConfig) -> tuple[nn.Module, TeacherOutputs, Entry]:
    teacher = make_teacher(task, config)
    return teacher, *compute_teacher_outputs(
        runtime, task, None, teacher, Entry(Path("teachers/key"), found=True), plan_teacher(config, task)
    )


@pytest.mark.parametrize(("layers", "dtype"), [("all", "float32"), ("last", "float32"), ("all", "float16")])
def test_rows_are_the_teachers_own(runtime: Runtime, task: GraphTask, layers: str, dtype: str) -> None:
    teacher, kept, entry = collect(runtime, task, make_config(layers, dtype))
    assert not entry.found
    assert set(kept.nodes) == (set(range(1, LAYERS + 1)) if layers == "all" else {LAYERS})
    assert kept.num_layers == LAYERS
    assert {states.dtype for states in kept.nodes.values()} == {getattr(torch, dtype)}
    train = task.splits.train
    tolerance = {"rtol": 2e-3, "atol": 2e-3} if dtype == "float16" else {"rtol": 1e-5, "atol": 1e-5}
    for ids in (train, train.flip(0), train[[7, 2, 9]], train[3:4]):
        batch = collate(task.graphs, None, ids)
        with torch.no_grad():
            said = teacher(batch)
        rows = kept.rows(batch)
        torch.testing.assert_close(rows.logits, said.logits, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(rows.graph, said.graph, rtol=1e-5, atol=1e-5)
        for layer, states in rows.nodes.items():
            torch.testing.assert_close(states, said.nodes[layer - 1], **tolerance)


def test_only_training_graphs_are_kept(runtime: Runtime, task: GraphTask) -> None:
    _, kept, entry = collect(runtime, task, make_config())
    train = task.splits.train
    assert len(kept.logits) == len(kept.graph) == len(train)
    assert all(len(states) == task.graphs.num_nodes[train].sum() for states in kept.nodes.values())
    assert kept.row[train].tolist() == list(range(len(train)))
    others = torch.cat([task.splits.val, task.splits.test])
    assert (kept.row[others] == -1).all()
    with safe_open(entry.path / "signals.safetensors", framework="pt") as file:
        assert max(file.get_slice(key).get_shape()[0] for key in file.keys()) == kept.node_ptr[-1]  # noqa: SIM118


def test_layers_are_kept_when_alignment_wants_them(runtime: Runtime, task: GraphTask) -> None:
    for layered, number in ((True, LAYERS), (False, 1)):
        _, kept, _ = collect(runtime, task, make_config("auto", alignment=AlignmentConfig(layers=layered)))
        assert len(kept.nodes) == number


def test_an_untrained_teachers_states_come_with_the_trained_ones_logits(runtime: Runtime, task: GraphTask) -> None:
    _, trained, _ = collect(runtime, task, make_config())
    _, control, entry = collect(runtime, task, make_config(control="untrained"))
    assert not entry.found
    torch.testing.assert_close(control.logits, trained.logits)
    batch = collate(task.graphs, None, task.splits.train)
    with torch.no_grad():
        initial = untrained_teacher(plan_teacher(make_config(), task), task.spec)(batch)
    rows = control.rows(batch)
    torch.testing.assert_close(rows.graph, initial.graph, rtol=1e-5, atol=1e-5)
    for layer in range(1, LAYERS + 1):
        torch.testing.assert_close(rows.nodes[layer], initial.nodes[layer - 1], rtol=1e-5, atol=1e-5)
        assert not torch.allclose(rows.nodes[layer], trained.rows(batch).nodes[layer], atol=1e-2)


def test_signals_are_found_again(runtime: Runtime, task: GraphTask) -> None:
    _, first, _ = collect(runtime, task, make_config())
    _, again, entry = collect(runtime, task, make_config())
    assert entry.found
    assert torch.equal(first.graph, again.graph)
    for other in (make_config("last"), make_config(dtype="float16"), make_config(control="untrained")):
        assert not collect(runtime, task, other)[2].found
    weights = replace(make_config(), alignment=AlignmentConfig(name="other"))
    assert collect(runtime, task, weights)[2].found


def test_a_torn_file_of_signals_is_made_again(runtime: Runtime, task: GraphTask) -> None:
    _, before, entry = collect(runtime, task, make_config())
    logits = before.logits.clone()
    path = entry.path / "signals.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    _, signals, entry = collect(runtime, task, make_config())
    assert not entry.found
    assert torch.equal(signals.logits, logits)
    assert entry.path.with_name(f"{entry.path.name}.damaged").is_dir()


def test_moments_are_those_of_all_rows() -> None:
    states = torch.randn(70_000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 0.0, 1e-3]) + 1e3
    mean, std = Moments.of(states)
    torch.testing.assert_close(mean, states.double().mean(0).float())
    torch.testing.assert_close(std, states.double().std(0, correction=0).float(), rtol=1e-5, atol=0)
    assert std[1] == 0
    half = Moments.of(states.half())
    torch.testing.assert_close(half.mean, mean, rtol=1e-3, atol=0)


@pytest.mark.parametrize("rows", [1, BLOCK - 1, BLOCK, 2 * BLOCK + 1])
def test_moments_of_blocks_are_those_of_two_passes(rows: int) -> None:
    scale, shift = torch.logspace(-4, 4, 9), torch.linspace(-30, 30, 9)
    for dtype in (torch.float16, torch.float32, torch.float64):
        states = (torch.randn(rows, 9, generator=torch.Generator().manual_seed(rows)) * scale + shift).to(dtype)
        mean, std = Moments.of(states)
        exact = states.double()
        spread, middle = exact.std(0, correction=0), exact.mean(0)
        torch.testing.assert_close(std, spread.float(), rtol=1e-6, atol=1e-12)
        # A mean is read as a share of the spread; in single precision it has its own rounding, too.
        assert ((mean - middle).abs() <= 1e-6 * spread + 1e-7 * middle.abs()).all()


def test_outputs_written_to_maps_are_the_same(
    runtime: Runtime, task: GraphTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, before, _ = collect(runtime, task, make_config())
    monkeypatch.setattr(blocks, "LARGE", 0)
    _, mapped, entry = collect(make_runtime(tmp_path / "other"), task, make_config())
    assert not entry.found
    assert sorted(file.name for file in entry.path.iterdir()) == ["key.json", "signals.safetensors"]
    assert torch.equal(mapped.logits, before.logits)
    assert torch.equal(mapped.graph, before.graph)
    assert all(torch.equal(mapped.nodes[layer], before.nodes[layer]) for layer in before.nodes)


def test_the_shape_tells_moments_of_the_training_graphs(runtime: Runtime, task: GraphTask) -> None:
    teacher, kept, _ = collect(runtime, task, make_config())
    with torch.no_grad():
        said = teacher(collate(task.graphs, None, task.splits.train))
    shape = kept.shape()
    assert shape.num_layers == LAYERS
    torch.testing.assert_close(shape.graph.mean, said.graph.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(shape.nodes[2].std, said.nodes[1].std(0, correction=0), rtol=1e-4, atol=1e-5)
