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
from small_tasks import make_node_task, make_spec

import gnn_distill as package
from gnn_distill.analysis.attribution import Attribution
from gnn_distill.cli.positional import named_run
from gnn_distill.data.sources.far_motif import A, B
from gnn_distill.errors import UserError
from gnn_distill.pipeline.explain import ask
from gnn_distill.pipeline.explained import pairs
from gnn_distill.pipeline.explained_nodes import choose_nodes
from gnn_distill.results.drawings import rings
from gnn_distill.results.explanations import Explained

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


def test_several_runs_are_refused(gnn_distill: Callable) -> None:
    status, _, err = gnn_distill("explain", "a", "b", "in.csv")
    assert (status, err) == (1, "gnn-distill explain: run='a','b': one at a time. Name a single run.\n")


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
        change = row.value - row.baseline
        assert total == pytest.approx(row.sum, abs=1e-4)
        assert row.error == pytest.approx(abs(total - change) / max(abs(change), row.size / 10), abs=1e-3)
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
    Path("taken").touch()
    status, _, err = gnn_distill("explain", "run", "new.csv", "-o", "taken/out", "models=student")
    assert (status, "output=taken/out" in err or "taken/out: cannot be made in " in err) == (1, True), err
    status, _, err = gnn_distill("explain", "run", "-o", "other", "nodes=[1]", "models=student")
    assert (status, Path("other").exists()) == (1, False)
    assert "nodes=[1]: the run predicts graphs of in" in err


def test_of_a_salt_the_fragment_that_was_read_is_explained(gnn_distill: Callable, no_figures: None) -> None:
    pd.DataFrame({"smiles": SMILES, "y": [len(text) / 3 for text in SMILES]}).to_csv("in.csv", index=False)
    Path("new.csv").write_text("smiles\n[Na+].CC(=O)[O-]\n")
    assert gnn_distill(*SMALL, "dataset.standardise=largest_fragment", "teacher=none")[0] == 0
    status, _, err = gnn_distill("explain", "run", "new.csv", "-o", "out", "threads=1", "models=student")
    assert (status, err) == (0, "")
    assert "".join(pd.read_csv("out/nodes.csv")["atom"]) == "CCOO"


RINGS = (
    *("train", "dataset=ring_transfer", "dataset.distance=2", "dataset.num_train=40", "dataset.num_val=10"),
    *("dataset.num_test=10", "teacher=gin", "teacher.hidden_channels=8", "teacher.num_layers=1", "student=transformer"),
    *("student.hidden_channels=8", "student.num_layers=1", "student.num_heads=2", "pretrain.max_epochs=1"),
    *("trainer.max_epochs=1", "trainer.threads=1", "trainer.accelerator=cpu", "floors=none", "tracker=none"),
    *("probe.profiles_at_end=false", "hydra.run.dir=run"),
)


def test_nodes_are_explained_by_all_nodes_of_their_graph(
    gnn_distill: Callable, no_figures: None, tmp_path: Path
) -> None:
    assert gnn_distill(*RINGS)[0] == 0
    kept = pd.read_csv("run/predictions.csv").query("split == 'test'")
    status, told, err = gnn_distill("explain", "run", "-o", "out", "limit=2", "threads=1")
    assert (status, err) == (0, "")
    assert "2 of 10 test nodes of the run: nodes=[…] chooses others." in told
    nodes, hops, graphs = (pd.read_csv(tmp_path / "out" / f"{name}.csv") for name in ("nodes", "hops", "graphs"))
    assert nodes["of_node"].unique().tolist() == kept["id"].tolist()[:2]
    assert graphs["model"].tolist() == ["teacher", "student"] * 2
    for row in graphs.itertuples():
        change = row.value - row.baseline
        for table in (nodes, hops):
            total = table.loc[table["of_node"] == row.of_node, row.model].sum()
            assert total == pytest.approx(change, abs=0.011 * max(abs(change), row.size / 10))
    own = nodes[nodes["hops"] == 0]
    assert own["node"].tolist() == own["of_node"].tolist()
    assert own["label"].tolist() == kept["label"].tolist()[:2]
    far = hops.set_index("hops")
    assert (far.loc[[2], "teacher_share"] == 0).all()  # of one layer
    assert (far.loc[[2], "student_share"] > 0).all()  # whose attention is everywhere
    for column in ("teacher_share", "student_share", "attention"):
        assert hops.groupby("of_node")[column].sum().tolist() == pytest.approx([1, 1], abs=1e-4)
    page = (tmp_path / "out" / "explain.html").read_text()
    assert page.count('<figure class="drawing') == 6
    assert page.count("<th>teacher</th>") == 2
    assert "share of Σ|a| within 2 hops" in page
    assert "teacher 100\N{NO-BREAK SPACE}%, student " in page

    chosen = kept["id"].tolist()[4]
    words = ("models=student", "target=1", "method=gradient")
    assert gnn_distill("explain", "run", "-o", "other", f"nodes=[{chosen},{chosen},0]", *words)[0] == 0
    assert pd.read_csv("other/graphs.csv")["of_node"].tolist() == [chosen, 0]
    assert set(pd.read_csv("other/graphs.csv")["explained"]) == {"class 1"}
    for word, why in {
        "nodes=[9999]": "nodes=9999: no such node. Those of ring_transfer are 0 to ",
        "nodes=[-1]": "nodes=-1: no such node.",
        "input=new.csv": "input=new.csv: the run predicts nodes of ring_transfer",
    }.items():
        status, _, err = gnn_distill("explain", "run", "-o", "third", word)
        assert (status, why in err, Path("third").exists()) == (1, True, False), err


def test_of_an_explained_node_the_strongest_are_shown() -> None:
    """With the node itself, their own numbers, and the edges among them; what is drawn stands on circles by hops."""
    star, hops = np.array([[0, 1], [0, 2], [0, 3], [3, 4]]), np.array([0, 1, 1, 1, 2])
    found = Attribution(np.array([0.0, 5.0, 0.1, -3.0, 1.0]), None, 3.1, 0.0, 9.1, 9)
    models, numbers = {"student": found}, np.arange(7, 12)
    one = Explained("7", list("abcde"), star, "class a", models, root=0, numbers=numbers, hops=hops)
    assert one.strongest(5) is one
    few = one.strongest(3)
    assert (few.names, few.root, few.atoms) == (["node 7", "node 8", "node 10"], 0, ["a", "b", "d"])
    assert (few.edges.tolist(), few.models["student"].nodes.tolist()) == ([[0, 1], [0, 2]], [0.0, 5.0, -3.0])
    places = rings(one.hops, one.edges)
    assert np.linalg.norm(places - 0.5, axis=1).tolist() == pytest.approx([0, 0.25, 0.25, 0.25, 0.5])
    assert len(np.unique(places.round(6), axis=0)) == 5


def test_of_copies_of_a_graph_the_whole_one_is_explained() -> None:
    """An inductive run trains on a copy without test nodes; numbers are those of the data."""
    task = make_node_task(setting="inductive")
    task.nodes = torch.cat([torch.arange(size) for size in task.graphs.num_nodes.tolist()])
    chosen = choose_nodes(task, [3], 20)
    assert len(chosen.graphs) == 1
    assert (chosen.numbers[0][chosen.of[0][1]], len(chosen.numbers[0])) == (3, int(task.graphs.num_nodes[0]))
    tested = choose_nodes(task, [], 2)
    assert [tested.numbers[graph][place] for graph, place in tested.of] == task.splits.test[:2].tolist()


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
