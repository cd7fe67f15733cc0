"""Intervals and tests of a run: every metric of a resample is that of the examples drawn, whatever is missing."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from small_tasks import make_spec

from gnn_distill.data.task import METRICS, TaskSpec
from gnn_distill.training.metrics import Metrics
from gnn_distill.training.resampling import resampled
from gnn_distill.training.uncertainty import estimate, mcnemar, wilson


def outputs(spec: TaskSpec, n: int = 40, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, spec.num_outputs, generator=random).mul(3).round()  # with ties
    y = {
        "multiclass": torch.randint(3, (n, 1), generator=random),
        "regression": torch.randn(n, spec.num_targets, generator=random),
    }.get(spec.kind, torch.rand(n, spec.num_targets, generator=random) > 0.6)
    y = y.float()
    if spec.kind in ("multilabel", "regression"):
        y[torch.rand(y.shape, generator=random) < 0.3] = torch.nan
    return logits, y


@pytest.mark.parametrize(("kind", "metric"), [(kind, name) for kind, names in METRICS.items() for name in names])
def test_a_resample_is_measured_as_the_examples_drawn(kind: str, metric: str) -> None:
    spec = make_spec(kind, metric=metric)
    logits, y = outputs(spec)
    rows = torch.randint(len(y), (3, len(y)), generator=torch.Generator().manual_seed(1))
    rows[2] = rows[2, :3].repeat(len(y))[: len(y)]  # few examples, so that some metrics have no value
    draws = np.stack([np.bincount(row, minlength=len(y)) for row in rows]).astype(float)
    found = resampled(spec, metric, logits, y)(draws)
    metrics = Metrics(spec)
    expected = [metrics.measure(metric, logits[row], y[row]) for row in rows]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_wilson_and_mcnemar_are_scipys() -> None:
    for hits, n in ((17, 19), (0, 5), (5, 5), (300, 1000)):
        known = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
        assert wilson(hits, n) == pytest.approx((known.low, known.high))
    for b, c in ((2, 0), (0, 0), (3, 9), (40, 41)):
        assert mcnemar(b, c) == pytest.approx(stats.binomtest(b, b + c).pvalue if b + c else 1.0)


def test_a_difference_of_two_graphs_of_nineteen_is_called_no_more() -> None:
    spec = make_spec("binary")
    y = torch.ones(19, 1)
    student, teacher = torch.ones(19, 1), torch.ones(19, 1)
    student[:2], teacher[:4] = -1.0, -1.0
    found = estimate(spec, "test", {"student": student, "teacher": teacher}, y, [("student", "teacher")])
    (difference,) = found.differences
    assert (difference.first_only, difference.second_only, difference.n, difference.test) == (2, 0, 19, "McNemar")
    assert difference.value == pytest.approx(2 / 19)
    assert difference.p == 0.5
    assert difference.low <= 0.0 <= difference.value <= difference.high
    assert found.intervals["student"].low == pytest.approx(stats.binomtest(17, 19).proportion_ci(0.95, "wilson").low)


def test_a_paired_bootstrap_sees_what_two_intervals_do_not() -> None:
    spec = make_spec("regression", num_outputs=1, target_names=("a",), target_mean=(0.0,), target_std=(1.0,))
    y = torch.randn(200, 1, generator=torch.Generator().manual_seed(2))
    logits, _ = outputs(spec, 200)
    close = y + 0.5 * (logits - y)  # the same errors, half as large
    nearly = y + 0.98 * (logits - y)
    found = estimate(spec, "test", {"a": nearly, "b": logits, "c": close}, y, [("a", "b"), ("c", "b"), ("a", "a")])
    first, second, same = found.differences
    assert found.intervals["a"].high > found.intervals["b"].low  # the intervals overlap
    assert first.low > 0  # lower errors are ahead
    assert first.p == pytest.approx(2 / 2001)
    assert second.value > first.value > 0
    assert (same.value, same.p) == (0.0, 1.0)


def test_the_bootstrap_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    spec = make_spec("regression", num_outputs=1, target_names=("a",), target_mean=(0.0,), target_std=(1.0,))
    errors = torch.rand(400, 1, generator=torch.Generator().manual_seed(3))
    found = estimate(spec, "test", {"a": errors}, torch.zeros(400, 1), []).intervals["a"]
    half = 1.96 * float(errors.std()) / math.sqrt(400)
    assert found.value == pytest.approx(float(errors.mean()))
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.1)


def test_nodes_of_many_graphs_are_resampled_with_their_graph() -> None:
    spec = make_spec("binary", level="node")
    owner = torch.arange(10).repeat_interleave(30)
    right = (owner % 2 == 0).float()[:, None] * 2 - 1  # all nodes of a graph are alike
    y = torch.ones(300, 1)
    apart = estimate(spec, "test", {"student": right}, y, [])
    together = estimate(spec, "test", {"student": right}, y, [], owner)
    width = [one.intervals["student"].high - one.intervals["student"].low for one in (apart, together)]
    assert width[1] > 4 * width[0]
    assert (together.unit, together.intervals["student"].n, together.intervals["student"].method) == (
        *("graph", 10),
        "bootstrap",
    )


def test_what_has_no_labels_or_no_finite_outputs_has_no_interval() -> None:
    spec = make_spec("binary")
    logits, y = outputs(spec)
    broken = logits.clone()
    broken[0] = torch.nan
    found = estimate(spec, "test", {"student": logits, "teacher": broken}, y, [("student", "teacher")])
    assert list(found.intervals) == ["student"]
    assert found.differences == ()
    assert estimate(spec, "test", {"student": logits}, y * torch.nan, []).intervals == {}
    text = found.as_json()
    assert all(isinstance(value, float | int | str) for value in itertools.chain(text["intervals"]["student"].values()))
