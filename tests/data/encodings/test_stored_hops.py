"""Stored hops are powers of the normalised adjacency, and give NAGphormer the outputs of the whole graph."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_tasks import awaken, make_node_task, preset

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.batching import collate
from gnn_distill.data.encodings import hops
from gnn_distill.data.encodings.structural import StructuralEncodings
from gnn_distill.data.in_edges import InEdges
from gnn_distill.data.part_batches import PartBatches
from gnn_distill.data.sampling import CSRSampler
from gnn_distill.data.task import Features
from gnn_distill.models import build_student


def test_students_read_from_stored_hops_what_they_compute_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hops, "ROWS", 7)
    task = make_node_task()
    task.graphs.edge_index[:, 0] = 3  # a loop
    features = Features("continuous", (3,), mean=(1.0, 0.5, 0.0), std=(2.0, 1.0, 0.5))
    task.spec = replace(task.spec, node_features=features)
    done = []
    hops.write_hops(InEdges.of(task.graphs), task.graphs.x.numpy(), 3, tmp_path / "hops.npy", "float32", done.append)
    assert sum(done) == 3 * 40
    assert [path.name for path in tmp_path.iterdir()] == ["hops.npy"]
    stored = np.load(tmp_path / "hops.npy")
    adjacency = torch.eye(40)
    for source, target in {tuple(pair) for pair in task.graphs.edge_index.T.tolist()}:
        adjacency[target, source] = 1
    root = adjacency.sum(1).rsqrt()
    expected = torch.cat([task.graphs.x, torch.ones(40, 1)], dim=1)
    for hop in range(3):
        expected = (adjacency * root[:, None] * root) @ expected
        np.testing.assert_allclose(stored[:, hop], expected, rtol=1e-5, atol=1e-5)
    config = preset("student", "nagphormer", hidden_channels=8, hops=3)
    student = awaken(build_student(config, EncodingConfig(), task.spec))
    parts = PartBatches(task, StructuralEncodings(hops=torch.from_numpy(stored)))
    nodes = np.array([9, 3, 17])
    with torch.inference_mode():
        whole = student(collate(task.graphs, None, torch.tensor([0]))).logits
        found = student(parts.batch(CSRSampler(parts.edges, ()).among(nodes))).logits
    torch.testing.assert_close(found, whole[nodes], rtol=1e-5, atol=1e-5)
