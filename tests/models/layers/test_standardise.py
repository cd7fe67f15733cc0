import pytest
import torch

from gnn_distill.errors import UserError
from gnn_distill.models.layers.standardise import Moments, Standardise, alive_dimensions


def test_states_get_zero_mean_and_unit_deviation() -> None:
    states = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 10, 0.1, 3]) + 5
    standardise = Standardise(Moments(states.mean(0), states.std(0, correction=0)))
    out = standardise(states.half().float())
    assert standardise.channels == 4
    assert out.mean(0).abs().max() < 0.02
    assert (out.std(0, correction=0) - 1).abs().max() < 0.02


def test_dead_dimensions_are_dropped() -> None:
    std = torch.tensor([0.0, 2.0, 1e-6, 1.0, 1e-4, 3.0])
    assert alive_dimensions(std).tolist() == [False, True, False, True, True, True]
    standardise = Standardise(Moments(torch.arange(6.0), std))
    assert standardise.channels == 4
    out = standardise((torch.arange(6.0) + 7 * std)[None])
    torch.testing.assert_close(out, torch.full((1, 4), 7.0), rtol=1e-2, atol=0)


def test_statistics_are_no_parameters_and_in_no_checkpoint() -> None:
    standardise = Standardise(Moments(torch.zeros(3), torch.ones(3)))
    assert not list(standardise.parameters())
    assert not standardise.state_dict()


def test_a_dead_teacher_is_told() -> None:
    with pytest.raises(UserError, match="states are the same on all training graphs"):
        Standardise(Moments(torch.ones(3), torch.zeros(3)))
