"""A training step of every model makes no GPU wait: it is taken on a device whose numbers nobody can read."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from pretended_device import Pretended, no_copies, pretended_device
from small_tasks import encode, make_spec
from test_models import MODELS, build
from torch import nn

from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig
from gnn_distill.config.schema.run import OptimConfig
from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.task import TaskLoss
from gnn_distill.models import find_derived
from gnn_distill.training.loop import Recorder, fit
from gnn_distill.training.recipe import Recipe

STEPS = 2
WAITING = {
    "gat": "PyG's GATConv removes and adds loops in every layer of every step, with features for them where edges have any",
    "pna": "PyG's PNAConv",
}
"""Models that wait, each with the reason."""


class Over(Exception):
    """All steps have been made."""


class Elsewhere:
    """Fabric's part in a step; model and optimizer are where they must be already."""

    def __init__(self, device: torch.device) -> None:
        self._fabric, self.device = Fabric(accelerator="cpu", devices=1), device
        self.backward, self.clip_gradients = self._fabric.backward, self._fabric.clip_gradients
        self.strategy, self._precision = self._fabric.strategy, self._fabric._precision

    def setup(self, *parts: Any) -> tuple:
        return parts


class Batches:
    """The same batch in every step, and none to validate on."""

    def __init__(self, spec: Any, batch: GraphBatch, rows: Any) -> None:
        self.task, self.item = type("Task", (), {"spec": spec}), (0.0, batch, rows)

    def train(self, epoch: int, extra: Any) -> Iterator[tuple]:
        for _ in range(STEPS):
            yield self.item
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


def make_steps(there: Pretended, model: nn.Module, objective: Objective, batch: GraphBatch, rows: Any, spec: Any) -> None:
    """Some steps of `fit`, after what it finds in the batch on the host."""
    recipe = Recipe(OptimConfig(), 1, 0, 8, 0, 10**6, 0, 0, nonfinite="skip")
    loader = Batches(spec, there.record(batch), there.record(rows))
    model, objective = there.module(model), there.module(objective)
    with no_copies(), pytest.raises(Over):
        fit(Elsewhere(there.device), model, objective, loader, recipe, NoCheckpointer(), Recorder())


@pytest.mark.parametrize("name", MODELS)
def test_a_step_of_a_model_does_not_wait(name: str) -> None:
    model, graphs, reads = build(name)
    spec = make_spec("multiclass")
    batch = collate(graphs, encode(graphs, *reads), torch.arange(len(graphs)))
    objective = Objective(TaskLoss(spec), LossConfig(), AlignmentConfig())
    find_derived(model, batch)
    with pretended_device() as there:
        make_steps(there, model, objective, batch, None, spec)
