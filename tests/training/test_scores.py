"""Scores of finished models against references by hand."""

import numpy as np
import pytest
import torch
from small_tasks import make_spec

from gnn_distill.training.metrics import Metrics
from gnn_distill.training.scores import BINS, scores

RNG = np.random.default_rng(0)


def expected_calibration_error(said: np.ndarray, true: np.ndarray) -> float:
    place = np.minimum((said * BINS).astype(int), BINS - 1)
    bins = [place == number for number in range(BINS)]
    return sum(inside.sum() * abs(said[inside].mean() - true[inside].mean()) for inside in bins if inside.any()) / len(
        said
    )


def test_two_classes() -> None:
    y = torch.from_numpy((RNG.random(200) < 0.4).astype(float))[:, None]
    logits = torch.from_numpy(RNG.normal(size=(200, 1))).float() + y.float()
    spec = make_spec("binary")
    found = scores(spec, torch.cat([logits, logits[:1]]), torch.cat([y, torch.full((1, 1), torch.nan).double()]))
    p, truth = logits.sigmoid().double().numpy()[:, 0], y.numpy()[:, 0]
    said = p > 0.5
    tp, tn = (said & (truth == 1)).sum(), (~said & (truth == 0)).sum()
    fp, fn = (said & (truth == 0)).sum(), (~said & (truth == 1)).sum()
    overall = found["overall"]
    mcc = (tp * tn - fp * fn) / np.sqrt(float((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))
    assert overall["mcc"] == pytest.approx(mcc)
    assert overall["brier"] == pytest.approx(np.mean((p - truth) ** 2), rel=1e-5)
    assert overall["calibration_error"] == pytest.approx(expected_calibration_error(p, truth), rel=1e-4)
    assert overall[spec.metric] == pytest.approx(Metrics(spec).measure(spec.metric, logits, y))
    one = found["classes"][spec.classes[1]]
    assert (one["n"], one["precision"], one["recall"]) == (
        200 - int((truth == 0).sum()),
        tp / (tp + fp),
        tp / (tp + fn),
    )


def test_values_and_missing_labels() -> None:
    spec = make_spec("regression")
    count = spec.num_outputs
    z = torch.from_numpy(RNG.normal(size=(50, count))).float()
    y = spec.in_original_units(z) + torch.from_numpy(RNG.normal(size=(50, count)))
    y[:10, 0] = torch.nan
    found = scores(spec, z, y)
    each = []
    for target in range(count):
        known = ~y[:, target].isnan()
        truth, said = y[known, target].numpy(), spec.in_original_units(z)[known, target].numpy()
        r2 = 1 - ((truth - said) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
        rho = np.corrcoef(truth.argsort().argsort(), said.argsort().argsort())[0, 1]
        each.append((r2, rho))
    assert found["overall"]["r2"] == pytest.approx(np.mean([r2 for r2, _ in each]))
    assert found["overall"]["spearman"] == pytest.approx(np.mean([rho for _, rho in each]))


def test_a_constant_has_no_value_rather_than_a_wrong_one() -> None:
    spec = make_spec("regression")
    found = scores(spec, torch.zeros(5, spec.num_outputs), torch.ones(5, spec.num_outputs).double())
    assert found["overall"]["r2"] is None
    assert found["overall"]["spearman"] is None
