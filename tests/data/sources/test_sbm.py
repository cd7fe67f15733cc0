"""PATTERN and CLUSTER: generated ones against the recipe and the published statistics; files as PyG lays them out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from raw_files import write_communities

from gnn_distill.config.schema.data import GNNBenchmarkConfig, PathsConfig
from gnn_distill.config.schema.node_graphs import SBMConfig
from gnn_distill.data.sources.gnn_benchmark import load as load_files
from gnn_distill.data.sources.sbm import load
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError

CLUSTER = {"name": "CLUSTER", "communities": 6, "inside": 0.55, "between": 0.25}
SIZES = {"num_train": 200, "num_val": 30, "num_test": 30}


def make(**changes: object) -> GraphTask:
    return load(SBMConfig(**{"name": "PATTERN", **SIZES, **changes}), PathsConfig())


@pytest.fixture(scope="module")
def pattern() -> GraphTask:
    return make(patterns=10)


@pytest.fixture(scope="module")
def cluster() -> GraphTask:
    return make(**CLUSTER)


def pairs(task: GraphTask, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Adjacency, feature and label of a graph, whose edges must be symmetric and without loops."""
    graph = task.graphs.select(torch.tensor([index]))
    adjacency = np.zeros((len(graph.x),) * 2, dtype=int)
    np.add.at(adjacency, tuple(graph.edge_index.numpy()), 1)
    assert adjacency.max() == 1
    assert (adjacency == adjacency.T).all()
    assert not adjacency.diagonal().any()
    assert (graph.x.sum(1) == 1).all()
    return adjacency, graph.x.argmax(1).numpy(), graph.y[:, 0].numpy().astype(int)


def density(task: GraphTask, same: bool, of: tuple[int, ...] | None = None) -> float:
    """Share of joined pairs among those of one class (or of two), of which one at least is in `of`."""
    joined = total = 0
    for index in range(len(task.graphs)):
        adjacency, _, label = pairs(task, index)
        chosen = (label[:, None] == label) == same
        if of is not None:
            chosen &= np.isin(label, of)[:, None]
        np.fill_diagonal(chosen, False)
        joined, total = joined + adjacency[chosen].sum(), total + chosen.sum()
    return joined / total


def test_cluster_follows_its_recipe(cluster: GraphTask) -> None:
    assert (cluster.spec.kind, cluster.spec.metric, cluster.spec.num_outputs) == ("multiclass", "balanced_accuracy", 6)
    assert density(cluster, same=True) == pytest.approx(0.55, abs=0.005)
    assert density(cluster, same=False) == pytest.approx(0.25, abs=0.005)
    sizes = []
    for index in range(len(cluster.graphs)):
        _, feature, label = pairs(cluster, index)
        assert sorted(feature[feature > 0]) == [1, 2, 3, 4, 5, 6]
        assert (label[feature > 0] == feature[feature > 0] - 1).all()
        sizes += np.bincount(label, minlength=6).tolist()
    assert (min(sizes), max(sizes)) == (5, 34)
    assert np.mean(sizes) == pytest.approx(19.5, abs=1)


def test_pattern_follows_its_recipe(pattern: GraphTask) -> None:
    assert (pattern.spec.kind, pattern.spec.metric, pattern.spec.num_outputs) == ("binary", "balanced_accuracy", 1)
    assert density(pattern, same=False) == pytest.approx(0.5, abs=0.005)
    known: dict[int, tuple] = {}
    inner = []
    for index in range(len(pattern.graphs)):
        adjacency, feature, label = pairs(pattern, index)
        hidden = label == 1
        part = index if index < 200 else (index - 200) % 30
        own = adjacency[hidden][:, hidden]
        found = (len(own), sorted(own.sum(0).tolist()), sorted(feature[hidden].tolist()))
        assert known.setdefault(part % 10, found) == found  # the same pattern wherever it occurs
        others = adjacency[~hidden][:, ~hidden]
        inner.append(others.sum() / (len(others) * (len(others) - 1)))
        assert 25 <= len(others) <= 170
    assert len({*map(str, known.values())}) == 10
    # Of the pairs of other nodes a share of Σ E[s(s − 1)] / E[n(n − 1)] is in one community: 0.5 of these, else 0.35.
    size, square = 19.5, 455.17
    inside = 5 * (square - size) / (5 * (square - size) + 20 * size**2)
    assert np.mean(inner) == pytest.approx(0.35 + 0.15 * inside, abs=0.005)


def test_sizes_and_edges_are_as_published(cluster: GraphTask) -> None:
    """117.2 nodes and 4,303.9 edges a graph of CLUSTER, by PyG's table.

    PATTERN's 118.9 and 6,098.9 depend on the sizes of the hundred patterns that were drawn: see the recipe above.
    """
    for found, published in ((cluster.graphs.num_nodes, 117.2), (cluster.graphs.num_edges, 4303.9)):
        error = float(found.double().std()) / len(found) ** 0.5
        assert abs(float(found.double().mean()) - published) < 3 * error
    share = torch.bincount(cluster.graphs.y[:, 0].long()) / len(cluster.graphs.y)
    assert share.allclose(torch.full((6,), 1 / 6), atol=0.02)


@pytest.mark.parametrize("changes", [{"name": "PATTERN"}, CLUSTER])
def test_a_longer_part_only_adds_and_the_seed_of_the_split_changes_all(changes: dict) -> None:
    few = {"num_train": 12, "num_val": 10, "num_test": 10}
    task = make(**changes | few)
    longer = make(**{**changes, **few, "num_train": 14})
    rows = int(task.graphs.node_ptr[12])
    assert torch.equal(task.graphs.y[:rows], longer.graphs.y[:rows])
    assert torch.equal(task.graphs.y[task.splits.test], longer.graphs.y[longer.splits.test])
    other = make(**{**changes, **few, "split_seed": 1})
    assert not torch.equal(other.graphs.y[:50], task.graphs.y[:50])


@pytest.mark.parametrize("name", ["PATTERN", "CLUSTER"])
def test_published_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    written = write_communities(tmp_path / "data", name)
    task = load_files(GNNBenchmarkConfig(name=name.lower()), PathsConfig(data=str(tmp_path / "data")))
    assert (task.setting, task.spec.level, task.splits.kind) == ("separate", "node", "published")
    graphs = [data for part in written for data in part]
    assert len(task.graphs) == len(graphs)
    assert torch.equal(task.graphs.y[:, 0], torch.cat([data["y"] for data in graphs]).float())
    for index, data in enumerate(graphs):
        graph = task.graphs.select(torch.tensor([index]))
        assert torch.equal(graph.edge_index, data["edge_index"])
        assert torch.equal(graph.x, data["x"])
    sizes = [sum(len(data["y"]) for data in part) for part in written]
    assert [len(getattr(task.splits, part)) for part in ("train", "val", "test")] == sizes
    assert task.spec.num_outputs == (1 if name == "PATTERN" else 6)
    with pytest.raises(UserError, match=r"dataset\.fold=1: .* has one fold"):
        load_files(GNNBenchmarkConfig(name=name, fold=1), PathsConfig(data=str(tmp_path / "data")))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UserError, match=r"dataset\.name=MNIST: .* Choose PATTERN, CLUSTER"):
        make(name="MNIST")
    with pytest.raises(UserError, match=r"dataset\.min_size=9 exceeds dataset\.max_size=8"):
        make(min_size=9, max_size=8)
