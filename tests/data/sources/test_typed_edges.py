from itertools import combinations
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch

from gnn_distill.config.schema.data import PathsConfig, TypedEdgesConfig
from gnn_distill.data.sources.typed_edges import load
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError


def make(**changes: object) -> GraphTask:
    return load(TypedEdgesConfig(**{"num_train": 200, "num_val": 50, "num_test": 100, **changes}), PathsConfig())


@pytest.fixture(scope="module")
def task() -> GraphTask:
    return make()


def to_networkx(task: GraphTask, index: int) -> tuple[nx.Graph, list[int]]:
    graph = task.graphs.select(torch.tensor([index]))
    result = nx.DiGraph(graph.edge_index.t().tolist())
    assert all(result.has_edge(b, a) for a, b in result.edges)
    return result.to_undirected(), graph.x.argmax(1).tolist()


def test_graphs_are_as_described(task: GraphTask) -> None:
    chords = []
    for index in range(0, 350, 7):
        graph, types = to_networkx(task, index)
        assert 14 <= len(graph) == len(types) <= 25
        assert nx.is_connected(graph)
        assert nx.number_of_selfloops(graph) == 0
        assert max(degree for _, degree in graph.degree) <= 4
        assert all(min(abs(a - b) for b in graph[a] if b < a) <= 5 for a in graph if a)
        chords.append(graph.number_of_edges() - len(graph) + 1)
    assert 0 <= min(chords) < max(chords) <= 4
    assert set(task.graphs.x.unique().tolist()) == {0, 1}
    assert (task.graphs.x.sum(1) == 1).all()
    assert task.graphs.x.mean(0) == pytest.approx([0.2] * 5, abs=0.02)


def test_label_is_a_score_above_the_median_of_training(task: GraphTask) -> None:
    scores = []
    for index in range(len(task.graphs)):
        graph, types = to_networkx(task, index)
        joined, all_pairs = (
            np.mean([(types[a] - types[b]) % 5 in (1, 4) for a, b in pairs])
            for pairs in (graph.edges, combinations(graph.nodes, 2))
        )
        scores.append(joined - all_pairs)
    assert task.splits.train.tolist() == list(range(200))
    assert task.graphs.y[:, 0].tolist() == (np.array(scores) > np.median(scores[:200])).astype(float).tolist()


def test_parts_are_balanced_and_disjoint(task: GraphTask) -> None:
    parts = (task.splits.train, task.splits.val, task.splits.test)
    assert torch.cat(parts).tolist() == list(range(350))
    for ids in parts:
        assert 0.35 < task.graphs.y[ids].mean() < 0.65


@pytest.fixture(scope="module")
def type_shares() -> tuple[torch.Tensor, torch.Tensor]:
    """Shares of the types and label of 5,000 graphs: enough to tell a leak from luck."""
    task = make(num_train=5000)
    counts = torch.zeros(len(task.graphs), 5).index_add(0, task.graphs.node_graph, task.graphs.x)
    return (counts / task.graphs.num_nodes[:, None])[:5000], task.graphs.y[:5000, 0] == 1


def test_no_type_alone_says_anything(type_shares: tuple[torch.Tensor, torch.Tensor]) -> None:
    shares, label = type_shares
    error = shares.std(0) * (1 / label.sum() + 1 / (~label).sum()).sqrt()
    assert ((shares[label].mean(0) - shares[~label].mean(0)) / error).abs().max() < 4


def test_models_blind_to_edges_have_nothing_to_learn(type_shares: tuple[torch.Tensor, torch.Tensor]) -> None:
    shares, label = type_shares
    expected_score = (shares * shares.roll(-1, dims=1)).sum(1)
    accuracy = ((expected_score > expected_score.median()) == label).float().mean()
    assert abs(accuracy - 0.5) < 0.03  # four standard errors; 0.6 if the score were not centred


def test_data_depend_on_split_seed_alone(task: GraphTask) -> None:
    torch.manual_seed(7)
    np.random.seed(7)
    assert make().fingerprint == task.fingerprint
    assert make(split_seed=1).fingerprint != task.fingerprint


def test_more_training_graphs_leave_the_others_as_they_are(task: GraphTask) -> None:
    larger = make(num_train=300)
    for ours, theirs in ((task.splits.train, larger.splits.train[:200]), (task.splits.test, larger.splits.test)):
        a, b = task.graphs.select(ours), larger.graphs.select(theirs)
        assert torch.equal(a.edge_index, b.edge_index)
        assert torch.equal(a.x, b.x)


def test_needs_neither_files_nor_folders(tmp_path: Path) -> None:
    load(TypedEdgesConfig(), PathsConfig(data=str(tmp_path / "none"), mirror=None))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"min_nodes": 30}, r"dataset\.min_nodes=30 exceeds"),
        ({"fold": 1}, r"dataset\.fold=1: typed_edges has one fold"),
        ({"split": "scaffold"}, r"dataset\.split=scaffold: typed_edges offers auto"),
    ],
)
def test_wrong_keys(change: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(**change)
