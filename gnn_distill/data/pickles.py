"""Pickles of plain data, read without running anybody's code."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core.multiarray import _reconstruct

from gnn_distill.errors import UserError

ARRAYS: Mapping[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}
"""What a pickle of lists, dicts, numbers, strings and arrays names: by module and name, what it stands for."""


def read_pickle(path: Path, allowed: Mapping[tuple[str, str], Any] = ARRAYS) -> Any:
    """What a pickle holds; raises UserError where it names anything but `allowed`, before any of it is imported."""

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) not in allowed:
                raise UserError(
                    f"{path}: this pickle wants to run {module}.{name}, so it is not read. Restore the file."
                )
            return allowed[module, name]

    with path.open("rb") as file:
        return Reader(file).load()
