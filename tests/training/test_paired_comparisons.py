"""BREC's test against plain formulas and SciPy, and the training that precedes it."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from gnn_distill.config.schema.separate import ComparisonsConfig
from gnn_distill.training.paired_comparisons import (
    EPSILON,
    Comparison,
    compare,
    contrast,
    p_value,
    statistic,
    threshold,
)


def drawn(rows: int, columns: int, seed: int = 0, shift: float = 0.0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(shift, 1, size=(rows, columns)))


def test_the_threshold_is_the_published_one() -> None:
    assert threshold(copies=32, outputs=16, alpha=0.05) == pytest.approx(72.34, abs=0.005)


@pytest.mark.parametrize("seed", range(3))
def test_the_statistic_is_that_of_plain_loops(seed: int) -> None:
    one, other = drawn(12, 4, seed), drawn(12, 4, seed + 9, shift=0.5)
    d = (one - other).tolist()
    mean = [sum(row[c] for row in d) / 12 for c in range(4)]
    covariance = [[sum((r[a] - mean[a]) * (r[b] - mean[b]) for r in d) / 11 for b in range(4)] for a in range(4)]
    expected = np.array(mean) @ np.linalg.inv(covariance) @ np.array(mean)
    assert statistic(one, other) == pytest.approx(expected)


def test_with_one_output_it_is_students_t_test() -> None:
    one, other = drawn(10, 1), drawn(10, 1, seed=1, shift=0.8)
    t, p = stats.ttest_rel(one[:, 0], other[:, 0])
    value = statistic(one, other)
    assert 10 * value == pytest.approx(t**2)
    assert p_value(value, copies=10, outputs=1) == pytest.approx(p)


def test_p_values_are_uniform_where_nothing_differs() -> None:
    values = [p_value(statistic(drawn(32, 16, seed), drawn(32, 16, 1000 + seed)), 32, 16) for seed in range(300)]
    assert stats.kstest(values, "uniform").pvalue > 0.01


def test_units_do_not_matter() -> None:
    one, other = drawn(32, 5), drawn(32, 5, seed=1)
    mix = drawn(5, 5, seed=2)
    assert statistic(one @ mix, other @ mix) == pytest.approx(statistic(one, other))
    assert statistic(one * 1e-7, other * 1e-7) == pytest.approx(statistic(one, other))


def test_a_difference_where_copies_do_not_vary_counts_with_epsilon_alone() -> None:
    """As the authors say of their own code."""
    same = torch.ones(8, 3, dtype=torch.double)
    assert statistic(same, same) == statistic(same, 2 * same) == 0
    assert statistic(same, same, epsilon=1e-7) == 0
    assert statistic(same, 2 * same, epsilon=1e-7) == pytest.approx(3e7)
    assert statistic(same, same + 1e-7, epsilon=1e-7) < 1e-6  # rounding counts as nothing
    flat = drawn(20, 3)
    flat[:, 2] = 1.0  # as of a dead unit: the others count
    assert statistic(flat, 0 * flat) == pytest.approx(statistic(flat[:, :2], 0 * flat[:, :2]))


@pytest.mark.parametrize(
    ("value", "same", "distinguished", "reliable"),
    [
        (80, 1, True, True),
        (70, 1, False, True),
        (80, 80.0000001, False, False),  # as different as a graph is from itself
        (80, 90, True, False),
        (math.inf, 0, True, True),
        (math.nan, 1, False, True),
        (80, math.nan, True, False),
    ],
)
def test_verdicts(value: float, same: float, distinguished: bool, reliable: bool) -> None:
    found = Comparison(value, same, threshold(32, 16, 0.05), 0.5, 1.0)
    assert (found.distinguished, found.reliable) == (distinguished, reliable)


def test_copies_come_in_turn() -> None:
    one, other, same = drawn(32, 3), drawn(32, 3, seed=1, shift=5), drawn(64, 3, seed=2)
    found = compare(torch.stack([one, other], dim=1).flatten(0, 1), same, ComparisonsConfig())
    assert found.statistic == pytest.approx(statistic(one, other))
    assert found.same_statistic == pytest.approx(statistic(same[0::2], same[1::2]))
    assert found.threshold == threshold(32, 3, 0.05)
    assert found.smoothed_statistic == pytest.approx(statistic(one, other, EPSILON))
    assert found.distinguished
    assert found.reliable


def make(features: torch.Tensor, **changes: float) -> tuple[int, nn.Module, list[float]]:
    """Train a linear map of features in two batches; the losses before each epoch, by plain loops."""
    torch.manual_seed(0)
    model, losses = nn.Linear(features.size(1), 4), []

    def batches() -> list[torch.Tensor]:
        with torch.no_grad():
            out = model(features)
            losses.append(float(torch.cosine_similarity(out[0::2], out[1::2]).clamp(min=0).mean()))
        return (model(part) for part in features.split(4))

    return contrast(model, batches, ComparisonsConfig(**changes)), model, losses


def test_training_turns_embeddings_to_a_right_angle() -> None:
    features = torch.tensor([[1.0, 0.2], [0.2, 1.0]]).repeat(6, 1)
    epochs, model, losses = make(features, lr=0.05, max_epochs=50, loss_threshold=0.05)
    assert epochs < 50  # it ended early
    assert losses[0] > 0.2 > losses[-1]
    assert not model.weight.grad.isnan().any()


def test_graphs_with_the_same_features_are_trained_to_the_end() -> None:
    epochs, _, losses = make(torch.ones(12, 2), max_epochs=7)
    assert (epochs, len(losses)) == (7, 7)
    assert losses == pytest.approx([1.0] * 7)
