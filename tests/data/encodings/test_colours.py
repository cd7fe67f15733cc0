"""Weisfeiler-Leman colours and hashes: what they must not see, and what they must."""

import networkx as nx
import torch
from drawn_graphs import networks
from hypothesis import given
from hypothesis import strategies as st
from random_graphs import pack, random_networks
from torch_geometric.data import Data

from gnn_distill.data.encodings.colours import graph_hashes, node_colours
from gnn_distill.data.packed import PackedGraphs


def as_data(network: nx.MultiDiGraph, seed: int) -> Data:
    random = torch.Generator().manual_seed(seed)
    edges = torch.tensor([edge[:2] for edge in network.edges], dtype=torch.long).reshape(-1, 2).T
    return Data(
        x=torch.randint(2, (len(network), 2), generator=random).float(),
        edge_index=edges,
        edge_attr=torch.randint(2, (edges.size(1), 1), generator=random),
    )


def permuted(data: Data, seed: int) -> tuple[Data, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    nodes, edges = (torch.randperm(size, generator=random) for size in (data.num_nodes, data.edge_index.size(1)))
    place = nodes.argsort()
    return Data(data.x[nodes], place[data.edge_index][:, edges], data.edge_attr[edges]), nodes


@given(networks(), st.integers(0, 9))
def test_colours_follow_the_nodes(network: nx.MultiDiGraph, seed: int) -> None:
    data = as_data(network, seed)
    other, order = permuted(data, seed)
    graphs = PackedGraphs.from_data_list([data, other], num_targets=1)
    first, second = node_colours(graphs).split(data.num_nodes)
    assert torch.equal(first[order], second)
    assert len(graph_hashes(graphs).unique()) == 1


def test_hashes_do_not_depend_on_other_graphs() -> None:
    networks = random_networks()
    together = graph_hashes(pack(networks))
    for network, found in zip(networks, together, strict=True):
        assert graph_hashes(pack([network])) == found


def test_what_makes_another_graph() -> None:
    ring = torch.stack([torch.arange(6), (torch.arange(6) + 1) % 6])
    base = Data(torch.zeros(6, 2), torch.cat([ring, ring.flip(0)], dim=1), torch.zeros(12, 1))
    loop, twice, feature, edge = (base.clone() for _ in range(4))
    loop.edge_index[:, 0] = 0
    twice.edge_index = torch.cat([base.edge_index, base.edge_index[:, :1]], dim=1)
    twice.edge_attr = torch.zeros(13, 1)
    feature.x[3, 1] = 1
    edge.edge_attr[4] = 1
    lonely = Data(torch.zeros(7, 2), base.edge_index, base.edge_attr)
    one_way = Data(base.x, ring, torch.zeros(6, 1))
    path = Data(base.x, base.edge_index[:, 1:], base.edge_attr[1:])
    graphs = PackedGraphs.from_data_list([base, loop, twice, feature, edge, lonely, one_way, path], num_targets=1)
    assert len(graph_hashes(graphs).unique()) == 8


def test_equal_numbers_are_equal_features() -> None:
    nodes = [Data(torch.tensor([[value]]), torch.empty(2, 0, dtype=torch.long)) for value in (0.0, -0.0, 1e-30)]
    first, second, third = graph_hashes(PackedGraphs.from_data_list(nodes, num_targets=1)).tolist()
    assert first == second != third
