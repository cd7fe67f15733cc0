"""A device that nobody can read: on it a step fails where a GPU would wait for the host, or the host for the GPU.

Tensors have shapes and a device and no numbers. What needs a number (`.item()`, `nonzero`, `bool(tensor)`, `unique`,
…) raises, and so do copies to the device or from it, and operations between tensors of two devices.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from gnn_distill.data.packed import map_tensors

T = TypeVar("T")
NAME = "pretended"


# For a process of its own: other code takes notice of one, and autograd counts devices at its first backward pass.
_setup_privateuseone_for_python_backend(NAME)


class Pretended:
    """Brings what lies on the host to the pretended device."""

    def __init__(self, mode: FakeTensorMode) -> None:
        self.device = torch.device(NAME, 0)
        self._mode, self._there = mode, {}

    def on_host(self) -> AbstractContextManager:
        """Within it tensors have numbers as ever."""
        return _disable_current_modes()

    def tensor(self, tensor: Tensor) -> Tensor:
        """Its shape and type alone; the same tensor is the same there."""
        if id(tensor) not in self._there:
            with _disable_current_modes(), self._mode:
                made = self._mode.from_tensor(tensor).detach().to(self.device)
            made = nn.Parameter(made) if isinstance(tensor, nn.Parameter) else made
            self._there[id(tensor)] = (made.requires_grad_(tensor.requires_grad), tensor)
        return self._there[id(tensor)][0]

    def record(self, value: T) -> T:
        """All tensors of a dataclass or the like."""
        return map_tensors(value, self.tensor)

    def module(self, module: nn.Module) -> nn.Module:
        """The module itself, with all parameters and buffers there; it stays there."""
        for part in module.modules():
            for held in (part._parameters, part._buffers):
                held |= {name: self.tensor(value) for name, value in held.items() if value is not None}
        module.to = lambda *_: module
        return module


class _NoCopies(TorchDispatchMode):
    """Raises where a tensor goes from one device to the other."""

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        out = function(*args, **(kwargs or {}))
        if function.namespace == "aten" and "copy" in function.__name__:
            devices = {leaf.device.type for leaf in tree_leaves((args, out)) if isinstance(leaf, Tensor)}
            if len(devices) > 1:
                raise RuntimeError(f"{function}: a copy between devices")
        return out


@contextmanager
def pretended_device() -> Iterator[Pretended]:
    """Within it there is such a device."""
    with FakeTensorMode() as mode:
        yield Pretended(mode)


def no_copies() -> TorchDispatchMode:
    """Within it a copy between devices is an error."""
    return _NoCopies()
