"""What the best answer that is the same for every example scores."""

from dataclasses import replace

import pytest
import torch
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from small_tasks import make_graphs, make_spec
from torch import Tensor

from gnn_distill.data.task import GraphTask, Splits
from gnn_distill.pipeline.evaluate import constant_scores

PARTS = Splits(torch.arange(6), torch.tensor([6, 7]), torch.tensor([8, 9]))


def task_of(y: list, kind: str, **changes: object) -> GraphTask:
    spec = make_spec(kind, **changes)
    graphs = make_graphs(spec)
    return GraphTask(spec, replace(graphs, y=torch.tensor(y, dtype=torch.float32).reshape(len(graphs), -1)), PARTS)


def parts(task: GraphTask) -> tuple[Tensor, Tensor]:
    return task.graphs.y[PARTS.train], task.graphs.y[PARTS.test]


def test_of_classes_it_is_the_most_frequent_one() -> None:
    for kind, y in (("binary", [1, 1, 1, 1, 0, 0, 0, 0, 1, 0]), ("multiclass", [2, 1, 2, 0, 2, 1, 0, 0, 2, 2])):
        task = task_of(y, kind)
        train, test = parts(task)
        dummy = DummyClassifier().fit(train, train)
        scores = constant_scores(task)
        assert scores["test"]["accuracy"] == pytest.approx(dummy.score(test, test))
        assert scores["train"]["accuracy"] == pytest.approx(dummy.score(train, train))
        assert list(constant_scores(task, test=False)) == ["train", "val"]
    assert scores["val"]["accuracy"] == 0


def test_of_ranks_it_is_chance() -> None:
    scores = constant_scores(task_of([1, 1, 1, 1, 0, 0, 0, 0, 1, 0], "binary"))["test"]
    assert (scores["roc_auc"], scores["average_precision"]) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_of_targets_it_is_their_mean_or_median_and_missing_labels_do_not_count(metric: str) -> None:
    y = [1.0, 2.0, 30.0, 4.0, 9.0, float("nan"), 7.0, 8.0, 9.0, 3.0]
    one = {"num_outputs": 1, "target_names": ("a",), "target_mean": (3.0,), "target_std": (2.0,), "metric": metric}
    task = task_of(y, "regression", **one)
    train, test = parts(task)
    dummy = DummyRegressor(strategy="median" if metric == "mae" else "mean").fit(train[:5], train[:5])
    measure = mean_absolute_error if metric == "mae" else root_mean_squared_error
    assert constant_scores(task)["test"][metric] == pytest.approx(measure(test, dummy.predict(test)))
