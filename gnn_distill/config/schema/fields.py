"""Functions that declare a config key: its default, and the values it may have."""

from collections.abc import Callable
from dataclasses import field, fields
from typing import Any


def choice(default: str | None, *choices: str) -> Any:
    """One of `choices`."""
    return field(default=default, metadata={"choices": choices})


def number(default: float | None, low: float | None = None, high: float | None = None) -> Any:
    """A number in [low, high]; a bound that is None is open. NaN and infinity are never allowed."""
    return field(default=default, metadata={"low": low, "high": high})


def weight(default: float = 0.0, of_nodes: bool = False) -> Any:
    """The weight of a loss, at least 0; `weights` lists these keys.

    of_nodes: it compares states of nodes at graph level, too, which a student without them does not have.
    """
    return field(default=default, metadata={"low": 0.0, "high": None, "weight": True, "of_nodes": of_nodes})


def weights(schema: type) -> tuple[str, ...]:
    """Names of the keys that `weight` declares in a section."""
    return tuple(key.name for key in fields(schema) if key.metadata.get("weight"))


def of_nodes(schema: type) -> tuple[str, ...]:
    """Those of them whose losses compare states of nodes."""
    return tuple(key.name for key in fields(schema) if key.metadata.get("of_nodes"))


def positive(default: float | None, high: float | None = None) -> Any:
    """A number above zero, at most `high`."""
    return field(default=default, metadata={"above": 0, "high": high})


def section(factory: Callable[[], Any]) -> Any:
    """A nested section of keys."""
    return field(default_factory=factory)
