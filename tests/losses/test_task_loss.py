import math
from dataclasses import replace

import pytest
import torch
from small_tasks import make_task

from gnn_distill.config.schema.data import TaskConfig
from gnn_distill.data.assembly.graphs import standardisation
from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError
from gnn_distill.losses.task import TaskLoss, make_task_loss
from gnn_distill.models.representations import Representations


def of(task: GraphTask, ids: torch.Tensor) -> GraphBatch:
    return collate(task.graphs, None, ids)


def said(logits: torch.Tensor) -> Representations:
    return Representations(logits, (), logits)


@pytest.mark.parametrize(("metric", "power"), [("rmse", 2), ("mae", 1)])
def test_regression_is_standardised_and_measured_as_its_metric(metric: str, power: int) -> None:
    task = make_task("regression")
    spec = replace(task.spec, metric=metric)
    task.graphs.y[0, 0] = task.graphs.y[1] = math.nan
    batch = of(task, torch.arange(4))
    logits = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    errors = []
    for row, label in zip(logits.tolist(), batch.y.tolist(), strict=True):
        for column, (mean, std) in enumerate([(3.0, 2.0), (-5.0, 0.5)]):
            if not math.isnan(label[column]):
                errors.append(abs(row[column] - (label[column] - mean) / std) ** power)
    assert len(errors) == 5
    assert float(TaskLoss(spec)(said(logits), batch)) == pytest.approx(sum(errors) / 5, rel=1e-5)


def test_missing_labels_have_no_gradient() -> None:
    task = make_task("multilabel")
    task.graphs.y[0, 0] = math.nan
    batch = of(task, torch.arange(4))
    logits = torch.zeros(4, 2, requires_grad=True)
    TaskLoss(task.spec)(said(logits), batch).backward()
    assert logits.grad[0, 0] == 0
    assert logits.grad.abs().sum() == pytest.approx(0.5)


def test_classes_are_indices() -> None:
    task = make_task("multiclass")
    batch = of(task, torch.arange(8))
    sure = 50 * torch.nn.functional.one_hot(batch.y[:, 0].long(), 3).float()
    assert float(TaskLoss(task.spec)(said(sure), batch)) == pytest.approx(0, abs=1e-6)
    assert float(TaskLoss(task.spec)(said(-sure), batch)) > 10
    smoothed = TaskLoss(task.spec, label_smoothing=0.3)(said(sure), batch)
    assert float(smoothed) == pytest.approx(0.3 * 2 / 3 * 50, rel=1e-4)


def test_automatic_weights_count_the_training_part_alone() -> None:
    task = make_task("multilabel")
    task.graphs.y[:] = 1.0  # what validation and test hold must not matter
    task.graphs.y[task.splits.train] = 0.0
    task.graphs.y[task.splits.train[:3], 0] = 1.0
    task.graphs.y[task.splits.train[:2], 1] = 1.0
    task.graphs.y[task.splits.train[2:4], 1] = math.nan
    assert make_task_loss(task, TaskConfig(pos_weight="auto")).pos_weight.tolist() == [3.0, 4.0]
    assert make_task_loss(task, TaskConfig(pos_weight="2.5")).pos_weight.tolist() == [2.5, 2.5]
    assert make_task_loss(task, TaskConfig()).pos_weight is None


def test_positive_weights_reach_the_loss() -> None:
    task = make_task()
    task.graphs.y[:4] = torch.tensor([[1.0], [0.0], [0.0], [1.0]])
    batch = of(task, torch.arange(4))
    task_loss = make_task_loss(task, TaskConfig(pos_weight="3"))
    assert float(task_loss(said(torch.zeros(4, 1)), batch)) == pytest.approx(2 * math.log(2))


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_tasks_without_positives_take_no_weight(kind: str) -> None:
    with pytest.raises(UserError, match=r"task.pos_weight=auto: small is a .* Set task.pos_weight=none"):
        make_task_loss(make_task(kind), TaskConfig(pos_weight="auto"))


def test_regression_takes_no_label_smoothing() -> None:
    with pytest.raises(UserError, match=r"task.label_smoothing=0.1: small is a regression"):
        make_task_loss(make_task("regression"), TaskConfig(label_smoothing=0.1))


@pytest.mark.parametrize(("scale", "offset"), [(1e-30, 0.0), (1e19, 0.0), (1.0, 1e7), (1e-3, 1e6)])
def test_labels_in_any_unit_are_learned_alike(scale: float, offset: float) -> None:
    y = torch.randn(40, 2, dtype=torch.double, generator=torch.Generator().manual_seed(0)) * scale + offset
    mean, std = standardisation(y, "regression", 2)
    spec = replace(make_task("regression").spec, target_mean=mean, target_std=std)
    target = TaskLoss(spec).target(y)
    assert target.dtype == torch.float
    torch.testing.assert_close(target, ((y - y.mean(0)) / y.std(0, correction=0)).float(), rtol=1e-5, atol=1e-6)
    assert len(target.unique()) == 80
