"""The operations of a training step: how many, how much they compute and move, and which wait for a number."""

import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

ROOT = Path(__file__).parents[1]
ALLOCATIONS = ("empty", "empty_like", "new_empty", "empty_strided", "detach", "_unsafe_view")
WAITING = {
    *("_local_scalar_dense", "is_nonzero", "equal", "allclose", "nonzero", "masked_select", "bincount", "_coalesce"),
    *("_unique", "_unique2", "unique_dim", "unique_consecutive", "unique_dim_consecutive", "histc", "to_sparse"),
}
"""Operations whose result is a number on the host, or of a size that depends on numbers: a GPU must be asked for it."""


class Operations(TorchDispatchMode):
    """Counts the operations within it that launch a kernel on a GPU: views and allocations do not."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels, self.waits, self.places = 0, 0, Counter()
        self.costs: list[tuple[int, int]] = []
        """FLOPs of products, and bytes of all operands, by operation."""

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        out, name = function(*args, **kwargs), function._schema.name.partition("::")[2]
        if function.is_view or name in ALLOCATIONS:
            return out
        packet = function.overloadpacket
        flops = flop_registry[packet](*args, **kwargs, out_val=out) if packet in flop_registry else 0
        tensors = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor)]
        self.kernels += 1
        self.costs.append((flops, sum(tensor.numel() * tensor.element_size() for tensor in tensors)))
        if waits(name, args):
            self.waits += 1
            self.places[f"{name}, {_place()}"] += 1
        return out


def waits(name: str, args: tuple) -> bool:
    """Whether an operation makes a GPU wait: by its kind, by a mask for an index, or by counts as lengths."""
    if name in ("index", "index_put", "index_put_"):
        return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1])
    return name in WAITING or (name == "repeat_interleave" and isinstance(args[-1], Tensor))


def _place() -> str:
    """The line of this project that the operation comes from."""
    frames = [frame for frame in traceback.extract_stack() if Path(frame.filename).is_relative_to(ROOT / "gnn_distill")]
    return f"{Path(frames[-1].filename).relative_to(ROOT)}:{frames[-1].lineno}" if frames else "the backward pass"
