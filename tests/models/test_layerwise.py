"""States found layer by layer are those of one pass over the whole graph, whatever the blocks."""

import numpy as np
import pytest
import torch
from small_tasks import awaken, encode, make_node_task, preset

from gnn_distill.data.batching import collate
from gnn_distill.data.part_batches import PartBatches
from gnn_distill.errors import UserError
from gnn_distill.models import build_teacher, layerwise
from gnn_distill.models.gnn_backbone import teacher_encoding


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("sage", {"norm": "batch", "residual": True, "rwse": 3}),
        ("gcn", {"ffn": True, "jumping_knowledge": "cat"}),
        ("gin", {"jumping_knowledge": "max"}),
        ("gat", {}),
        ("pna", {"lap_pe": 2}),
        ("mlp", {}),
    ],
)
def test_states_are_those_of_the_whole_graph(monkeypatch: pytest.MonkeyPatch, name: str, changes: dict):
    monkeypatch.setattr(layerwise, "ROWS", 7)
    monkeypatch.setattr(layerwise, "EDGES", 20)
    edges = "continuous" if name == "gat" else None
    task = make_node_task(edges=edges)
    # A loop and a node without neighbours are where normalisations differ.
    graphs = task.graphs
    graphs.edge_index = graphs.edge_index[:, graphs.edge_index[1] != 5]
    graphs.edge_index[:, 0] = 3
    if edges:
        graphs.edge_attr = graphs.edge_attr[: graphs.edge_index.size(1)]
    graphs.edge_ptr = torch.tensor([0, graphs.edge_index.size(1)])
    config = preset("teacher", name, hidden_channels=8, num_layers=3, **changes)
    model, encodings = awaken(build_teacher(config, task.spec)), encode(graphs, teacher_encoding(config))
    with torch.inference_mode():
        expected = model(collate(graphs, encodings, torch.tensor([0]))).nodes
    found = [torch.zeros_like(states) for states in expected]

    def visit(layer: int, start: int, rows: torch.Tensor) -> None:
        found[layer - 1][start : start + len(rows)] = rows

    layerwise.infer(model, PartBatches(task, encodings), np.arange(40), visit)
    for states, right in zip(found, expected, strict=True):
        torch.testing.assert_close(states, right, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "changes"), [("gatedgcn", {}), ("gcn", {"virtual_node": True})])
def test_what_needs_more_than_neighbours_is_refused(name: str, changes: dict):
    task = make_node_task()
    model = build_teacher(preset("teacher", name, hidden_channels=8, **changes), task.spec)
    with pytest.raises(UserError, match=r"Set pretrain\.sampler=full"):
        layerwise.check_layerwise(model, name)


def test_blocks_hold_few_nodes_and_few_edges(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(layerwise, "ROWS", 3)
    monkeypatch.setattr(layerwise, "EDGES", 4)
    ptr = np.array([0, 1, 2, 9, 9, 9, 9, 9, 13, 14])
    cut = [(start, nodes.tolist()) for start, nodes in layerwise.cut(ptr, np.arange(9))]
    assert cut == [(0, [0, 1]), (2, [2]), (3, [3, 4, 5]), (6, [6, 7]), (8, [8])]
