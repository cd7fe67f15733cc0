"""Dropout."""

import pytest
import torch

from gnn_distill.models.layers.dropout import Dropout, keep_mask


@pytest.mark.parametrize("p", [0.1, 0.5, 0.93])
def test_drops_the_share_it_should_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(1000, 401)
    out = Dropout(p)(x)
    deviation = (p * (1 - p) / x.numel()) ** 0.5
    assert abs(float((out == 0).float().mean()) - p) < 4 * deviation
    assert out[out > 0].unique().numel() == 1
    assert float(out.max()) == pytest.approx(1 / (1 - p), rel=1e-3)
    assert float(out.mean()) == pytest.approx(1, abs=5 * deviation / (1 - p))


def test_entries_are_dropped_one_by_one() -> None:
    torch.manual_seed(0)
    mask = keep_mask(torch.Size([4000, 64]), 0.5)[0].double()
    correlation = torch.corrcoef(mask.T) - torch.eye(64)
    assert correlation.abs().max() < 5 / 4000**0.5
    following = torch.corrcoef(torch.stack([mask.flatten()[:-1], mask.flatten()[1:]]))[0, 1]
    assert following.abs() < 5 / mask.numel() ** 0.5


def test_gradient_passes_where_an_entry_was_kept() -> None:
    torch.manual_seed(0)
    x = torch.randn(7, 33, dtype=torch.float64, requires_grad=True)
    out = Dropout(0.3)(x)
    weights = torch.randn_like(out)
    (out * weights).sum().backward()
    torch.testing.assert_close(x.grad, weights * out.detach() / x.detach())


def test_nothing_is_dropped_in_evaluation_or_at_rate_zero_and_all_at_rate_one() -> None:
    x = torch.randn(5, 6)
    assert torch.equal(Dropout(0.4).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert torch.equal(Dropout(1.0)(x), torch.zeros_like(x))


def test_type_stays_and_the_seed_decides() -> None:
    x = torch.ones(50, 50, dtype=torch.bfloat16)
    layer = Dropout(0.5)
    outs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        outs.append(layer(x))
    assert outs[0].dtype == torch.bfloat16
    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], outs[2])
