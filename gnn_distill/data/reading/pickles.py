"""Pickles of plain data, read without running foreign code; torch is not needed."""

import os
import pickle
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gnn_distill.errors import UserError

FORCE, FORBID = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


def arrays() -> dict[tuple[str, str], Any]:
    """The names in a pickle of lists, dicts, numbers, strings and arrays: objects by (module, name)."""
    import numpy as np
    from numpy._core.multiarray import _reconstruct

    return {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
        ("collections", "defaultdict"): defaultdict,
        ("__builtin__", "list"): list,
        ("builtins", "list"): list,
        ("_codecs", "encode"): lambda text, _: text.encode("latin1"),  # bytes, as protocol 2 writes them
    }


def matrices() -> dict[tuple[str, str], Any]:
    """`arrays()` and SciPy's sparse matrices, in their current and former modules."""
    from scipy.sparse import coo_matrix, csr_matrix

    kinds = {"coo": coo_matrix, "csr": csr_matrix}
    return arrays() | {
        (f"scipy.sparse.{mark}{kind}", f"{kind}_matrix"): made for kind, made in kinds.items() for mark in ("", "_")
    }


def read_pickle(path: Path, allowed: Mapping[tuple[str, str], Any] | None = None, encoding: str = "ASCII") -> Any:
    """The content of a pickle; raises UserError if it names anything but `allowed`, before importing any of it.

    allowed: by default `arrays()`. encoding: of the texts written by Python 2.
    """
    allowed = arrays() if allowed is None else allowed

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) not in allowed:
                raise UserError(f"{path}: this pickle would run {module}.{name}, so it is refused. Restore the file.")
            return allowed[module, name]

    with path.open("rb") as file:
        return Reader(file, encoding=encoding).load()


@contextmanager
def tensors_only() -> Iterator[None]:
    """Make every torch.load within refuse code, whatever the caller.

    PyG reads its own pre_transform.pt as an unrestricted pickle, and falls back to that for processed files with more
    than tensors.
    """
    before = {name: os.environ.pop(name, None) for name in (FORCE, FORBID)}
    os.environ[FORCE] = "1"
    try:
        yield
    finally:
        del os.environ[FORCE]
        os.environ.update({name: value for name, value in before.items() if value is not None})
