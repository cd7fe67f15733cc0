"""What probes found of a model, kept in the store: runs that share a teacher or untrained twins examine them once."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from gnn_distill.analysis.levels import Levels
from gnn_distill.analysis.states import States
from gnn_distill.config.schema.probe import ProbeSettings
from gnn_distill.storage import checkpoint
from gnn_distill.storage.code_hash import code_of
from gnn_distill.storage.store import Store

KIND, FILE = "probes", "probes.safetensors"
EXAMINE = "gnn_distill.analysis.examine"
OF_ALL_MODELS = ("untrained",)
"""Settings that change nothing of what is found of one model."""


@dataclass(frozen=True)
class Examined:
    """What probes found of one model."""

    description: dict[str, Any]
    """As probe.json holds it."""
    indices: dict[str, Float[np.ndarray, " 1+resamples"]]
    """Each index by its name, such as `last local`: its value, then that of every resample of graphs."""


class Shared:
    """Examinations of the same levels by the same settings, each made once in a store.

    A probe's result is a function of the states, of what is asked and told (the levels), of the settings and of the
    code. The key holds just these, so it is right whatever made the states: models whose states are the same share it.
    """

    def __init__(self, store: Store, levels: Levels, settings: ProbeSettings) -> None:
        values = asdict(settings)
        self._store = store
        self._parts = {
            "levels": digest(levels),
            "settings": {name: value for name, value in values.items() if name not in OF_ALL_MODELS},
            "made_with": code_of([EXAMINE]).to_key(),
        }

    def get(self, states: States, twin: bool, what: str, examine: Callable[[], Examined]) -> Examined:
        """What `examine` finds of these states; `twin`: that less is asked of them. `what`: whose they are."""

        def make(folder: Path) -> None:
            found = examine()
            indices = {name: torch.from_numpy(values) for name, values in found.indices.items()}
            checkpoint.save(folder / FILE, {"description": found.description, "indices": indices})

        entry = self._store.get(KIND, {**self._parts, "states": digest(states), "twin": twin}, make, what)
        state = checkpoint.load(entry.path / FILE, verify=False)
        return Examined(state["description"], {name: values.numpy() for name, values in state["indices"].items()})


def digest(value: object) -> str:
    """SHA-256 of a dataclass, container, array or plain value, with everything in it."""
    found = hashlib.sha256()
    _feed(found, value)
    return found.hexdigest()


def _feed(found: Any, value: object) -> None:
    if isinstance(value, np.ndarray):
        found.update(f"{value.dtype} {value.shape}".encode())
        found.update(np.ascontiguousarray(value))
    elif hasattr(value, "__dataclass_fields__"):
        _feed(found, {field.name: getattr(value, field.name) for field in fields(value)})
    elif isinstance(value, dict):
        for name, item in value.items():
            found.update(f"{name!r}:".encode())
            _feed(found, item)
    elif isinstance(value, list | tuple):
        found.update(f"{len(value)} of:".encode())
        for item in value:
            _feed(found, item)
    else:
        found.update(json.dumps(value).encode())
