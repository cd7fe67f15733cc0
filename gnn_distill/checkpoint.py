"""Saving and loading nested states as safetensors: nothing is ever pickled."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gnn_distill.errors import UserError


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a nested dict of tensors and JSON values, atomically."""
    tensors: dict[str, Tensor] = {}
    skeleton = _split(state, "", tensors)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(tensors, temporary, metadata={"state": json.dumps(skeleton)})
    os.replace(temporary, path)


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote; tensors are on the CPU and mapped from the file."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return _join(json.loads(metadata["state"]), file.get_tensor)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such checkpoint.") from None
    except (SafetensorError, KeyError, ValueError) as error:
        raise UserError(f"{path}: not a whole checkpoint ({error}). Delete it and run again.") from error


def _split(value: Any, key: str, tensors: dict[str, Tensor]) -> Any:
    """`value` with every tensor moved to `tensors` and replaced by its key there."""
    if isinstance(value, Tensor):
        tensors[key] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": key}
    if isinstance(value, dict):
        # Pairs, since JSON would turn the integer keys of optimizer states into strings.
        return {"dict": [[name, _split(item, f"{key}/{name}", tensors)] for name, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_split(item, f"{key}/{index}", tensors) for index, item in enumerate(value)]}
    return {"value": value}


def _join(skeleton: dict[str, Any], tensor: Any) -> Any:
    (kind, content), *_ = skeleton.items()
    if kind == "tensor":
        return tensor(content)
    if kind == "dict":
        return {name: _join(item, tensor) for name, item in content}
    if kind == "list":
        return [_join(item, tensor) for item in content]
    return content
