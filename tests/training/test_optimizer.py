"""The optimizer and its learning rate."""

import math
from collections import Counter

import pytest
from lightning_fabric import Fabric
from torch import nn

from gnn_distill.config.schema.run import OptimConfig
from gnn_distill.training.optimizer import make_optimizer, rate_factor


@pytest.mark.parametrize(
    ("optim", "progress", "expected"),
    [
        (OptimConfig(warmup=0.1), 0.05, 0.5),
        (OptimConfig(warmup=0.1), 0.1, 1.0),
        (OptimConfig(warmup=0.1), 0.55, 0.5),
        (OptimConfig(warmup=0.0), 0.0, 1.0),
        (OptimConfig(warmup=0.0), 0.25, (1 + math.cos(math.pi / 4)) / 2),
        (OptimConfig(warmup=0.0, schedule="linear"), 0.25, 0.75),
        (OptimConfig(warmup=0.2, schedule="linear"), 0.6, 0.5),
        (OptimConfig(warmup=0.2, schedule="constant"), 0.9, 1.0),
        (OptimConfig(warmup=1.0), 0.5, 0.5),
    ],
)
def test_the_rate_rises_and_falls(optim: OptimConfig, progress: float, expected: float) -> None:
    assert rate_factor(optim, progress, max_epochs=1000) == pytest.approx(expected)


@pytest.mark.parametrize("max_epochs", [1, 2, 3, 100])
def test_the_rate_never_exceeds_its_peak_and_never_starts_at_zero(max_epochs: int) -> None:
    for warmup in (0.0, 0.01, 0.05, 0.5, 1.0):
        rates = [rate_factor(OptimConfig(warmup=warmup), step / 100, max_epochs) for step in range(100)]
        assert 0 < min(rates) <= max(rates) <= 1


def test_only_matrices_decay() -> None:
    fabric = Fabric(accelerator="cpu", devices=1)
    model, other = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), nn.Embedding(4, 2)
    model[0].weight.requires_grad_(True)
    optimizer = make_optimizer([model, other], OptimConfig(weight_decay=0.1), fabric)
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert Counter(decays.values()) == {0.1: 2, 0.0: 3}
    assert decays[id(model[0].weight)] == decays[id(other.weight)] == 0.1
    other.weight.requires_grad_(False)
    assert (
        sum(len(group["params"]) for group in make_optimizer([model, other], OptimConfig(), fabric).param_groups) == 4
    )
