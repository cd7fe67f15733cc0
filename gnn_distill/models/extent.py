"""Whether settings and weights of a model belong together, told before any memory is taken for it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gnn_distill.errors import UserError


def check_extent(path: Path, build: Callable[[], nn.Module], weights: Mapping[str, Tensor]) -> None:
    """Raise UserError, naming the settings' file, unless `build` makes a model of the tensors' names and shapes.

    It is built without memory: settings of a few bytes may ask for a model of terabytes.
    """
    with torch.device("meta"):
        wanted = build().state_dict()
    for name, value in wanted.items():
        there = weights.get(name)
        if there is None or there.shape != value.shape:
            told = "missing" if there is None else f"of shape {tuple(there.shape)}"
            raise UserError(
                f"{path}: its settings ask for {name} of shape {tuple(value.shape)}; among the weights it is {told}."
            )


def check_depth(path: Path, layers: int, weights: Mapping[str, Tensor]) -> None:
    """Raise UserError where more layers are asked for than there are tensors: each has some of its own."""
    if layers > len(weights):
        raise UserError(f"{path}: its settings ask for {layers:,} layers; there are {len(weights)} tensors of weights.")
