"""Ego networks against NetworkX's."""

import networkx as nx
import pytest
import torch
from random_graphs import SPECIAL, pack, random_networks

from gnn_distill.data.batching import collate
from gnn_distill.data.subgraphs import ego_subgraphs

NETWORKS = [network for name, network in SPECIAL.items() if name != "long path"] + random_networks()


@pytest.mark.parametrize("radius", [1, 2, 4])
def test_ego_subgraphs(radius):
    batch = collate(pack(NETWORKS), None, torch.arange(len(NETWORKS)))
    expected = torch.zeros(batch.x.size(0), batch.x.size(0))
    for network, start in zip(NETWORKS, batch.ptr.tolist(), strict=False):
        undirected = network.to_undirected()
        for centre in network:
            members = list(nx.single_source_shortest_path_length(undirected, centre, cutoff=radius))
            expected[start + centre, [start + member for member in members]] = 1 / len(members)
    operator = ego_subgraphs(batch, radius)
    torch.testing.assert_close(operator.to_dense(), expected)
    # The claim to be coalesced holds: indices ascend.
    rows, columns = operator.indices()
    assert (rows * len(expected) + columns).diff().min() > 0


def test_means_over_subgraphs_pass_gradients():
    batch = collate(pack(NETWORKS[:4]), None, torch.arange(4))
    states = torch.randn(batch.x.size(0), 3, requires_grad=True)
    operator = ego_subgraphs(batch, 2)
    means = operator @ states
    means.square().sum().backward()
    torch.testing.assert_close(states.grad, 2 * operator.to_dense().T @ means.detach())
