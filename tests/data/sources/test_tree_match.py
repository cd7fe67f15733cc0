"""tree_match: the root's label is the value of the leaf with its key, and no permutation is in two parts."""

import networkx as nx
import pytest
import torch

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.node_graphs import TreeMatchConfig
from gnn_distill.data.sources.tree_match import load
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError


def make(**changes: object) -> GraphTask:
    return load(TreeMatchConfig(**{"num_train": 40, "num_val": 16, "num_test": 20, **changes}), PathsConfig())


@pytest.mark.parametrize("depth", [2, 3, 4, 5])
def test_trees_and_labels_are_as_described(depth: int) -> None:
    task, leaves = make(depth=depth), 2**depth
    for index in range(len(task.graphs)):
        graph = task.graphs.select(torch.tensor([index]))
        network = nx.DiGraph(graph.edge_index.T.tolist())
        assert nx.is_isomorphic(network, nx.balanced_tree(2, depth, create_using=nx.DiGraph).reverse())
        (root,) = [node for node in network if network.out_degree(node) == 0]
        ends = [node for node in network if network.in_degree(node) == 0]
        values = {int(graph.x[leaf, 0]): int(graph.x[leaf, 1]) for leaf in ends}
        assert sorted(values) == sorted(values.values()) == list(range(1, leaves + 1))
        assert int(graph.x[root, 1]) == 0
        assert int(graph.y[root]) == values[int(graph.x[root, 0])] - 1
        assert set(nx.single_target_shortest_path_length(network, root)) == set(network)
        others = [node for node in network if node not in (root, *ends)]
        assert (graph.x[others] == 0).all()
        assert (~graph.y[:, 0].isnan()).nonzero().squeeze(1).tolist() == [root]


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_test_permutations_are_held_out_and_shown_with_all_keys(depth: int) -> None:
    sizes = {"num_train": 40, "num_val": 16, "num_test": 20}
    task, leaves = make(depth=depth, **sizes), 2**depth
    seen = {}
    for part, size in zip(("train", "val", "test"), sizes.values(), strict=True):
        graphs = task.graphs.select(task.graphs.graphs_of(getattr(task.splits, part)))
        x = graphs.x.view(size, -1, 2)
        permutations = [tuple(row) for row in x[:, -leaves:, 1].tolist()]
        assert len(set(permutations)) == -(-size // leaves)
        keys = x[: size - size % leaves, 0, 0].view(-1, leaves) - 1
        assert torch.equal(keys, torch.arange(leaves).expand_as(keys))
        seen[part] = set(permutations)
    assert not seen["train"] & seen["val"] | seen["train"] & seen["test"] | seen["val"] & seen["test"]
    longer = make(depth=depth, **{**sizes, "num_train": 44})
    assert torch.equal(longer.graphs.x[longer.splits.test], task.graphs.x[task.splits.test])
    assert not torch.equal(make(depth=depth, split_seed=1).graphs.y.nan_to_num(), task.graphs.y.nan_to_num())


def test_more_trees_than_there_are_permutations_are_refused() -> None:
    with pytest.raises(UserError, match=r"dataset\.depth=2: 4 values have 24 permutations.*they need 29 permutations"):
        make(depth=2, num_train=80)
