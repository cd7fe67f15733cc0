"""Teachers that come trained: reading their weights."""

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from gnn_distill.errors import UserError
from gnn_distill.files import sha256
from gnn_distill.schema.teacher import TeacherConfig
from gnn_distill.sealed import is_ours, metadata

# What others wrap weights in: keys of the saved dict, and prefixes that all names share (those of DataParallel,
# torch.compile, and of this package's own checkpoints).
WRAPPERS = ("state_dict", "model_state_dict", "model")
PREFIXES = ("/model/", "module.", "_orig_mod.")


def pretrained(config: TeacherConfig) -> bool:
    """Whether the teacher is read from a file and never trained."""
    return config.checkpoint is not None


def load_pretrained(model: nn.Module, config: TeacherConfig) -> None:
    """Give a teacher the weights of `config.checkpoint`; those of a custom teacher are its module's.

    The file may wrap them as {"state_dict": ...} or {"model": ...}, and their names may share the prefix `module.`.
    Nothing but tensors is read, so an untrusted file runs no code. Raises UserError for a file that is missing or is
    none of .pt, .pth, .safetensors, and for weights that do not fit.
    """
    weights = read_weights(Path(config.checkpoint))
    module = model.module if config.name == "custom" else model
    for prefix in PREFIXES:
        if not weights.keys() & module.state_dict().keys():
            weights = without_prefix(weights, prefix)
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        told = " ".join(str(error).split()[:60])
        raise UserError(
            f"teacher.checkpoint={config.checkpoint}: the weights do not fit the teacher. {told} Correct the teacher's "
            "keys (teacher.kwargs for teacher=custom), or choose another file."
        ) from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict that a .pt, .pth or .safetensors file holds, on the CPU, without wrappers."""
    key = f"teacher.checkpoint={path}"
    if not path.is_file():
        raise UserError(f"{key}: there is no such file.")
    if path.suffix not in (".pt", ".pth", ".safetensors"):
        raise UserError(f"{key}: must be a .pt, .pth or .safetensors file.")
    if path.suffix == ".safetensors" and is_ours(path):
        metadata(path, "Choose another file, or make this one again.")
    try:
        weights = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UserError(
            f"{key}: cannot be read as weights alone. Save them by torch.save(model.state_dict(), 'weights.pt')."
        ) from error
    while isinstance(weights, dict) and (wrapper := next((name for name in WRAPPERS if name in weights), None)):
        if not isinstance(weights[wrapper], dict):
            break
        weights = weights[wrapper]
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError(f"{key}: holds no state dict. Save one by torch.save(model.state_dict(), 'weights.pt').")
    if bad := [name for name, value in weights.items() if value.is_floating_point() and not value.isfinite().all()]:
        raise UserError(f"{key}: holds values that are not finite, in {', '.join(bad[:3])}. Choose another file.")
    return weights


def without_prefix(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The same weights without a prefix that all names share."""
    shared = all(name.startswith(prefix) for name in weights)
    return {name.removeprefix(prefix): value for name, value in weights.items()} if shared else weights


def checkpoint_hash(config: TeacherConfig) -> str | None:
    """SHA-256 of the file of a teacher that comes trained. Raises UserError where there is none."""
    if not pretrained(config):
        return None
    if not Path(config.checkpoint).is_file():
        raise UserError(f"teacher.checkpoint={config.checkpoint}: there is no such file.")
    return sha256(Path(config.checkpoint))
