"""Checks that settings and weights of a model match, before any memory is allocated for it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gnn_distill.errors import UserError


def check_extent(path: Path, build: Callable[[], nn.Module], weights: Mapping[str, Tensor]) -> None:
    """Raise UserError, naming the settings file, unless `build` makes a model with these names and shapes of tensors.

    It is built without memory: settings of a few bytes may request a model of terabytes.
    """
    with torch.device("meta"):
        required = build().state_dict()
    for name, value in required.items():
        found = weights.get(name)
        if found is None or found.shape != value.shape:
            described = "missing" if found is None else f"of shape {tuple(found.shape)}"
            raise UserError(
                f"{path}: its settings require {name} of shape {tuple(value.shape)}; in the weights it is {described}."
            )


def check_depth(path: Path, layers: int, weights: Mapping[str, Tensor]) -> None:
    """Raise UserError if more layers are required than there are tensors: each layer has at least one."""
    if layers > len(weights):
        raise UserError(f"{path}: its settings require {layers:,} layers; there are {len(weights)} tensors of weights.")
