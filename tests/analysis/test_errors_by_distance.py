from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from small_tasks import make_spec

from gnn_distill.analysis.errors import distance_bins, errors_by_distance, example_scores, jackknife, wilson
from gnn_distill.data.task import TaskSpec
from gnn_distill.training.metrics import Metrics

KINDS = [("binary", "accuracy"), ("multiclass", "accuracy"), ("multilabel", "accuracy"), ("regression", "mae")]


def measured(spec: TaskSpec, logits: torch.Tensor, y: torch.Tensor) -> float:
    return Metrics(spec).measure(spec.metric, logits, y)


def draw(spec: TaskSpec, count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, spec.num_outputs, generator=random)
    if spec.kind == "regression":
        return logits, torch.randn(count, 2, generator=random)
    return logits, torch.randint(
        3 if spec.kind == "multiclass" else 2, (count, spec.num_targets), generator=random
    ).float()


@pytest.mark.parametrize(("kind", "metric"), [*KINDS, ("regression", "rmse"), ("binary", "roc_auc")])
def test_every_bin_has_the_metric_of_its_examples(kind: str, metric: str) -> None:
    spec = replace(make_spec(kind), metric=metric)
    if (kind, metric) == ("regression", "rmse"):  # the root of a mean over targets is not the mean of roots
        spec = replace(spec, num_outputs=1, target_names=("a",), target_mean=(3.0,), target_std=(2.0,))
    logits, y = draw(spec, 90)
    y = y[:, : spec.num_targets]
    distance = np.arange(90) // 30
    found = errors_by_distance(spec, logits, y, distance, np.arange(90), lambda *some: measured(spec, *some), 50)
    assert [(one.nearest, one.farthest, one.examples) for one in found] == [(k, k, 30) for k in range(3)]
    for k, one in enumerate(found):
        here = slice(30 * k, 30 * k + 30)
        assert one.value == pytest.approx(measured(spec, logits[here], y[here]), rel=1e-6)
        assert one.low < one.value < one.high


@given(st.integers(1, 200), st.integers(1, 60))
def test_bins_cover_all_distances_once(count: int, values: int) -> None:
    distance = np.random.default_rng(count).integers(0, values, count)
    bins = distance_bins(distance)
    assert len(bins) <= 8
    assert sum(((distance >= low) & (distance <= high)).sum() for low, high in bins) == count
    assert all(((distance >= low) & (distance <= high)).any() for low, high in bins)
    assert all(before[1] < after[0] for before, after in pairwise(bins))


def test_few_distances_have_bins_of_their_own() -> None:
    assert distance_bins(np.array([12, 10, 10, 11])) == [(10, 10), (11, 11), (12, 12)]


@given(st.integers(0, 40), st.integers(1, 40))
def test_wilson_against_scipy(right: int, count: int) -> None:
    right = min(right, count)
    expected = binomtest(right, count).proportion_ci(0.95, method="wilson")
    value, low, high = wilson(np.arange(count) < right)
    assert value == right / count
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_nodes_of_one_graph_are_resampled_together() -> None:
    """Copies of a node in its graph add nothing: the interval is that of graphs, wider than Wilson's over nodes."""
    spec = replace(make_spec("binary"), level="node")
    logits = torch.randn(40, 1, generator=torch.Generator().manual_seed(0)).repeat_interleave(20, dim=0)
    y, distance = torch.ones(800, 1), np.zeros(800, dtype=int)
    (together,) = errors_by_distance(spec, logits, y, distance, np.arange(800) // 20, None, 2000)
    (apart,) = errors_by_distance(spec, logits, y, distance, np.arange(800), None, 2000)
    (graphs,) = errors_by_distance(spec, logits[::20], y[::20], distance[::20], np.arange(40), None, 2000)
    assert together.value == apart.value == graphs.value
    assert together.high - together.low > 3 * (apart.high - apart.low)
    assert together.high - together.low == pytest.approx(graphs.high - graphs.low, rel=0.15)


def test_missing_labels() -> None:
    """Examples without labels are left out; several targets that are not all known go to the metric itself."""
    spec = make_spec("binary")
    logits, y = draw(spec, 20)
    y[5:] = torch.nan
    (found,) = errors_by_distance(spec, logits, y, np.zeros(20, dtype=int), np.arange(20), None, 10)
    assert found.examples == 5
    spec = replace(make_spec("multilabel"), metric="accuracy")
    logits, y = draw(spec, 20)
    y[0, 0] = torch.nan
    assert example_scores(spec, logits, y) is None
    (found,) = errors_by_distance(
        spec, logits, y, np.zeros(20, dtype=int), np.arange(20), lambda *some: measured(spec, *some), 10
    )
    assert found.value == pytest.approx(measured(spec, logits, y))


def test_jackknife_of_a_mean_and_of_an_area() -> None:
    """Of a mean its standard error; of an area under a curve Hanley and McNeil's (1982)."""
    spec = replace(make_spec("binary"), metric="roc_auc")
    random = torch.Generator().manual_seed(0)
    y = (torch.arange(2000) % 2).float()[:, None]
    logits = torch.randn(2000, 1, generator=random) + y
    value, low, high = jackknife(lambda z, _: float(z.mean()), logits, y, np.arange(2000))
    assert value == pytest.approx(float(logits.mean()))
    assert (high - low) / 2 == pytest.approx(2.093 * float(logits.std()) / 2000**0.5, rel=0.35)  # t of 19 degrees
    value, low, high = jackknife(lambda *some: measured(spec, *some), logits, y, np.arange(2000))
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    error = ((value * (1 - value) + 999 * (q1 - value**2) + 999 * (q2 - value**2)) / 1000**2) ** 0.5
    assert (high - low) / 2 == pytest.approx(2.093 * error, rel=0.35)
    assert np.isnan(jackknife(lambda *some: measured(spec, *some), logits[:2], y[:2], np.zeros(2, dtype=int))[1])
