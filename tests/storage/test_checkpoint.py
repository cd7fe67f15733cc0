import math
from pathlib import Path

import pytest
import torch
from damage import assert_noticed
from safetensors.torch import load_file, save_file
from test_files import file_size_limit

from gnn_distill.errors import UserError
from gnn_distill.storage import checkpoint
from gnn_distill.storage.checksums import Damaged, NewerVersion, OlderVersion
from gnn_distill.storage.versions import FORMATS, Format


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


STATE = {"weights": torch.randn(50), "epoch": 3, "half": torch.zeros(3, dtype=torch.bfloat16), "note": "x"}


def test_every_byte_counts(tmp_path: Path) -> None:
    path = tmp_path / "state"
    checkpoint.save(path, STATE)
    assert_noticed(path, lambda: checkpoint.load(path), every_byte=True)
    assert torch.equal(checkpoint.load(path)["weights"], STATE["weights"])


@pytest.mark.parametrize("count", range(1, 9))
def test_padding_counts_too(tmp_path: Path, count: int) -> None:
    path = tmp_path / "state"
    checkpoint.save(path, {"note": "x" * count})
    raw = path.read_bytes()
    assert len(raw) % 8 == 0
    path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(Damaged):
        checkpoint.load(path)


def test_tensors_keep_their_names_types_and_shapes(tmp_path: Path) -> None:
    tensors = {
        "flags": torch.tensor([True, False, True]),
        "one": torch.tensor(2.5, dtype=torch.float64),
        "none": torch.empty(0, 4),
        "half": torch.randn(3, 5).to(torch.bfloat16),
        "turned": torch.arange(6, dtype=torch.int32).view(2, 3).T,
        "byte": torch.arange(5, dtype=torch.uint8),
    }
    path = tmp_path / "tensors"
    checkpoint.save_tensors(path, tensors)
    for back in (checkpoint.load_tensors(path), load_file(path)):
        assert back.keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert (back[name].dtype, back[name].shape) == (tensor.dtype, tensor.shape)
            assert torch.equal(back[name], tensor)
    assert_noticed(path, lambda: checkpoint.load_tensors(path))


def test_equal_states_make_equal_files(tmp_path: Path) -> None:
    for name in ("one", "other"):
        checkpoint.save(tmp_path / name, STATE)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    (tmp_path / "plain").touch()
    assert (tmp_path / "one").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "state"
    checkpoint.save(path, {"epoch": 1})
    with file_size_limit(10_000), pytest.raises(UserError, match=r"state: cannot be written \(File too large\)"):
        checkpoint.save(path, {"weights": torch.zeros(100_000)})
    assert checkpoint.load(path) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_what_was_tested_before_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "state"
    checkpoint.save(path, {"weights": torch.zeros(50)})
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Damaged):
        checkpoint.load(path)
    assert checkpoint.load(path, verify=False)["weights"][0] == 0


def test_other_files_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no such checkpoint"):
        checkpoint.load(tmp_path / "missing")
    save_file({"weights": torch.zeros(2)}, tmp_path / "foreign")
    with pytest.raises(UserError, match="was not written by gnn-distill"):
        checkpoint.load(tmp_path / "foreign")
    save_file({"weights": torch.zeros(2)}, tmp_path / "old", metadata={"state": "{}"})
    with pytest.raises(OlderVersion, match=r"older version.*Make it again"):
        checkpoint.load(tmp_path / "old", remedy="Make it again.")
    with monkeypatch.context() as patch:
        patch.setitem(FORMATS, "last.safetensors", Format(("a", "b")))
        checkpoint.save(tmp_path / "last.safetensors", {})
    with pytest.raises(NewerVersion, match=r"last\.safetensors: was written by a newer version .*update gnn-distill"):
        checkpoint.load(tmp_path / "last.safetensors", remedy="Make it again.")
