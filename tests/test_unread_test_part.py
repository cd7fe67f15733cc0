"""Whatever the test part holds, training, the choice of the epoch and all that is saved come out the same, bit for bit.

Graphs, with labels of their own or on their nodes: labels, features and edges of the test graphs. Nodes of one graph,
inductive: the same of the test nodes; transductive: their labels alone, for their features and edges are seen by
definition.
"""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

pytestmark = pytest.mark.usefixtures("no_figures")

SOURCE = '''
"""Twenty graphs, or one with 60 nodes; kwargs.changed says what of the test part is another."""

import torch
from torch_geometric.data import Data

from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.node_splits import labelled_rows
from gnn_distill.data.assembly.nodes import assemble_nodes
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import Features, Splits


def graph(nodes, random, edges):
    return Data(
        x=torch.rand(nodes, 3, generator=random),
        edge_index=torch.randint(nodes, (2, edges), generator=random),
        edge_attr=torch.rand(edges, 2, generator=random),
    )


def load_graphs(dataset, changed, level):
    splits, data = Splits(*(torch.arange(start, 20, 3) for start in range(3))), []
    for number in range(20):
        one = graph(6 + number % 4, torch.Generator().manual_seed(number), 30)
        nodes = torch.arange(one.num_nodes if level == "separate" else 1)
        one.y = ((number // 3 + nodes) % 2).float()
        if number in splits.test:
            other = graph(one.num_nodes, torch.Generator().manual_seed(100 + number), 9)
            if "labels" in changed:
                one.y = 1 - one.y
            if "features" in changed:
                one.x = other.x
            if "edges" in changed:
                one.edge_index, one.edge_attr = other.edge_index, other.edge_attr
        data.append(Data(one.x, one.edge_index, one.edge_attr, one.y))
    graphs = PackedGraphs.from_data_list(data, 1, "node" if level == "separate" else "graph")
    if level == "separate":
        graphs.y[graphs.node_ptr[:-1]] = torch.nan  # the first node of each has no label
        splits = labelled_rows(graphs, splits)
    return assemble(
        dataset, graphs, splits, kind="binary", metric="accuracy",
        target_names=("y",), node_features=Features("continuous", (3,)), standardised=3,
        edge_features=Features("continuous", (2,)),
    )


def load_nodes(dataset, changed):
    random = torch.Generator().manual_seed(0)
    data, part = graph(60, random, 150), torch.arange(60) % 4  # the fourth part is in none
    data.y = torch.randint(3, (60,), generator=random)
    data.train_mask, data.val_mask, data.test_mask = (part == number for number in range(3))
    test, other = data.test_mask, graph(60, random, 150)
    if "labels" in changed:
        data.y[test] = (data.y[test] + 1) % 3
    if "features" in changed:
        data.x[test] = other.x[test]
    if "edges" in changed:
        between = ~test[data.edge_index].any(dim=0)
        new = test[other.edge_index].any(dim=0)
        data.edge_index = torch.cat([data.edge_index[:, between], other.edge_index[:, new]], dim=1)
        data.edge_attr = torch.cat([data.edge_attr[between], other.edge_attr[new]])
    return assemble_nodes(dataset, data)


def load(dataset, paths):
    level, changed = dataset.kwargs["level"], dataset.kwargs["changed"]
    return load_nodes(dataset, changed) if level == "node" else load_graphs(dataset, changed, level)
'''
YAML = """
source: unread_sets.set
name: unread
kwargs: {level: graph, changed: []}
"""
NODES = "defaults: [/schema/dataset@_here_: nodes, _self_]"
# Terms and encodings that look something up over all graphs at once, chance among it.
WORDS = (
    *("dataset=unread", "teacher=gat", "teacher.hidden_channels=8", "teacher.rwse=2", "tracker=none"),
    *("student=graphormer", "student.hidden_channels=8", "student.num_layers=2", "student.num_heads=2"),
    *("encoding=all", "loss=mugsi", "loss.weights.micro=0.1", "loss.weights.macro=0.1", "loss.micro.attention=1"),
    *("loss.macro.distance_profile=1", "loss.macro.distribution=1", "loss.macro.anchor_relation=1"),
    *("alignment.weights.node=0.1", "alignment.weights.contrast=0.1", "alignment.standardise=whiten"),
    *(
        "alignment.weights.subgraph=0.1",
        "alignment.max_members=3",
        "trainer.threads=1",
        "trainer.accelerator=cpu",
        "paths.store=store",
    ),
    *("trainer.max_epochs=4", "pretrain.max_epochs=4", "optim.lr=0.02", "pretrain.optim.lr=0.02", "hydra.run.dir=run"),
)


def left(folder: Path) -> dict[str, Any]:
    """All that a run says and saves but of the test part, seconds apart."""
    found: dict[str, Any] = {}
    with open(folder / "run" / "metrics.csv", newline="") as file:
        found["metrics.csv"] = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    summary = json.loads((folder / "run" / "summary.json").read_text())
    found["scores"] = {
        (role, part): summary[role][part] for role in ("teacher", "student") for part in ("train", "val")
    }
    found["best_epoch"] = summary["best_epoch"]
    files = [*(folder / "run").rglob("*.safetensors"), *(folder / "store").glob("signals/*/*.safetensors")]
    for path in files:
        for name, value in load_file(path).items():
            found[f"{path.name} {name}"] = value.numpy().tobytes()
    kinds = ("student", "teacher", "last", "signals", "split")
    assert {path.name for path in files} == {f"{kind}.safetensors" for kind in kinds}
    return found


@pytest.mark.parametrize(
    ("level", "setting", "changed"),
    [
        ("graph", None, "labels,features,edges"),
        ("separate", None, "labels,features,edges"),
        ("node", "inductive", "labels,features,edges"),
        ("node", "transductive", "labels"),
    ],
)
def test_another_test_part_changes_nothing_that_is_trained_chosen_or_saved(
    level: str,
    setting: str | None,
    changed: str,
    gnn_distill: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    own = {"unread_sets/set.py": SOURCE, "conf/dataset/unread.yaml": NODES + YAML if level == "node" else YAML}
    for name, text in own.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    words = ["train", "--config-dir", str(tmp_path / "conf"), *WORDS, f"dataset.kwargs.level={level}"]
    words += [f"dataset.setting={setting}"] if setting else []
    results, scores = [], []
    for parts in ("", changed):
        folder = tmp_path / f"changed {parts}"
        folder.mkdir()
        monkeypatch.chdir(folder)
        status, _, err = gnn_distill(*words, f"dataset.kwargs.changed=[{parts}]")
        assert (status, err) == (0, "")
        results.append(left(folder))
        summary = json.loads((folder / "run" / "summary.json").read_text())
        scores.append([summary[role]["test"] for role in ("teacher", "student")])
    assert results[0] == results[1]
    assert scores[0] != scores[1]  # the test part was another
