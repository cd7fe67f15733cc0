"""Teachers as tests make them."""

import torch
from small_tasks import choices, preset
from torch import nn

from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.task import GraphTask, TaskSpec
from gnn_distill.models import build_teacher

TEACHERS = [name for name in choices("teacher") if name not in ("none", "custom", "file")]
WIDTH = 16


def batch_of(task: GraphTask) -> GraphBatch:
    return collate(task.graphs, None, torch.arange(len(task.graphs)))


def make(name: str, spec: TaskSpec, **keys: object) -> nn.Module:
    torch.manual_seed(0)
    return build_teacher(preset("teacher", name, **{"hidden_channels": WIDTH, "num_layers": 2, **keys}), spec)
