"""trainer.select: which weights training returns, their statistics, and that a resumed training returns the same."""

from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from small_tasks import make_task
from test_loop import equal, fabric, scripted, train  # noqa: F401 (a fixture)
from torch import nn

from gnn_distill.data.task import GraphTask
from gnn_distill.models.layers.norms import BatchNorm
from gnn_distill.storage import checkpoint
from gnn_distill.training.selection import Selection, snapshot

SCORES = [(0.1, 1.0), (0.9, 1.0), (0.3, 1.0), (0.4, 1.0), (0.2, 1.0)]


def selected(select: str, monkeypatch: pytest.MonkeyPatch, fabric: Fabric, **more: object) -> tuple:  # noqa: F811
    scripted(monkeypatch, SCORES, "accuracy")
    return train(fabric, make_task(), max_epochs=5, select=select, norm="none", **more)


def test_the_last_epoch_is_kept(monkeypatch: pytest.MonkeyPatch, fabric: Fabric) -> None:  # noqa: F811
    model, fitted, _, weights = selected("last", monkeypatch, fabric)
    assert equal(model.state_dict(), weights[4])
    assert (fitted.selected, fitted.best_epoch, fitted.best["accuracy"]) == ((5,), 2, 0.9)


def test_the_mean_of_the_last_epochs_is_kept(monkeypatch: pytest.MonkeyPatch, fabric: Fabric) -> None:  # noqa: F811
    model, fitted, _, weights = selected("average", monkeypatch, fabric)
    assert (fitted.selected, fitted.best_epoch) == ((3, 4, 5), 2)
    for name, value in model.named_parameters():
        expected = (weights[2][name].double() + weights[3][name].double() + weights[4][name].double()) / 3
        torch.testing.assert_close(value.detach(), expected.float(), rtol=1e-6, atol=1e-7)
    assert not equal(model.state_dict(), weights[4])


@pytest.mark.parametrize(("select", "epochs"), [("best", (2,)), ("last", (4,)), ("average", (2, 3, 4))])
def test_patience_counts_from_the_best_epoch_whatever_is_selected(
    select: str, epochs: tuple, monkeypatch: pytest.MonkeyPatch, fabric: Fabric  # noqa: F811
) -> None:  # fmt: skip
    _, fitted, rows, _ = selected(select, monkeypatch, fabric, patience=2)
    assert (len(rows), fitted.best_epoch, fitted.selected) == (4, 2, epochs)


def test_fewer_epochs_than_asked_are_all_averaged(monkeypatch: pytest.MonkeyPatch, fabric: Fabric) -> None:  # noqa: F811
    scripted(monkeypatch, SCORES, "accuracy")
    _, fitted, _, _ = train(fabric, make_task(), max_epochs=2, select="average", average_epochs=9)
    assert fitted.selected == (1, 2)


def test_a_checkpoint_holds_what_is_averaged_and_nothing_for_the_others(
    monkeypatch: pytest.MonkeyPatch, fabric: Fabric, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    for select, earlier in (("best", 0), ("last", 0), ("average", 2)):
        folder = tmp_path / select
        folder.mkdir()
        _, _, _, weights = selected(select, monkeypatch, fabric, folder=folder)
        state = checkpoint.load(folder / "last.safetensors")
        assert len(state["earlier"]) == earlier
        assert equal(state["weights"], weights[1 if select == "best" else 4])


class Normalised(nn.Module):
    """One weight before batch normalisation, a counter that is no statistic, and a weight that is not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.norm = nn.Parameter(torch.ones(1)), BatchNorm(2)
        self.frozen = nn.Parameter(torch.tensor([0.1]), requires_grad=False)
        self.register_buffer("steps", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.scale * x)


def test_statistics_of_batch_normalisation_are_those_of_the_mean_weights() -> None:
    model, selection = Normalised(), Selection("average", 3)
    for scale in (1.0, -1.0, 3.0):
        with torch.no_grad():
            model.scale.fill_(scale)
            model.norm.running_var.fill_(scale**2)  # as training at this scale would leave it
            model.steps += 1
        selection.add(model, better=False)
    batches = [torch.randn(6, 2, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]
    selection.load_into(model.eval(), model, batches)
    assert model.scale.item() == 1.0
    assert model.frozen.item() == torch.tensor(0.1).item(), "not (0.1 + 0.1 + 0.1) / 3"
    assert float(model.steps) == 3.0
    torch.testing.assert_close(model.norm.running_mean, torch.stack([x.mean(0) for x in batches]).mean(0))
    torch.testing.assert_close(model.norm.running_var, torch.stack([x.var(0) for x in batches]).mean(0))
    assert not model.training


def test_weights_under_two_names_are_averaged_under_both() -> None:
    model = nn.Module()
    model.one = model.other = nn.Linear(1, 1, bias=False)
    selection = Selection("average", 2)
    for value in (1.0, 2.0):
        nn.init.constant_(model.one.weight, value)
        selection.add(model, better=False)
    selection.load_into(model, model, [])
    assert float(model.other.weight.detach()) == 1.5


def test_a_state_that_comes_back_selects_the_same() -> None:
    model, one = nn.Linear(2, 2), Selection("average", 3)
    one.add(model, better=True)
    nn.init.zeros_(model.weight)
    one.add(model, better=False)
    other = Selection("average", 3)
    other.load_state_dict(one.state_dict())
    assert [*map(len, other.snapshots)] == [2, 2]
    assert all(equal(*pair) for pair in zip(one.snapshots, other.snapshots, strict=True))
    empty = Selection("best", 3)
    empty.load_state_dict(Selection("best", 3).state_dict())
    assert empty.snapshots == []
    older = Selection("best", 3)
    older.load_state_dict({"weights": snapshot(model)})
    assert len(older.snapshots) == 1


def test_the_training_task_is_unchanged_by_the_selection(fabric: Fabric) -> None:  # noqa: F811
    task: GraphTask = make_task()
    (_, _, best, _), (_, _, average, _) = (train(fabric, task, select=select) for select in ("best", "average"))
    for one, other in zip(best, average, strict=True):
        assert {k: v for k, v in one.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}
