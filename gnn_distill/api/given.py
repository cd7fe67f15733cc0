"""Objects that `gnn_distill.distill` was given: a config names this package's modules, which look them up here."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import TYPE_CHECKING

from gnn_distill.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch_geometric.data import Data


@dataclass(frozen=True)
class Given:
    """What a run uses that is no file."""

    teacher: "nn.Module | None" = None
    student: "nn.Module | None" = None
    graphs: "Sequence[Data] | Data" = ()
    """Many graphs with a label each, or one whose nodes have labels."""
    targets: "Tensor | None" = None
    splits: "Mapping[str, Tensor]" = field(default_factory=dict)
    kind: str | None = None


_NOW: ContextVar[Given | None] = ContextVar("given", default=None)


@contextmanager
def giving(given: Given) -> Iterator[None]:
    """Within it modules and graphs are those of `given`."""
    token = _NOW.set(given)
    try:
        yield
    finally:
        _NOW.reset(token)


def now() -> Given:
    """What is given now. Raises UserError outside of `giving`: a config alone does not know it."""
    if (given := _NOW.get()) is None:
        raise UserError(
            "This run was made by gnn_distill.distill with modules or graphs of Python's. Its student is loaded by "
            "gnn_distill.Run.load(folder), with student=module where that is one of your own."
        )
    return given


def teacher(identity: str = "") -> "nn.Module":
    """The teacher, as `teacher.target` calls it. identity: makes the settings of another teacher other settings."""
    return deepcopy(now().teacher)


teacher.at_hand = True
"""Its file of weights is there for a run alone, so that messages name the module."""


def identity_of(module: "nn.Module") -> str:
    """Hash of a module's weights, structure and code, wherever it was defined."""
    digest = hashlib.sha256(repr(module).encode())
    for name, value in module.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    kinds = {type(part) for part in module.modules()}
    for kind in sorted(kinds, key=lambda kind: (kind.__module__, kind.__qualname__)):
        for name, function in sorted(vars(kind).items()):
            if isinstance(function, FunctionType):
                digest.update(name.encode() + _code(function.__code__).encode())
    return digest.hexdigest()[:16]


def _code(code: CodeType) -> str:
    constants = [_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return f"{code.co_code.hex()}{constants}{code.co_names}{code.co_varnames}"
