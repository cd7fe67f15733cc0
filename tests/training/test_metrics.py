import math

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from gnn_distill.config.schema.data import LOWER_IS_BETTER
from gnn_distill.data.task import METRICS, Features, TaskSpec
from gnn_distill.training.metrics import Metrics, is_better

KINDS = [(kind, metric) for kind, names in METRICS.items() for metric in names]


def make_spec(kind: str, metric: str, outputs: int = 1, mean: float = 0.0, std: float = 1.0) -> TaskSpec:
    return TaskSpec(
        name="set",
        kind=kind,
        level="graph",
        num_outputs=outputs,
        node_features=Features("continuous", (1,)),
        edge_features=None,
        metric=metric,
        higher_is_better=metric not in LOWER_IS_BETTER,
        target_names=tuple(map(str, range(outputs))),
        target_mean=(mean,) * outputs,
        target_std=(std,) * outputs,
    )


def measure(spec: TaskSpec, logits: torch.Tensor, y: torch.Tensor, batch_size: int = 7) -> dict[str, float]:
    metrics = Metrics(spec)
    for start in range(0, len(y), batch_size):
        metrics.update(logits[start : start + batch_size], y[start : start + batch_size])
    return metrics.compute()


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("scale", [0.1, 1.0, 100.0])
def test_binary_equals_sklearn(generator: torch.Generator, scale: float) -> None:
    logits = scale * torch.randn(200, 1, generator=generator).round(decimals=1)  # with ties
    y = (logits / scale + torch.randn(200, 1, generator=generator) > 0.5).float()
    scores = measure(make_spec("binary", "roc_auc"), logits, y)
    assert scores == pytest.approx(
        {
            "roc_auc": sk.roc_auc_score(y, logits),
            "average_precision": sk.average_precision_score(y, logits),
            "accuracy": sk.accuracy_score(y, logits > 0),
            "macro_f1": sk.f1_score(y, logits > 0, average="macro"),
            "balanced_accuracy": sk.balanced_accuracy_score(y, logits > 0),
        },
        abs=1e-6,
    )


def test_large_logits_keep_their_order() -> None:
    logits, y = torch.tensor([[200.0], [300.0], [400.0], [-500.0]]), torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    assert measure(make_spec("binary", "roc_auc"), logits, y)["roc_auc"] == 1


def test_multiclass_equals_sklearn_with_a_class_that_never_occurs(generator: torch.Generator) -> None:
    logits = torch.randn(100, 5, generator=generator)
    logits[:, 4] = -10
    y = torch.randint(0, 4, (100, 1), generator=generator).float()
    scores = measure(make_spec("multiclass", "accuracy", 5), logits, y)
    expected = {
        "accuracy": sk.accuracy_score(y, logits.argmax(1)),
        "macro_f1": sk.f1_score(y, logits.argmax(1), average="macro"),
        "balanced_accuracy": sk.balanced_accuracy_score(y, logits.argmax(1)),
    }
    assert scores == pytest.approx(expected, abs=1e-6)


def test_multilabel_leaves_out_missing_labels_and_labels_of_one_class(generator: torch.Generator) -> None:
    logits = torch.randn(90, 4, generator=generator)
    y = (logits + torch.randn(90, 4, generator=generator) > 0).float()
    y[torch.rand(90, 4, generator=generator) < 0.4] = math.nan
    y[:, 3] = torch.where(y[:, 3].isnan(), y[:, 3], 1.0)
    scores = measure(make_spec("multilabel", "roc_auc", 4), logits, y)
    kept = [~y[:, task].isnan() for task in range(4)]
    pairs = [(y[kept[task], task], logits[kept[task], task]) for task in range(4)]
    assert scores == pytest.approx(
        {
            "roc_auc": np.mean([sk.roc_auc_score(*pair) for pair in pairs[:3]]),
            "average_precision": np.mean([sk.average_precision_score(*pair) for pair in pairs[:3]]),
            "accuracy": np.mean([sk.accuracy_score(labels, outputs > 0) for labels, outputs in pairs]),
        },
        abs=1e-6,
    )


def test_regression_is_in_original_units(generator: torch.Generator) -> None:
    standardised, y = torch.randn(60, 2, generator=generator), 5 + 3 * torch.randn(60, 2, generator=generator)
    y[:10, 1] = math.nan
    scores = measure(make_spec("regression", "rmse", 2, mean=5.0, std=3.0), standardised, y)
    prediction = 5 + 3 * standardised
    pairs = [(y[:, 0], prediction[:, 0]), (y[10:, 1], prediction[10:, 1])]
    expected = {
        "rmse": np.mean([sk.root_mean_squared_error(*pair) for pair in pairs]),
        "mae": np.mean([sk.mean_absolute_error(*pair) for pair in pairs]),
        "log10_mse": np.mean([np.log10(sk.mean_squared_error(*pair)) for pair in pairs]),
    }
    assert scores == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("kind", "metric"), KINDS)
def test_primary_metric_comes_first(kind: str, metric: str) -> None:
    outputs = 3 if kind == "multiclass" else 1
    scores = measure(make_spec(kind, metric, outputs), torch.rand(6, outputs), torch.tensor([[0.0], [1.0]] * 3))
    assert next(iter(scores)) == metric
    assert set(scores) == set(METRICS[kind])


def test_one_class_has_no_roc_auc_but_an_accuracy() -> None:
    scores = measure(make_spec("binary", "accuracy"), torch.tensor([[1.0], [2.0]]), torch.ones(2, 1))
    assert math.isnan(scores["roc_auc"])
    assert scores["accuracy"] == 1


def test_a_model_that_diverged_has_no_score() -> None:
    scores = measure(make_spec("binary", "accuracy"), torch.tensor([[1.0], [math.nan]]), torch.tensor([[1.0], [0.0]]))
    assert all(math.isnan(score) for score in scores.values())


def test_is_better_knows_the_direction_and_nan() -> None:
    up, down = make_spec("binary", "accuracy"), make_spec("regression", "mae")
    assert is_better(up, 0.8, 0.7)
    assert not is_better(up, 0.7, 0.7)
    assert is_better(down, 0.7, 0.8)
    assert not is_better(down, 0.8, 0.7)
    assert is_better(up, 0.1, math.nan)
    assert not is_better(up, math.nan, 0.1)
    assert not is_better(up, math.nan, math.nan)


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1.0, 1e7, 1e19, 1e30])
@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6, 1e7])
def test_errors_scale_with_their_unit_and_do_not_move_with_it(
    generator: torch.Generator, scale: float, offset: float
) -> None:
    z = torch.randn(50, 1, generator=generator)
    labels = torch.randn(50, 1, generator=generator, dtype=torch.double)
    plain = measure(make_spec("regression", "rmse"), z, labels)
    moved = measure(make_spec("regression", "rmse", mean=offset * scale, std=scale), z, (offset + labels) * scale)
    back = {name: value / scale for name, value in moved.items()}
    back["log10_mse"] = moved["log10_mse"] - 2 * math.log10(scale)
    assert back == pytest.approx(plain, rel=1e-8)


def test_an_error_of_zero_has_a_finite_logarithm() -> None:
    scores = measure(make_spec("regression", "log10_mse"), torch.ones(4, 1), torch.ones(4, 1))
    assert scores["rmse"] == 0
    assert -308 < scores["log10_mse"] < -307
