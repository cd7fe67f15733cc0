"""graph_properties: labels are the hops that networkx counts, of the targets that were chosen."""

import networkx as nx
import pytest
import torch

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.node_graphs import GraphPropertiesConfig
from gnn_distill.data.sources.graph_properties import load
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError


def make(**changes: object) -> GraphTask:
    sizes = {"num_train": 15, "num_val": 10, "num_test": 10, "min_nodes": 10, "max_nodes": 14}
    return load(GraphPropertiesConfig(**{**sizes, **changes}), PathsConfig())


@pytest.mark.parametrize("families", ["corso", "echo"])
def test_labels_are_hops(families: str) -> None:
    task = make(families=families)
    assert (task.spec.kind, task.spec.level, task.spec.target_names) == ("regression", "node", ("sssp", "eccentricity"))
    for index in range(len(task.graphs)):
        graph = task.graphs.select(torch.tensor([index]))
        network = nx.Graph(graph.edge_index.T.tolist())
        assert 10 <= len(network) <= 14
        (source,) = graph.x[:, 1].nonzero().squeeze(1).tolist()
        hops, far = nx.single_source_shortest_path_length(network, source), nx.eccentricity(network)
        assert graph.y.tolist() == [[hops[node], far[node]] for node in range(len(network))]
        assert ((graph.x[:, 0] >= 0) & (graph.x[:, 0] < 1)).all()
    assert torch.equal(
        torch.cat([task.splits.train, task.splits.val, task.splits.test]), torch.arange(len(task.graphs.y))
    )
    mean = task.graphs.y[task.splits.train].double().mean(0)
    assert torch.tensor(task.spec.target_mean, dtype=torch.double).allclose(mean)


def test_one_target_of_its_own_has_no_more_marks_than_it_needs() -> None:
    both, far = make(), make(targets=["eccentricity"])
    assert far.graphs.x.shape[1] == 1
    assert torch.equal(far.graphs.y[:, 0], both.graphs.y[:, 1])
    assert torch.equal(make(targets=["eccentricity", "sssp"]).graphs.y, both.graphs.y.flip(1))


def test_a_longer_part_only_adds_and_the_seed_of_the_split_changes_all() -> None:
    task, longer = make(), make(num_train=18)
    rows = len(task.splits.train)
    assert torch.equal(task.graphs.x[:rows], longer.graphs.x[:rows])
    assert torch.equal(task.graphs.y[task.splits.test], longer.graphs.y[longer.splits.test])
    assert not torch.equal(make(split_seed=1).graphs.x[:20], task.graphs.x[:20])


def test_it_says_that_distances_are_told() -> None:
    assert any("encoding.spd is given as input" in notice for notice in make().notices)


@pytest.mark.parametrize("families", ["corso", "echo"])
def test_the_diameter_is_a_label_of_the_graph(families: str) -> None:
    task, nodes = make(families=families, targets=["diameter"]), make(families=families, targets=["eccentricity"])
    assert (task.spec.level, task.spec.target_names, task.spec.metric) == ("graph", ("diameter",), "mae")
    assert [len(ids) for ids in (task.splits.train, task.splits.val, task.splits.test)] == [15, 10, 10]
    for index in range(35):
        graph = task.graphs.select(torch.tensor([index]))
        assert graph.y.tolist() == [[nx.diameter(nx.Graph(graph.edge_index.T.tolist()))]]
    assert torch.equal(task.graphs.x, nodes.graphs.x)  # the same graphs at both levels
    assert torch.equal(task.graphs.edge_index, nodes.graphs.edge_index)


@pytest.mark.parametrize("targets", [[], ["diameter", "sssp"], ["radius"], ["sssp", "sssp"]])
def test_other_targets_are_refused(targets: list[str]) -> None:
    with pytest.raises(UserError, match=r"dataset\.targets=.*one or more of sssp, eccentricity, or diameter alone"):
        make(targets=targets)
