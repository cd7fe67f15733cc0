"""The loop: which epoch it keeps, what it reads, what it writes down."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from lightning_fabric import Fabric
from small_tasks import make_spec, make_task, preset
from torch import nn

from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig, Ramp, ScheduleConfig
from gnn_distill.config.schema.run import OptimConfig
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.task import TaskLoss
from gnn_distill.models import build_teacher
from gnn_distill.storage import checkpoint
from gnn_distill.training import loop as training
from gnn_distill.training.checkpointer import Checkpointer
from gnn_distill.training.loop import FitResult, Recorder, fit, improves
from gnn_distill.training.recipe import Recipe
from gnn_distill.training.selection import snapshot

ALONE = LossConfig()


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def train(
    fabric: Fabric,
    task: GraphTask,
    max_epochs: int = 3,
    patience: int = 0,
    loss: LossConfig = ALONE,
    optim: OptimConfig | None = None,
    folder: Path | None = None,
    nonfinite: str = "stop",
    select: str = "best",
    average_epochs: int = 3,
    stop_at: float | None = None,
    **teacher: object,
) -> tuple[nn.Module, FitResult, list[dict[str, float]], list[dict[str, torch.Tensor]]]:
    """A small GIN after training, what was kept, the rows of all epochs and the weights after each."""
    torch.manual_seed(0)
    model = build_teacher(preset("teacher", "gin", hidden_channels=8, num_layers=2, **teacher), task.spec)
    rows, weights = [], []

    class Rows(Recorder):
        def on_epoch(self, row: dict[str, float]) -> None:
            rows.append(row)
            weights.append(snapshot(model))

    objective = Objective(TaskLoss(task.spec), loss, AlignmentConfig())
    optim = optim or OptimConfig(lr=1e-2)
    recipe = Recipe(
        *(optim, max_epochs, patience, 4, 0),
        **{"max_pairs": 10**6, "limit_batches": 0, "seed": 0, "nonfinite": nonfinite},
        **{"select": select, "average_epochs": average_epochs, "stop_at": stop_at},
    )
    loader = recipe.loader(task, None, fabric.device)
    with TemporaryDirectory() as temporary:
        checkpointer = Checkpointer((folder or Path(temporary)) / "last.safetensors")
        fitted = fit(fabric, model, objective, loader, recipe, checkpointer, Rows())
    return model, fitted, rows, weights


def scripted(monkeypatch: pytest.MonkeyPatch, scores: list[tuple[float, float]], metric: str) -> None:
    """Let validation say (metric, loss), epoch by epoch."""
    told = iter(scores)
    monkeypatch.setattr(training, "evaluate", lambda *_: dict(zip((metric, "loss"), next(told), strict=True)))


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in other)


@pytest.mark.parametrize(
    ("kind", "scores", "best"),
    [
        ("binary", [(0.5, 1.0), (0.7, 2.0), (0.6, 0.1)], 2),
        ("binary", [(0.7, 2.0), (0.7, 1.0), (0.7, 1.5)], 2),  # a tie: lower loss
        ("binary", [(0.7, 1.0), (0.7, 1.0), (0.7, 1.0)], 1),  # still a tie: earlier
        ("regression", [(0.5, 1.0), (0.7, 0.1), (0.4, 2.0)], 3),  # lower is better
        ("binary", [(math.nan, 1.0), (0.1, 5.0), (math.nan, 0.1)], 2),  # anything beats no value
        ("binary", [(math.nan, 1.0), (math.nan, 0.5), (math.nan, 0.7)], 2),  # without a metric the loss decides
    ],
)
def test_the_best_epoch_is_kept(
    kind: str, scores: list, best: int, monkeypatch: pytest.MonkeyPatch, fabric: Fabric, tmp_path: Path
) -> None:
    task = make_task(kind)
    scripted(monkeypatch, scores, task.spec.metric)
    model, fitted, rows, weights = train(fabric, task, folder=tmp_path)
    assert (fitted.best_epoch, fitted.epochs, len(rows)) == (best, 3, 3)
    assert fitted.best["loss"] == scores[best - 1][1]
    assert equal(model.state_dict(), weights[best - 1])
    assert not equal(weights[0], weights[1])
    last = checkpoint.load(tmp_path / "last.safetensors")
    assert equal(last["weights"], weights[best - 1])
    assert equal(last["model"], weights[2])
    assert (last["best_epoch"], last["epoch"]) == (best, 3)
    assert [row["epoch"] for row in last["history"]] == [1, 2, 3]
    assert last["optimizer"]["state"]


def test_a_state_of_an_older_version_resumes_without_what_it_did_not_know(fabric: Fabric, tmp_path: Path) -> None:
    task = make_task()
    expected, fitted, _, _ = train(fabric, task, folder=tmp_path)
    state = checkpoint.load(tmp_path / "last.safetensors")
    del state["ended"]
    checkpoint.save(tmp_path / "last.safetensors", state)
    model, resumed, _, _ = train(fabric, task, folder=tmp_path)
    assert equal(model.state_dict(), expected.state_dict())
    assert (resumed.resumed, resumed.best_epoch, resumed.history) == (3, fitted.best_epoch, fitted.history)


@pytest.mark.parametrize(("patience", "epochs"), [(0, 8), (1, 3), (2, 4), (3, 8)])
def test_training_ends_when_patience_does(
    patience: int, epochs: int, monkeypatch: pytest.MonkeyPatch, fabric: Fabric, tmp_path: Path
) -> None:
    metric = [0.1, 0.5, 0.4, 0.4, 0.6, 0.3, 0.3, 0.3]
    scripted(monkeypatch, [(value, 1.0) for value in metric], "accuracy")
    _, fitted, rows, _ = train(fabric, make_task(), max_epochs=8, patience=patience, folder=tmp_path)
    assert (fitted.epochs, len(rows)) == (epochs, epochs)
    assert fitted.best_epoch == (2 if epochs < 5 else 5)
    assert checkpoint.load(tmp_path / "last.safetensors")["epoch"] == epochs


@pytest.mark.parametrize(
    ("kind", "metric", "stop_at", "epochs"),
    [
        ("binary", [0.5, 1.0, 0.9], 1.0, 2),
        ("binary", [0.5, math.nan, 0.9], 0.8, 3),  # no value reaches anything
        ("binary", [0.5, 0.6, 0.7], None, 3),
        ("regression", [0.5, 0.2, 0.1], 0.3, 2),  # lower is better
    ],
)
def test_training_ends_once_validation_is_as_good_as_wanted(
    kind: str, metric: list[float], stop_at: float | None, epochs: int, monkeypatch: pytest.MonkeyPatch, fabric: Fabric
) -> None:
    task = make_task(kind)
    scripted(monkeypatch, [(value, 1.0) for value in metric], task.spec.metric)
    _, fitted, rows, _ = train(fabric, task, stop_at=stop_at)
    assert (fitted.epochs, len(rows)) == (epochs, epochs)


def test_patience_waits_until_weights_have_settled(monkeypatch: pytest.MonkeyPatch, fabric: Fabric) -> None:
    """Before the labels count nothing on validation can get better."""
    scripted(monkeypatch, [(0.5, 1.0)] * 8, "accuracy")
    late = LossConfig(schedule=ScheduleConfig(task=Ramp(enter=[0.5, 0.5])))
    _, fitted, _, _ = train(fabric, make_task(), max_epochs=8, patience=2, loss=late)
    assert fitted.epochs == 6


def test_a_tie_in_nothing_is_no_improvement() -> None:
    spec = make_spec()
    assert improves(spec, {"accuracy": 0.1, "loss": 9.0}, {})
    assert not improves(spec, {"accuracy": math.nan, "loss": 0.1}, {"accuracy": 0.1, "loss": 9.0})
    assert not improves(spec, {"accuracy": math.nan, "loss": math.nan}, {"accuracy": math.nan, "loss": math.nan})


def test_the_test_split_is_not_touched(fabric: Fabric) -> None:
    clean, poisoned = make_task(), make_task()
    ids = poisoned.splits.test
    poisoned.graphs.y[ids] = math.nan
    nodes = torch.isin(poisoned.graphs.node_graph, ids)
    poisoned.graphs.x[nodes] = math.nan
    (one, _, rows, _), (other, _, same, _) = (train(fabric, task) for task in (clean, poisoned))
    assert equal(one.state_dict(), other.state_dict())
    assert [without_time(row) for row in rows] == [without_time(row) for row in same]


def without_time(row: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in row.items() if key != "seconds"}


def test_validation_graphs_are_measured_and_not_learned(fabric: Fabric) -> None:
    clean, poisoned = make_task(), make_task()
    poisoned.graphs.y[poisoned.splits.val] = 1 - poisoned.graphs.y[poisoned.splits.val]
    (_, _, rows, weights), (_, _, others, same) = (train(fabric, task) for task in (clean, poisoned))
    assert all(equal(one, other) for one, other in zip(weights, same, strict=True))
    assert rows[0]["val/accuracy"] == pytest.approx(1 - others[0]["val/accuracy"])


def test_equal_seeds_give_equal_runs(fabric: Fabric) -> None:
    runs = [train(fabric, make_task("regression"), dropout=0.3) for _ in range(2)]
    assert equal(runs[0][0].state_dict(), runs[1][0].state_dict())
    assert [without_time(row) for row in runs[0][2]] == [without_time(row) for row in runs[1][2]]


def test_an_epoch_is_one_row(fabric: Fabric) -> None:
    _, fitted, rows, _ = train(fabric, make_task())
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    names = ["epoch", "lr", "seconds", "train/loss", "train/task", "train/task.weighted", "val/accuracy"]
    assert list(rows[0])[: len(names)] == names
    assert list(rows[0])[-1] == "val/loss"
    best = rows[fitted.best_epoch - 1]
    assert fitted.best == {key.removeprefix("val/"): value for key, value in best.items() if key.startswith("val/")}


def test_raw_terms_are_means_over_the_steps_that_counted(fabric: Fabric) -> None:
    """Three steps an epoch, two epochs: the task enters after four of the six steps."""
    schedule = ScheduleConfig(task=Ramp(enter=[0.6, 0.6]))
    frozen = OptimConfig(lr=1e-30)
    _, _, (first, second), _ = train(
        fabric, make_task(), 2, loss=LossConfig(schedule=schedule), optim=frozen, norm="none"
    )
    assert "train/task" not in first
    assert first["train/loss"] == 0
    assert 0.3 < second["train/task"] < 3  # about log 2
    assert second["train/task.weighted"] == pytest.approx(second["train/task"] * 2 / 3)
    assert second["train/loss"] == pytest.approx(second["train/task.weighted"])


def test_a_loss_that_explodes_is_told(fabric: Fabric) -> None:
    said = r"Training diverged in epoch 1, step \d, graphs [\d, ]+: not finite: .*Lower the learning rate"
    with pytest.raises(UserError, match=said):
        train(fabric, make_task("regression"), optim=OptimConfig(lr=1e30, clip=0.0, warmup=0.0), max_epochs=10)


def test_steps_that_are_not_finite_are_left_out_and_counted(fabric: Fabric) -> None:
    task = make_task("regression")
    task.graphs.y[task.splits.train[0]] = math.inf
    with pytest.raises(UserError, match="Training diverged in epoch 1"):
        train(fabric, task, max_epochs=2)
    _, fitted, rows, _ = train(fabric, task, max_epochs=2, nonfinite="skip")
    assert [row["train/skipped"] for row in rows] == [1, 1]
    assert fitted.skipped == 2
    assert all(math.isfinite(value) for row in rows for value in row.values())
    task.graphs.y[task.splits.train] = math.inf
    with pytest.raises(UserError, match="Training diverged in epoch 1"):
        train(fabric, task, max_epochs=2, nonfinite="skip")


def test_half_precision_trains() -> None:
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    _, _, rows, _ = train(fabric, make_task(edges="categorical"))
    assert all(math.isfinite(value) for row in rows for value in row.values())


def test_the_rate_is_written_down_and_used(fabric: Fabric) -> None:
    optim = OptimConfig(lr=1e-2, warmup=0.0, schedule="linear")
    _, _, rows, _ = train(fabric, make_task(), max_epochs=2, optim=optim)
    assert [row["lr"] for row in rows] == pytest.approx([1e-2 * 4 / 6, 1e-2 * 1 / 6])
    _, _, _, weights = train(fabric, make_task(), 2, optim=OptimConfig(lr=1e-12, weight_decay=0.0))
    assert torch.allclose(weights[0]["convs.0.nn.0.weight"], weights[1]["convs.0.nn.0.weight"], atol=1e-8)


def test_gradients_are_clipped(fabric: Fabric, monkeypatch: pytest.MonkeyPatch) -> None:
    norms = []
    step = torch.optim.AdamW.step

    def watch(optimizer: torch.optim.Optimizer, *args: object, **kwargs: object) -> object:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(torch.stack([g.norm() for g in gradients]).norm()))
        return step(optimizer, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", watch)
    train(fabric, make_task("regression"), 1, optim=OptimConfig(clip=1e-3))
    train(fabric, make_task("regression"), 1, optim=OptimConfig(clip=0.0))
    assert len(norms) == 6
    assert max(norms[:3]) <= 1.001e-3
    assert min(norms[3:]) > 1e-2
