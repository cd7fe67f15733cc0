"""Return probabilities of random walks against slow references, for small graphs and for large ones."""

import networkx as nx
import numpy as np
import pytest
import torch
from random_graphs import SPECIAL, pack, random_networks
from torch_geometric.data import Data
from torch_geometric.transforms import AddRandomWalkPE

from gnn_distill.data.encodings import random_walks
from gnn_distill.data.encodings.random_walks import LARGE, random_walk_encoding

NETWORKS = {name: network for name, network in SPECIAL.items() if name != "long path"}
NETWORKS |= {f"random {i}": network for i, network in enumerate(random_networks())}
NETWORKS |= {
    "large": nx.gnp_random_graph(150, 0.03, seed=4),
    "large, directed": nx.gnp_random_graph(140, 0.02, seed=5, directed=True),
    "large, in parts, with loops": nx.disjoint_union(nx.Graph([(i, i) for i in range(40)]), nx.cycle_graph(99)),
}


def expected(network: nx.Graph, steps: int) -> np.ndarray:
    walk = nx.to_numpy_array(network)
    walk /= walk.sum(1, keepdims=True).clip(min=1)
    return np.stack([np.linalg.matrix_power(walk, k).diagonal() for k in range(1, steps + 1)], 1)


@pytest.mark.parametrize("steps", [1, 4, 7])
def test_random_walks(steps):
    graphs = pack(list(NETWORKS.values()))
    assert (graphs.num_nodes > LARGE).sum() == 3
    done = []
    parts = random_walk_encoding(graphs, steps, done.append).split(graphs.num_nodes.tolist())
    assert sum(done) == graphs.x.size(0)
    for (name, network), encoding in zip(NETWORKS.items(), parts, strict=True):
        np.testing.assert_allclose(encoding, expected(network, steps), atol=1e-6, err_msg=name)


@pytest.mark.parametrize("directed", [False, True])
def test_blocks_of_a_large_graph_join(directed, monkeypatch):
    monkeypatch.setattr(random_walks, "MAX_PAIRS", 1)
    network = nx.gnp_random_graph(150, 0.05, seed=6, directed=directed)
    assert 150 % random_walks.BLOCK != 0
    np.testing.assert_allclose(random_walk_encoding(pack([network]), 5), expected(network, 5), atol=1e-6)


def test_parallel_edges_count_each():
    graphs = pack([nx.cycle_graph(120)])
    once = random_walk_encoding(graphs, 4)
    graphs.edge_index = torch.cat([graphs.edge_index, torch.tensor([[0], [1]])], dim=1)  # 0 goes to 1 twice as often
    graphs.edge_ptr = torch.tensor([0, graphs.edge_index.size(1)])
    twice = random_walk_encoding(graphs, 4)
    torch.testing.assert_close(once[0], torch.tensor([0, 1 / 2, 0, 3 / 8]))
    torch.testing.assert_close(twice[1, 1], torch.tensor(1 / 2 * 2 / 3 + 1 / 4))


def test_random_walks_are_those_of_pyg():
    graphs = pack([nx.gnp_random_graph(12, 0.3, seed=5)])
    data = AddRandomWalkPE(6)(Data(x=graphs.x, edge_index=graphs.edge_index))
    torch.testing.assert_close(random_walk_encoding(graphs, 6), data.random_walk_pe)


def test_a_graph_without_edges_has_zeros():
    assert not random_walk_encoding(pack([nx.empty_graph(1), nx.empty_graph(3), nx.empty_graph(150)]), 4).any()
