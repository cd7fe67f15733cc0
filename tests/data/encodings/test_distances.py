"""Hop distances equal NetworkX's on graphs of every kind."""

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import SPECIAL, pack, random_networks

from gnn_distill.data.encodings import distances
from gnn_distill.data.encodings.distances import MAX_DISTANCE, UNREACHABLE, hop_distances
from gnn_distill.data.packed import pointers


def reference(network: nx.Graph) -> torch.Tensor:
    n = network.number_of_nodes()
    distances = torch.full((n, n), UNREACHABLE, dtype=torch.uint8)
    for source, lengths in nx.all_pairs_shortest_path_length(network):
        for target, length in lengths.items():
            distances[source, target] = min(length, MAX_DISTANCE)
    return distances


def computed(networks: list[nx.Graph]) -> list[torch.Tensor]:
    graphs = pack(networks)
    pair_ptr = pointers(graphs.num_nodes**2)
    flat = hop_distances(graphs, pair_ptr)
    assert flat.dtype == torch.uint8
    parts = flat.split(pair_ptr.diff().tolist())
    return [part.view(int(n), int(n)) for part, n in zip(parts, graphs.num_nodes, strict=True)]


def test_distances_of_many_graphs_at_once():
    networks = [*SPECIAL.values(), *random_networks()]
    for network, found in zip(networks, computed(networks), strict=True):
        assert torch.equal(found, reference(network))


@pytest.mark.parametrize("nodes", [20, 70])
@given(seed=st.integers(0, 10**6), density=st.floats(0, 0.2), directed=st.booleans())
@settings(max_examples=10)
def test_distances_of_random_graphs(nodes, seed, density, directed):
    network = nx.gnp_random_graph(nodes, density, seed=seed, directed=directed)
    assert torch.equal(computed([network])[0], reference(network))


def test_long_distances_are_capped_and_unreachable_ones_are_not():
    found = computed([nx.disjoint_union(nx.path_graph(300), nx.empty_graph(1))])[0]
    assert found[0, 253] == 253
    assert found[0, 254] == found[0, 299] == 254
    assert found[0, 300] == UNREACHABLE


def test_distances_along_directions_are_capped_apart_from_unreachable_ones():
    """A path that leads into a long cycle: of a pair there is a path one way only, or both ways, or none."""
    network = nx.disjoint_union(nx.path_graph(30, nx.DiGraph), nx.cycle_graph(300, nx.DiGraph))
    network.add_edge(29, 30)
    network.add_edges_from([(300, 40), (7, 7)])
    assert torch.equal(computed([network, nx.path_graph(330)])[0], reference(network))


@pytest.mark.parametrize("tail", [0, 40])
def test_a_node_with_many_neighbours(tail):
    """They are gone through by themselves: edges that many nodes have in common are not."""
    network = nx.star_graph(150)
    nx.add_path(network, range(150, 150 + tail))
    directed = nx.DiGraph(network)
    directed.remove_edges_from([(0, node) for node in range(1, 50)])
    for found, expected in zip(computed([network, directed, network]), (network, directed, network), strict=True):
        assert torch.equal(found, reference(expected))


@pytest.mark.parametrize("targets", [1, 7, 64, 85])
def test_targets_of_a_large_graph_are_searched_a_block_at_a_time(targets, monkeypatch):
    monkeypatch.setattr(distances, "MAX_PAIRS", 100)
    monkeypatch.setattr(distances, "TARGETS", targets)
    network = nx.gnp_random_graph(84, 0.02, seed=4, directed=True)
    graphs = pack([network])
    done = []
    flat = hop_distances(graphs, pointers(graphs.num_nodes**2), done.append)
    assert len(done) == -(-84 // targets)
    assert sum(done) == 84
    assert torch.equal(flat.view(84, -1), reference(network))
