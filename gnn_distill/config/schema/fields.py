"""Ways to declare a config key: its default, and which values it may take."""

from collections.abc import Callable
from dataclasses import field, fields
from typing import Any


def choice(default: str | None, *choices: str) -> Any:
    """A word out of `choices`."""
    return field(default=default, metadata={"choices": choices})


def number(default: float | None, low: float | None = None, high: float | None = None) -> Any:
    """A number in [low, high]; a bound that is None is open. NaN and infinity are never allowed."""
    return field(default=default, metadata={"low": low, "high": high})


def weight(default: float = 0.0) -> Any:
    """The weight of a loss: a number of at least 0 that `weights` finds."""
    return field(default=default, metadata={"low": 0.0, "high": None, "weight": True})


def weights(schema: type) -> tuple[str, ...]:
    """Names of the keys of a section that are weights."""
    return tuple(key.name for key in fields(schema) if key.metadata.get("weight"))


def positive(default: float | None, high: float | None = None) -> Any:
    """A number above zero, at most `high`."""
    return field(default=default, metadata={"above": 0, "high": high})


def section(factory: Callable[[], Any]) -> Any:
    """A nested section of keys."""
    return field(default_factory=factory)
