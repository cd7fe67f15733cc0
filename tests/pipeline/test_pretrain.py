"""A teacher is trained once for all that determines it, and comes back as it was selected."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import torch
from small_tasks import make_runtime, make_task, preset

from gnn_distill.config.schema.data import DatasetConfig, PathsConfig, TaskConfig, TypedEdgesConfig
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.objective import AlignmentConfig, AlignmentWeights, LossConfig, LossWeights
from gnn_distill.config.schema.run import (
    DebugConfig,
    OptimConfig,
    PretrainConfig,
    SignalsConfig,
    TrainConfig,
    TrainerConfig,
)
from gnn_distill.data.batching import collate
from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.task import GraphTask
from gnn_distill.losses.task import make_task_loss
from gnn_distill.pipeline.runtime import Runtime, seed_stage
from gnn_distill.pipeline.teacher import train_teacher, untrained_teacher
from gnn_distill.pipeline.teacher_plan import plan_teacher
from gnn_distill.storage import checkpoint, code_hash
from gnn_distill.storage.run_directory import read_metrics
from gnn_distill.storage.store import Entry

CONFIG = TrainConfig(
    dataset=DatasetConfig(),
    teacher=preset("teacher", "gin", hidden_channels=8, num_layers=2, dropout=0.2),
    student=preset("student", "graphormer"),
    pretrain=PretrainConfig(max_epochs=3, batch_size=4, optim=OptimConfig(lr=1e-2)),
    trainer=TrainerConfig(max_epochs=2),
)


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return make_runtime(tmp_path)


@pytest.fixture(scope="module")
def task() -> GraphTask:
    return make_task()


def train(runtime: Runtime, task: GraphTask, config: TrainConfig = CONFIG) -> tuple[torch.nn.Module, Entry]:
    return train_teacher(runtime, task, None, make_task_loss(task, config.task), plan_teacher(config, task))


def test_a_teacher_is_trained_once_and_comes_back(runtime: Runtime, task: GraphTask, tmp_path: Path) -> None:
    model, entry = train(runtime, task)
    assert not entry.found
    rows = read_metrics(runtime.directory.path)["teacher"]
    assert rows["epoch"] == [1, 2, 3]  # pretrain.max_epochs, however long the student trains
    again, found = train(make_runtime(tmp_path / "second", tmp_path / "store"), task)
    assert found == (entry.path, True, True)
    assert read_metrics(tmp_path / "second" / "run") == {"teacher": rows}
    batch = collate(task.graphs, None, task.splits.test)
    for one in (model, again):
        assert not one.training
        assert not any(parameter.requires_grad for parameter in one.parameters())
    assert torch.equal(model(batch).logits, again(batch).logits)
    saved = checkpoint.load(tmp_path / "second" / "run" / "checkpoints" / "teacher.safetensors")
    assert saved["best_epoch"] in (1, 2, 3)
    assert saved["best"]["accuracy"] == max(rows["val/accuracy"])


def test_a_fresh_teacher_does_not_depend_on_what_ran_before(runtime: Runtime, task: GraphTask, tmp_path: Path) -> None:
    model, _ = train(runtime, task)
    torch.rand(100)
    again, entry = train(make_runtime(tmp_path / "other"), task)
    assert not entry.found
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


@pytest.fixture
def keys(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    """The key of a teacher, without training it."""

    class Asked(Exception):
        pass

    def get(kind: str, parts: dict, *_: object, **__: object) -> Entry:
        from gnn_distill.storage.store import content_key

        raise Asked(content_key(parts))

    monkeypatch.setattr(runtime.store, "get", get)

    def key(task: GraphTask, config: TrainConfig = CONFIG) -> str:
        with pytest.raises(Asked) as asked:
            train(runtime, task, config)
        return str(asked.value)

    return key


CHANGES = {
    "seed": {"seed": 1},
    "architecture": {"teacher": replace(CONFIG.teacher, num_layers=3)},
    "name": {"teacher": replace(CONFIG.teacher, name="gcn")},
    "dropout": {"teacher": replace(CONFIG.teacher, dropout=0.3)},
    "epochs": {"pretrain": replace(CONFIG.pretrain, max_epochs=1)},
    "patience": {"trainer": TrainerConfig(max_epochs=2, patience=1)},
    "its own patience": {"pretrain": replace(CONFIG.pretrain, patience=2)},
    "its own memory": {"pretrain": replace(CONFIG.pretrain, max_pairs=1000)},
    "the last epoch": {"pretrain": replace(CONFIG.pretrain, select="last")},
    "the last epochs": {"pretrain": replace(CONFIG.pretrain, select="average")},
    "more of them": {"pretrain": replace(CONFIG.pretrain, select="average", average_epochs=4)},
    "rate": {"pretrain": replace(CONFIG.pretrain, optim=OptimConfig(lr=2e-2))},
    "batch": {"pretrain": replace(CONFIG.pretrain, batch_size=5)},
    "smoothing": {"task": TaskConfig(label_smoothing=0.1)},
    "limit": {"debug": DebugConfig(limit_batches=1)},
    "what is not finite": {"trainer": TrainerConfig(max_epochs=2, nonfinite="skip")},
}
SAME = {
    "weights": {"loss": LossConfig(weights=LossWeights(micro=0.7))},
    "alignment": {"alignment": AlignmentConfig(weights=AlignmentWeights(node=1.0), layers=True)},
    "student": {"student": replace(CONFIG.student, num_layers=7)},
    "encoding": {"encoding": EncodingConfig(rwse=3)},
    "student's rate": {"optim": OptimConfig(lr=7.0)},
    "student's batch": {"trainer": TrainerConfig(max_epochs=2, batch_size=7)},
    "signals": {"signals": SignalsConfig(dtype="float16")},
    "control": {"teacher": replace(CONFIG.teacher, control="untrained")},
    "student's epochs": {"trainer": TrainerConfig(max_epochs=1)},
    "student's selection": {"trainer": TrainerConfig(max_epochs=2, select="average")},
    "patience, of its own": {
        "pretrain": replace(CONFIG.pretrain, patience=0, nonfinite="stop", max_pairs=4_000_000),
        "trainer": TrainerConfig(max_epochs=2, patience=1, nonfinite="skip", max_pairs=10**6),
    },
    "company": {"teacher": replace(CONFIG.teacher, ensemble=3, also=["gat"])},
    "averages without averaging": {"pretrain": replace(CONFIG.pretrain, average_epochs=9)},
}


def test_a_key_changes_with_what_determines_the_teacher_alone(keys, task: GraphTask) -> None:
    ours = keys(task)
    changed = {name: keys(task, replace(CONFIG, **change)) for name, change in CHANGES.items()}
    assert ours not in changed.values()
    assert len(set(changed.values())) == len(CHANGES)
    assert {name: keys(task, replace(CONFIG, **change)) for name, change in SAME.items()} == dict.fromkeys(SAME, ours)


def test_a_key_changes_with_the_data_and_their_split(keys) -> None:
    small = TypedEdgesConfig(num_train=20, num_val=10, num_test=10)
    variants = [small, replace(small, split_seed=1), replace(small, train_fraction=0.5), replace(small, num_types=4)]
    made = [keys(load_task(dataset, PathsConfig())) for dataset in (*variants, small)]
    assert len(set(made)) == 4
    assert made[0] == made[-1]


def test_a_key_changes_with_threads_and_code(keys, task: GraphTask, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = keys(task)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    other = keys(task)
    monkeypatch.setattr(
        "gnn_distill.storage.code_hash.version_of", lambda package: "2" * (package == "torch_geometric")
    )
    monkeypatch.setattr("gnn_distill.storage.code_hash._known", code_hash._code_of)
    packages = keys(task)
    monkeypatch.setattr("gnn_distill.storage.code_hash.source_of", lambda name: b"changed")
    assert len({ours, other, packages, keys(task)}) == 4


def test_an_untrained_teacher_is_the_trained_ones_beginning(task: GraphTask) -> None:
    from gnn_distill.models import build_teacher

    seed_stage(3)
    initial = build_teacher(CONFIG.teacher, task.spec)
    control = untrained_teacher(plan_teacher(replace(CONFIG, seed=3), task), task.spec)
    assert all(torch.equal(a, b) for a, b in zip(initial.parameters(), control.parameters(), strict=True))
    other = untrained_teacher(plan_teacher(replace(CONFIG, seed=4), task), task.spec)
    assert not torch.equal(next(other.parameters()), next(control.parameters()))


HIDDEN = """
from importlib import import_module
from torch import nn
from torch_geometric.nn import GCNConv, global_add_pool
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = GCNConv(3, 4), nn.Linear(4, 1)
    def forward(self, x, edge_index, batch):
        scale = import_module("own_" + "scale").SCALE
        return self.head(global_add_pool(self.conv(x, edge_index), batch)) * scale
"""


def test_a_teacher_of_ones_own_is_known_by_what_it_says(
    keys, task: GraphTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_hidden.py").write_text(HIDDEN)
    (tmp_path / "own_scale.py").write_text("SCALE = 1.0\n")
    config = replace(CONFIG, teacher=preset("teacher", "custom", target="own_hidden.Net"))
    before = keys(task, config)
    assert keys(task, config) == before
    torch.save(import_module("own_hidden").Net().state_dict(), tmp_path / "net.pt")
    trained = replace(config, teacher=replace(config.teacher, checkpoint=str(tmp_path / "net.pt")))
    ready = keys(task, trained)
    monkeypatch.setattr("own_scale.SCALE", 2.0)
    assert keys(task, config) != before
    assert keys(task, trained) != ready
