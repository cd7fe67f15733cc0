"""Training steps of `fit` on the pretended device, with batches and what is found in them made on the host."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from pretended_device import Pretended, no_copies, pretended_device
from torch import nn

from gnn_distill.config.schema.run import OptimConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.term import TeacherRows
from gnn_distill.training.loop import Recorder, fit
from gnn_distill.training.recipe import Recipe

STEPS = 2


class Over(Exception):
    """All steps have been taken."""


class Elsewhere:
    """Fabric's part in a step; model and optimizer are where they must be already."""

    def __init__(self, device: torch.device) -> None:
        self._fabric, self.device = Fabric(accelerator="cpu", devices=1), device
        self.backward, self.clip_gradients = self._fabric.backward, self._fabric.clip_gradients
        self.strategy, self._precision = self._fabric.strategy, self._fabric._precision

    def setup(self, *parts: Any) -> tuple:
        return parts


class Batches:
    """The same graphs in every step, and none to validate on."""

    def __init__(self, spec: Any, make: Callable[[], GraphBatch], there: Pretended) -> None:
        self.task, self.make, self.there = type("Task", (), {"spec": spec}), make, there

    def train(self, epoch: int, extra: Callable[[GraphBatch], Any]) -> Iterator[tuple]:
        for _ in range(STEPS):
            with self.there.on_host():
                batch = self.make()
                rows = extra(batch)
            yield 0.0, self.there.record(batch), self.there.record(rows)
        raise Over

    def validation(self, model: nn.Module) -> list:
        return []


class NoCheckpointer:
    path = None

    def load(self) -> None:
        return None

    def check(self) -> None:
        pass

    def save(self, state: dict, last: bool) -> None:
        pass


def take_steps(
    model: nn.Module,
    objective: Objective,
    make_batch: Callable[[], GraphBatch],
    spec: Any,
    teacher_rows: Callable[[GraphBatch], TeacherRows | None] = lambda batch: None,
) -> None:
    """Raises where one would wait."""
    recipe = Recipe(OptimConfig(), 1, 0, 8, 0, 10**6, 0, 0, nonfinite="skip")
    with pretended_device() as there:
        parts = Elsewhere(there.device), there.module(model), there.module(objective)
        with no_copies(), pytest.raises(Over):
            fit(*parts, Batches(spec, make_batch, there), recipe, NoCheckpointer(), Recorder(), teacher_rows)
