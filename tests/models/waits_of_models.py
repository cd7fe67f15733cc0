"""A training step of every model makes no GPU wait: it is taken on a device whose numbers nobody can read."""

from functools import partial

import pytest
import torch
from small_tasks import encode, make_spec
from steps_elsewhere import take_steps
from test_models import MODELS, TEACHERS, build
from torch._subclasses.fake_tensor import DynamicOutputShapeException

from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig
from gnn_distill.data.batching import collate
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.task import TaskLoss

WAITS = {name for name, keys in TEACHERS.items() if keys["name"] == "gat"}
"""PyG's GATConv looks for loops in every layer, since its own need features that are learned in each step."""


def take_steps_of(name: str) -> None:
    model, graphs, reads = build(name)
    spec = make_spec("multiclass")
    objective = Objective(TaskLoss(spec), LossConfig(), AlignmentConfig())
    take_steps(model, objective, partial(collate, graphs, encode(graphs, *reads), torch.arange(len(graphs))), spec)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in WAITS])
def test_a_step_does_not_wait(name: str) -> None:
    take_steps_of(name)


def test_a_step_that_waits_is_seen() -> None:
    with pytest.raises(DynamicOutputShapeException, match="nonzero"):
        take_steps_of(min(WAITS))
