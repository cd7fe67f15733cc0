"""`gnn-distill convert`, and a run on the folder that it writes."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from gnn_distill.data.reading.node_folder import open_node_folder


def write_graph(file: Path, nodes: int = 120) -> Data:
    """Three classes that show in features and edges, without masks."""
    random = torch.Generator().manual_seed(0)
    y = torch.arange(nodes) % 3
    x = torch.nn.functional.one_hot(y).float() + torch.randn(nodes, 3, generator=random)
    source = torch.randint(nodes, (4 * nodes,), generator=random)
    target = (source + 3 * torch.randint(1, 10, (4 * nodes,), generator=random)) % nodes
    data = Data(x=x, edge_index=torch.stack([source, target]), y=y)
    torch.save(data, file)
    return data


def test_a_graph_becomes_a_folder_that_says_how_to_train_on_it(gnn_distill: Callable, tmp_path: Path):
    write_graph(tmp_path / "graph.pt")
    status, out, err = gnn_distill("convert", "graph.pt", "-o", "nodes")
    assert (status, err) == (0, "")
    assert "nodes: 120 nodes, " in out
    assert "gnn-distill train dataset=node_folder dataset.path=nodes" in out
    found = open_node_folder(Path("nodes"), "nodes")
    assert found.about["classes"] == 3
    assert len(found.in_edges.source) == found.about["edges"]
    status, _, err = gnn_distill("convert", "graph.pt", "-o", "nodes")
    assert (status, err) == (1, "gnn-distill convert: output=nodes: exists already. Name a new folder.\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.pt"], "input=nowhere.pt: this file does not exist"),
        (["file"], "unknown ending"),
        (["."], "has no raw/edge.csv.gz"),
    ],
)
def test_other_inputs_are_refused(gnn_distill: Callable, words: list[str], message: str):
    status, _, err = gnn_distill("convert", *words, "-o", "nodes")
    assert status == 1
    assert message in err
    assert not Path("nodes").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("student", ["nagphormer", "sgformer"])
def test_a_run_on_a_folder_teaches_resumes_and_leaves_what_every_run_leaves(
    gnn_distill: Callable, tmp_path: Path, student: str
):
    data = write_graph(tmp_path / "graph.pt")
    np.savez("graph.npz", x=data.x, edge_index=data.edge_index, y=data.y)
    assert gnn_distill("convert", "graph.npz", "-o", "nodes")[0] == 0
    words = ["dataset=node_folder", "dataset.path=nodes", "teacher=sage", f"student={student}", "tracker=none"]
    words += ["trainer.batch_nodes=32", "trainer.max_epochs=3", "pretrain.max_epochs=5", "hydra.run.dir=run"]
    if student == "sgformer":
        words += ["trainer.sampler=random", "trainer.parts=3", "pretrain.sampler=neighbor"]
    status, _, err = gnn_distill("train", *words, "alone=true")
    assert (status, err) == (0, "")
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["teacher"]["test"]["accuracy"] > 0.6
    assert summary["student"]["test"]["accuracy"] > 0.6
    assert {*summary} > {"alone"}
    assert len(Path("run/predictions.csv").read_text().splitlines()) == 1 + 24 + 24
