"""Teachers that come trained: weights in every usual form, and what is told of a file that is none."""

from pathlib import Path

import pytest
import torch
from modules_of_users import Graphs, batch_of, config, make
from safetensors.torch import save_file
from small_tasks import make_node_task, make_spec, make_task
from torch import Tensor, nn

from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.errors import UserError
from gnn_distill.models import build_teacher
from gnn_distill.models.pretrained import checkpoint_hash, load_pretrained, pretrained, read_weights
from gnn_distill.storage import checkpoint


def behind(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in state.items()}


def wrappers(state: dict[str, Tensor], folder: Path) -> dict[str, Path]:
    """The same weights as others save them."""
    forms = {
        "plain.pt": state,
        "wrapped.pth": {"state_dict": state, "epoch": 3},
        "twice.pt": {"model": {"state_dict": {f"module.{name}": value for name, value in state.items()}}},
        "parallel.pt": {f"module._orig_mod.{name}": value for name, value in state.items()},
        "lightning.ckpt": {
            "state_dict": {**behind(state, "model."), "criterion.pos_weight": torch.ones(1)},
            **{"epoch": 3, "hyper_parameters": {"lr": 0.1}, "optimizer_states": [{"state": {}}]},
        },
        "graphgym.ckpt": {"model_state": behind(state, "model."), "optimizer_state": {}, "scheduler_state": {}},
        "net.pt": behind(state, "net.gnn."),
    }
    for name, content in forms.items():
        torch.save(content, folder / name)
    save_file(state, folder / "plain.safetensors")
    ours = {"model": {f"module.{name}": value for name, value in state.items()}, "best_epoch": 3}
    checkpoint.save(folder / "teacher.safetensors", ours)
    return {name: folder / name for name in (*forms, "plain.safetensors", "teacher.safetensors")}


def test_weights_are_read_from_every_usual_form(tmp_path: Path) -> None:
    task = make_task("multiclass")
    trained = make(Graphs, task.spec)
    for parameter in trained.parameters():
        nn.init.normal_(parameter)
    for path in wrappers(trained.module.state_dict(), tmp_path).values():
        given = config(Graphs, checkpoint=str(path))
        model = make(Graphs, task.spec)
        load_pretrained(model, given)
        assert pretrained(given)
        assert torch.equal(model(batch_of(task)).logits, trained(batch_of(task)).logits), path.name
    assert not pretrained(config(Graphs))


def test_any_teacher_can_come_from_a_checkpoint(tmp_path: Path) -> None:
    task = make_task("multiclass")
    torch.manual_seed(1)
    keys = {"hidden_channels": 8, "num_layers": 2}
    trained = build_teacher(TeacherConfig(name="gin", **keys), task.spec).eval()
    checkpoint.save(tmp_path / "teacher.safetensors", {"model": trained.state_dict(), "best_epoch": 3})
    given = TeacherConfig(name="gin", checkpoint=str(tmp_path / "teacher.safetensors"), **keys)
    model = build_teacher(given, task.spec).eval()
    load_pretrained(model, given)
    assert torch.equal(model(batch_of(task)).logits, trained(batch_of(task)).logits)


def test_a_checkpoint_is_known_by_its_content(tmp_path: Path) -> None:
    one, other = tmp_path / "one.pt", tmp_path / "other.pt"
    torch.save({"a": torch.zeros(1)}, one)
    torch.save({"a": torch.ones(1)}, other)
    first, second = (checkpoint_hash(config(Graphs, checkpoint=str(path))) for path in (one, other))
    assert first != second
    assert checkpoint_hash(config(Graphs, checkpoint=str(one.rename(tmp_path / "moved.pt")))) == first
    assert checkpoint_hash(TeacherConfig(name="gin")) is None


NODES, GRAPHS = make_node_task().spec, make_spec("multiclass")


def test_a_fault_of_the_file_is_told(tmp_path: Path) -> None:
    spec = make_spec("multiclass")
    model = make(Graphs, spec)
    state = model.module.state_dict()
    torch.save(model, tmp_path / "pickled.pt")
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    torch.save({**state, "more.bias": torch.zeros(2)}, tmp_path / "more.pt")
    torch.save({**state, "head.weight": torch.zeros(9, 4)}, tmp_path / "shape.pt")
    torch.save({**behind(state, "model."), **behind(state, "ema.model.")}, tmp_path / "twice.pt")
    (tmp_path / "cut.safetensors").write_bytes(b"cut")
    (tmp_path / "weights.bin").write_bytes(b"")
    faults = {
        "missing.pt": "no such file",
        "weights.bin": "must be a .pt, .pth, .ckpt or .safetensors file",
        "twice.pt": "more than once, with the prefixes ema.model., model.. Save",
        "pickled.pt": "cannot be read as plain weights. Save them by torch.save",
        "cut.safetensors": "cannot be read as plain weights",
        "empty.pt": "contains no state dict",
        "more.pt": "do not fit the teacher.*more.bias",
        "shape.pt": "do not fit the teacher.*head.weight",
    }
    for name, message in faults.items():
        given = config(Graphs, checkpoint=str(tmp_path / name))
        with pytest.raises(UserError, match=message) as told:
            load_pretrained(model, given)
        assert str(told.value).startswith(f"teacher.checkpoint={tmp_path / name}: ")
    with pytest.raises(UserError, match="no such file"):
        checkpoint_hash(config(Graphs, checkpoint=str(tmp_path / "missing.pt")))


def test_damage_to_weights_of_ours_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    checkpoint.save(path, {"model": {"weight": torch.arange(20.0)}})
    raw = path.read_bytes()
    for place in range(8, len(raw)):  # the first eight are the length of the header
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        with pytest.raises(UserError, match="is damaged"):
            read_weights(path)
    for place in range(8):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        with pytest.raises(UserError, match=r"teacher\.safetensors"):
            read_weights(path)
