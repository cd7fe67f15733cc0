import math
from pathlib import Path

import pytest
import torch

from gnn_distill import checkpoint
from gnn_distill.errors import UserError


def test_a_training_state_comes_back(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "best": {"accuracy": 0.5, "roc_auc": math.nan},
        "empty": {},
        "nothing": None,
        "half": torch.arange(4, dtype=torch.float16).view(2, 2).T,
    }
    path = tmp_path / "state.safetensors"
    checkpoint.save(path, state)
    back = checkpoint.load(path)
    assert list(back) == list(state)
    assert (back["epoch"], back["empty"], back["nothing"]) == (3, {}, None)
    assert math.isnan(back["best"]["roc_auc"])
    assert back["half"].dtype == torch.float16
    assert torch.equal(back["half"], state["half"])
    assert list(back["optimizer"]["state"]) == [0, 1, 2, 3]

    twin = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    twin.load_state_dict(back["model"])
    its = torch.optim.AdamW(twin.parameters(), lr=0.5)
    its.load_state_dict(back["optimizer"])
    assert its.param_groups[0]["lr"] == 0.1
    x = torch.randn(4, 3)
    for one, of in ((model, optimizer), (twin, its)):  # the next step is the same
        of.zero_grad()
        one(x).square().sum().backward()
        of.step()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_parameters_that_share_memory_are_saved(tmp_path: Path) -> None:
    weight = torch.randn(4)
    checkpoint.save(tmp_path / "state", {"a": weight, "b": [weight, weight[:2]]})
    back = checkpoint.load(tmp_path / "state")
    assert torch.equal(back["b"][0], weight)
    assert torch.equal(back["b"][1], weight[:2])


def test_what_cannot_be_saved_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    checkpoint.save(path, {"epoch": 1})
    with pytest.raises(TypeError):
        checkpoint.save(path, {"epoch": object()})
    assert checkpoint.load(path) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("keep", [0, 4, 100, -5])
def test_a_torn_file_is_told(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "state"
    checkpoint.save(path, {"weights": torch.randn(50)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"state: not a whole checkpoint .* Delete it and run again"):
        checkpoint.load(path)


def test_other_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such checkpoint"):
        checkpoint.load(tmp_path / "missing")
    from safetensors.torch import save_file

    save_file({"weights": torch.zeros(2)}, tmp_path / "foreign")
    with pytest.raises(UserError, match="not a whole checkpoint"):
        checkpoint.load(tmp_path / "foreign")
