"""Every model reads continuous features as (x - mean) / std where the task says so."""

from dataclasses import replace

import pytest
import torch
from small_tasks import choices, encode, make_graphs, make_spec, preset
from torch import nn

from gnn_distill.data.batching import collate
from gnn_distill.data.task import Features, TaskSpec
from gnn_distill.models import build_student, build_teacher

MEAN, STD = (1.0, -2.0, 0.0), (0.5, 3.0, 1.0)
NO_MODELS = ("none", "custom", "file")
MODELS = [(role, name) for role in ("teacher", "student") for name in choices(role) if name not in NO_MODELS]


@pytest.mark.parametrize(("role", "name"), MODELS)
def test_statistics_of_the_task_are_applied(role: str, name: str) -> None:
    plain = make_spec(edges="continuous")
    features = Features("continuous", (3,), mean=MEAN, std=STD)
    scaled = replace(plain, node_features=features, edge_features=features)
    graphs = make_graphs(plain)
    ready = replace(graphs, **{
        key: (getattr(graphs, key) - torch.tensor(MEAN)) / torch.tensor(STD) for key in ("x", "edge_attr")
    })  # fmt: skip
    encoding = preset("encoding", "all", rwse=4, lap_pe=3)
    config = preset(role, name, hidden_channels=8, num_heads=2) if role == "student" else preset(role, name)
    student = config if role == "student" else None
    ids, encodings = torch.arange(len(graphs)), encode(graphs, encoding, student)

    def model(spec: TaskSpec) -> nn.Module:
        torch.manual_seed(0)
        return (build_student(config, encoding, spec) if student else build_teacher(config, spec)).eval()

    with torch.no_grad():
        told = model(scaled)(collate(graphs, encodings, ids)).logits
        expected = model(plain)(collate(ready, encodings, ids)).logits
    torch.testing.assert_close(told, expected)
