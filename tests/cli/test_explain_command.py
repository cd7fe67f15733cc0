"""`gnn-distill explain`: a page and tables of what carries predictions."""

import re
from collections.abc import Callable
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from small_tasks import make_spec

import gnn_distill as package
from gnn_distill.cli.positional import named_run
from gnn_distill.data.sources.far_motif import A, B
from gnn_distill.errors import UserError
from gnn_distill.pipeline.explain import ask, pairs

SMILES = ["C" * (number % 4) + ("c1ccccc1", "C1CCCC1", "C(=O)O", "N(C)C", "CF")[number % 5] for number in range(40)]
SMALL = (
    *("train", "dataset=smiles", "dataset.path=in.csv", "dataset.target_columns=[y]", "tracker=none"),
    *("student=graphormer", "student.hidden_channels=8", "student.num_layers=1", "student.num_heads=2", "teacher=gin"),
    *("teacher.hidden_channels=8", "teacher.num_layers=2", "trainer.max_epochs=1", "pretrain.max_epochs=1"),
    *("trainer.threads=1", "trainer.accelerator=cpu", "probe.profiles_at_end=false", "hydra.run.dir=run"),
)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["r", "in.csv", "-o", "out", "limit=3"], ["run='r'", "input='in.csv'", "output='out'", "limit=3"]),
        (["r", "-o", "out"], ["run='r'", "output='out'"]),
        (["r", "method=gradient"], ["run='r'", "method=gradient"]),
    ],
)
def test_the_first_path_is_the_run(words: list[str], expected: list[str]) -> None:
    assert named_run(words) == expected


def test_molecules_explained_by_student_and_teacher(gnn_distill: Callable, no_figures: None, tmp_path: Path) -> None:
    pd.DataFrame({"smiles": SMILES, "y": [len(text) / 3 for text in SMILES]}).to_csv("in.csv", index=False)
    Path("new.csv").write_text("smiles\nCC(=O)Oc1ccccc1\nC1CC\nc1ccccc1F\n")
    status, _, err = gnn_distill(*SMALL)
    assert (status, err) == (0, "")
    status, told, err = gnn_distill("explain", "run", "new.csv", "-o", "out", "threads=1")
    assert (status, err) == (0, "")
    assert "Input 2 cannot be explained: " in told
    assert "Completeness, teacher: largest error " in told

    nodes, edges, graphs = (pd.read_csv(tmp_path / "out" / f"{name}.csv") for name in ("nodes", "edges", "graphs"))
    assert "".join(nodes["atom"]) == "CCOOCCCCCC" + "CCCCCCF"
    assert edges["bond"].value_counts().to_dict() == {"aromatic": 12, "single": 4, "double": 1}
    assert graphs["model"].tolist() == ["teacher", "student"] * 2
    predicted = package.load(tmp_path / "run").predict(["CC(=O)Oc1ccccc1", "c1ccccc1F"])[:, 0]
    np.testing.assert_allclose(graphs["value"][graphs["model"] == "student"], predicted, rtol=1e-4)
    for row in graphs.itertuples():
        total = sum(table.loc[table["graph"] == row.graph, row.model].sum() for table in (nodes, edges))
        assert total == pytest.approx(
            row.value - row.baseline, abs=1.1 * row.error * abs(row.value - row.baseline) + 1e-4
        )
        assert row.error <= 0.01 or row.gradients >= 2000
    assert nodes.groupby("graph")["attention"].sum().tolist() == pytest.approx([1, 1], abs=1e-4)

    page = (tmp_path / "out" / "explain.html").read_text()
    assert page.count('<figure class="drawing') == 6
    assert page.count("<title>O2: ") == 3
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page)

    status, _, err = gnn_distill("explain", "run", "new.csv", "-o", "out")
    assert status == 1
    assert "output=out: has an explanation already" in err
    status, _, err = gnn_distill("explain", "run", "new.csv", "-o", "other", "target=z", "models=student")
    assert (status, Path("other").exists()) == (1, False)
    assert "target=z: unknown choice. Choices: y." in err


def test_of_a_salt_the_fragment_that_was_read_is_explained(gnn_distill: Callable, no_figures: None) -> None:
    pd.DataFrame({"smiles": SMILES, "y": [len(text) / 3 for text in SMILES]}).to_csv("in.csv", index=False)
    Path("new.csv").write_text("smiles\n[Na+].CC(=O)[O-]\n")
    assert gnn_distill(*SMALL, "dataset.standardise=largest_fragment", "teacher=none")[0] == 0
    status, _, err = gnn_distill("explain", "run", "new.csv", "-o", "out", "threads=1", "models=student")
    assert (status, err) == (0, "")
    assert "".join(pd.read_csv("out/nodes.csv")["atom"]) == "CCOO"


@pytest.mark.slow
def test_planted_nodes_carry_the_label(gnn_distill: Callable, no_figures: None) -> None:
    """The label is the arrangement of four nodes at a marked one: AUROC of the five over the nodes of each graph."""
    words = ("dataset=far_motif_small", "dataset.relation=visible", "teacher=gin", "student=graphormer", "tracker=none")
    assert gnn_distill("train", *words, "trainer.threads=1", "trainer.accelerator=cpu", "hydra.run.dir=run")[0] == 0
    assert gnn_distill("explain", "run", "-o", "out", "limit=30", "threads=1")[0] == 0
    nodes, edges = pd.read_csv("out/nodes.csv"), pd.read_csv("out/edges.csv")
    scores: dict[str, list[float]] = {"teacher": [], "student": [], "attention": []}
    for graph, rows in nodes.groupby("graph"):
        types, network = rows["atom"].to_numpy(), nx.Graph()
        network.add_edges_from(edges[edges["graph"] == graph][["source", "target"]].to_numpy())
        marked = int(np.argmax(types))  # the last type
        motifs = network.subgraph(node for node in network if types[node] in (A, B) or node == marked)
        planted = nx.node_connected_component(motifs, marked)
        assert len(planted) == 5
        for model, found in scores.items():
            found.append(roc_auc_score(np.isin(rows["node"], [*planted]), rows[model].abs()))
    assert len(scores["teacher"]) == 30
    assert np.mean(scores["teacher"]) > 0.95  # 0.99 measured
    assert np.mean(scores["student"]) > 0.9  # 0.945
    assert np.mean(scores["attention"]) > 0.85  # 0.93


def test_what_is_asked_of_each_task() -> None:
    notes: list[str] = []
    logits = torch.tensor([[2.0, -1.0, 5.0], [0.1, 3.0, -2.0]])
    asked, words = ask(make_spec("multiclass"), None, logits, notes.append)
    classes = make_spec("multiclass").classes
    assert (asked.output.tolist(), words) == ([2, 1], [f"class {classes[2]}", f"class {classes[1]}"])
    negative = torch.tensor([[-1.5], [2.0]])
    asked, words = ask(make_spec("binary"), None, negative, notes.append)
    assert asked.of(negative.double(), torch.arange(2)).tolist() == [
        1.5,
        2.0,
    ]  # the logit of the class that is predicted
    assert ask(make_spec("binary"), make_spec("binary").classes[1], negative, notes.append)[0].scale.tolist() == [1, 1]
    assert notes == []
    asked, words = ask(make_spec("regression"), "b", logits[:, :2], notes.append)
    assert asked.of(logits[:, :2].double(), torch.arange(2)).tolist() == [
        -5.5,
        -3.5,
    ]  # in the unit of the second target
    with pytest.raises(UserError, match="target=c: unknown choice"):
        ask(make_spec("regression"), "c", logits, notes.append)


def test_both_directions_of_an_edge_are_one() -> None:
    found, pair_of = pairs(torch.tensor([[0, 1, 2, 1], [1, 0, 1, 2]]))
    assert (found.tolist(), pair_of.tolist()) == ([[0, 1], [1, 2]], [0, 0, 1, 1])
