"""Large arrays that are written block by block: in a file that the system keeps, not in the memory of the process."""

import math
import os
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from gnn_distill.storage.files import writing

LARGE = 64 << 20
"""Bytes from which an array is in a file."""


def zeros(folder: Path, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Zeros of this shape, writable; large ones are mapped from a file in `folder`, which goes with the tensor.

    Mapped pages count as the system's cache: it writes them to disk where memory is short. Raises UserError if the disk
    has no room for them, before anything is written.
    """
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE:
        return torch.zeros(shape, dtype=dtype)
    path = folder / "block"
    with writing(path), tempfile.NamedTemporaryFile(dir=folder) as file:
        # A hole in the file would end the process, not raise an error, once the disk is full.
        os.posix_fallocate(file.fileno(), 0, size) if hasattr(os, "posix_fallocate") else file.truncate(size)
        return torch.from_file(file.name, shared=True, size=math.prod(shape), dtype=dtype).view(shape)
