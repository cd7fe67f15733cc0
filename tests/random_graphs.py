"""Graphs for tests of structure: random ones, and those that code tends to forget."""

import networkx as nx
import torch
from torch_geometric.data import Data

from gnn_distill.data.packed import PackedGraphs

SPECIAL = {
    "one node": nx.empty_graph(1),
    "no edges": nx.empty_graph(4),
    "disconnected": nx.disjoint_union(nx.cycle_graph(5), nx.path_graph(4)),
    "directed path": nx.path_graph(6, create_using=nx.DiGraph),
    "loop": nx.Graph([(0, 0), (0, 1), (1, 2)]),
    "64 nodes": nx.path_graph(64),
    "65 nodes": nx.disjoint_union(nx.path_graph(60), nx.cycle_graph(5)),
    "90 nodes": nx.gnp_random_graph(90, 0.03, seed=1),
    "directed 70": nx.gnp_random_graph(70, 0.03, seed=2, directed=True),
    "directed 20": nx.gnp_random_graph(20, 0.12, seed=3, directed=True),
    "long path": nx.path_graph(300),
}


def random_networks(count: int = 12) -> list[nx.Graph]:
    """Sparse and dense ones, connected or not, of sizes that repeat."""
    return [nx.gnp_random_graph(5 + i % 5, 0.15 + 0.05 * (i % 6), seed=i, directed=i % 3 == 0) for i in range(count)]


def to_data(network: nx.Graph) -> Data:
    """Node and edge features are their running numbers."""
    edges = torch.tensor([edge[:2] for edge in network.to_directed().edges], dtype=torch.long).reshape(-1, 2).T
    nodes = network.number_of_nodes()
    return Data(
        x=torch.arange(nodes).float().unsqueeze(1),
        edge_index=edges,
        edge_attr=torch.arange(edges.size(1)).unsqueeze(1),
        y=torch.tensor([float(nodes)]),
    )


def pack(networks: list[nx.Graph]) -> PackedGraphs:
    return PackedGraphs.from_data_list([to_data(network) for network in networks], num_targets=1)
