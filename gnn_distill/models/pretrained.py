"""Pretrained teachers: reading their weights."""

import pickle
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.errors import UserError
from gnn_distill.storage.checksums import is_ours, metadata
from gnn_distill.storage.files import sha256

WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "weights")
"""Keys under which weights are commonly saved together with other things: by Lightning, tutorials, GraphGym, us."""
SUFFIXES = (".pt", ".pth", ".ckpt", ".safetensors")


def pretrained(config: TeacherConfig) -> bool:
    """Whether the teacher is loaded from a file and not trained."""
    return config.checkpoint is not None


def load_pretrained(model: nn.Module, config: TeacherConfig) -> None:
    """Load the weights of `config.checkpoint` into a teacher; for a custom teacher, into its module.

    The file may wrap them as {"state_dict": ...} and the like, and their names may have a prefix, such as that of
    DataParallel, torch.compile, a Lightning module or GraphGym; weights without that prefix are ignored. Only tensors
    are read, so that an untrusted file runs no code. Raises UserError for a file that is missing or of another kind,
    for weights that do not fit, and if they fit with more than one prefix.
    """
    weights = read_weights(Path(config.checkpoint))
    module = model.module if config.name == "custom" else model
    prefixes = fitting_prefixes(weights, module.state_dict())
    if len(prefixes) > 1 and "" not in prefixes:
        raise UserError(
            f"teacher.checkpoint={config.checkpoint}: contains the teacher's weights more than once, with the prefixes "
            f"{', '.join(prefixes)}. Save only those that you want."
        )
    if prefixes and "" not in prefixes:
        weights = {name.removeprefix(prefixes[0]): weights[name] for name in weights if name.startswith(prefixes[0])}
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        message = " ".join(str(error).split()[:60])
        raise UserError(
            f"teacher.checkpoint={config.checkpoint}: the weights do not fit the teacher. {message} Correct the "
            "teacher's keys (teacher.kwargs for teacher=custom), or choose another file."
        ) from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict in a file of weights, on the CPU, without wrappers."""
    key = f"teacher.checkpoint={path}"
    if not path.is_file():
        raise UserError(f"{key}: no such file.")
    if path.suffix not in SUFFIXES:
        raise UserError(f"{key}: must be a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file.")
    if path.suffix == ".safetensors" and is_ours(path):
        metadata(path, "Choose another file, or create this one again.")
    try:
        weights = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UserError(
            f"{key}: cannot be read as plain weights. Save them by torch.save(model.state_dict(), 'weights.pt')."
        ) from error
    while isinstance(weights, dict) and (wrapper := next((name for name in WRAPPERS if name in weights), None)):
        if not isinstance(weights[wrapper], dict):
            break
        weights = weights[wrapper]
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError(f"{key}: contains no state dict. Save one by torch.save(model.state_dict(), 'weights.pt').")
    if bad := [name for name, value in weights.items() if value.is_floating_point() and not value.isfinite().all()]:
        raise UserError(f"{key}: contains non-finite values in {', '.join(bad[:3])}. Choose another file.")
    return weights


def fitting_prefixes(weights: dict[str, Tensor], names: Iterable[str]) -> list[str]:
    """The prefixes with which all `names` occur in the weights: "", "module.", "model." and the like."""
    names = list(names)
    if not names:
        return []
    ends = {name[: -len(names[0])] for name in weights if name.endswith(names[0])}
    return sorted(end for end in ends if end[-1:] in ("", ".", "/") and all(end + name in weights for name in names))


def checkpoint_hash(config: TeacherConfig) -> str | None:
    """SHA-256 of the file of weights, or outputs, of a teacher that is not trained here; None for others.

    Raises UserError if the file is missing.
    """
    for key in ("checkpoint", "outputs_file"):
        if (file := getattr(config, key)) is not None:
            if not Path(file).is_file():
                raise UserError(f"teacher.{key}={file}: no such file.")
            return sha256(Path(file))
    return None
