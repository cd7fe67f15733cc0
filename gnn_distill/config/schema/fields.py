"""Functions that declare a config key: its default, and the values it may have."""

from collections.abc import Callable
from dataclasses import Field, field, fields
from types import MappingProxyType
from typing import Any


def choice(default: str | None, *choices: str) -> Any:
    """One of `choices`."""
    return field(default=default, metadata={"choices": choices})


def number(default: float | None, low: float | None = None, high: float | None = None) -> Any:
    """A number in [low, high]; a bound that is None is open. NaN and infinity are never allowed."""
    return field(default=default, metadata={"low": low, "high": high})


def weight(default: float = 0.0, reads: str = "") -> Any:
    """The weight of a loss, at least 0; `weights` lists these keys.

    reads: what it reads of the teacher at graph level: nodes, subgraphs or graphs, or nothing.
    """
    return field(default=default, metadata={"low": 0.0, "high": None, "weight": True, "reads": reads})


def weights(schema: type) -> tuple[str, ...]:
    """Names of the keys that `weight` declares in a section."""
    return tuple(key.name for key in fields(schema) if key.metadata.get("weight"))


def reading(schema: type) -> dict[str, str]:
    """What each key that `weight` declares in a section reads of the teacher."""
    return {key.name: key.metadata["reads"] for key in fields(schema) if key.metadata.get("weight")}


def positive(default: float | None, high: float | None = None) -> Any:
    """A number above zero, at most `high`."""
    return field(default=default, metadata={"above": 0, "high": high})


def section(factory: Callable[[], Any], every_run: bool = False) -> Any:
    """A nested section of keys; every_run: what is set of it is handed to the runs that a command starts."""
    return field(default_factory=factory, metadata={"every_run": every_run})


def common(default: Any) -> Any:
    """A key that users change often, declared by another function here or by its default: `--help` shows it first."""
    key = default if isinstance(default, Field) else field(default=default)
    key.metadata = MappingProxyType({**key.metadata, "common": True})
    return key


def is_common(key: Field) -> bool:
    """Whether `common` declares a key."""
    return key.metadata.get("common", False)
