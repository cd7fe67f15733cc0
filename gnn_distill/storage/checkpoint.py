"""Saving and loading nested states as safetensors: checksummed, atomic, and nothing is ever pickled."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gnn_distill.errors import UserError
from gnn_distill.storage.checksums import BLANK, REMEDY, SECTION, Damaged, metadata
from gnn_distill.storage.files import atomic_path
from gnn_distill.storage.versions import version_to_write

DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a nested dict of tensors and JSON values, atomically."""
    tensors: dict[str, Tensor] = {}
    _write(path, tensors, {"state": _split(state, "", tensors)})


def load(path: Path, verify: bool = True, remedy: str = REMEDY) -> dict[str, Any]:
    """Read what `save` wrote; tensors are on the CPU and mapped from the file.

    Its checksum is verified first; pass verify=False if that was done already. Raises UserError, ending in `remedy`,
    for a file that is missing, damaged, or of a version that cannot be read.
    """
    content = _metadata(path, verify, remedy)
    with _tensors(path, remedy) as file:
        return _join(content["state"], file.get_tensor)


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors under their own names, atomically."""
    _write(path, tensors, {})


def load_tensors(
    path: Path, verify: bool = True, remedy: str = REMEDY, folder: Path | None = None
) -> dict[str, Tensor]:
    """Read what `save_tensors` wrote, as `load` does; with a `folder` it must be inside it, links followed."""
    _metadata(path, verify, remedy, folder)
    with _tensors(path, remedy) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is not a dict)


def _metadata(path: Path, verify: bool, remedy: str, folder: Path | None = None) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint.")
    return metadata(path, remedy, verify, folder)


@contextmanager
def _tensors(path: Path, remedy: str) -> Iterator[Any]:
    """Open the tensors of a file whose checksum is right; whatever is malformed nevertheless counts as damage."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        message = " ".join(str(error).split())[:200]
        raise Damaged(path, f"its tensors cannot be read ({type(error).__name__}: {message})", remedy) from error


def _write(path: Path, tensors: dict[str, Tensor], content: dict[str, Any]) -> None:
    """Write a safetensors file: the length of the header, the header, and the bytes of the tensors without gaps.

    safetensors' own `save_file` copies all tensors once more, makes the file readable by its owner only, orders
    metadata randomly, and needs a second read for the checksum.
    """
    # Wide types first, so that every tensor starts at a multiple of its item size.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    section = json.dumps({"schema_version": version_to_write(path.name), "checksum": BLANK, **content})
    header: dict[str, Any] = {"__metadata__": {SECTION: section}}
    end = 0
    for name in names:
        tensor = tensors[name]
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    head = len(text).to_bytes(8, "little") + text
    digest = hashlib.sha256(head)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(head)
        for name in names:
            values = tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            digest.update(values)
            file.write(values)
        file.seek(head.index(BLANK.encode()))
        file.write(digest.hexdigest().encode())


def _split(value: Any, key: str, tensors: dict[str, Tensor]) -> Any:
    """`value` with every tensor moved to `tensors` and replaced by its key there."""
    if isinstance(value, Tensor):
        while key in tensors:  # of {"a/b": ...} and {"a": {"b": ...}}, or of 1 and "1"
            key += "'"
        tensors[key] = value
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
