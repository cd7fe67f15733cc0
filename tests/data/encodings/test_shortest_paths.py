"""Stored predecessors give one shortest path between any two nodes, the same on every machine."""

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import SPECIAL, pack, random_networks

from gnn_distill.data.encodings.distances import MAX_DISTANCE, hop_distances
from gnn_distill.data.encodings.shortest_paths import predecessors
from gnn_distill.data.packed import pointers


def reference(network: nx.Graph) -> list[list[int]]:
    network = network.to_directed()
    hops = dict(nx.all_pairs_shortest_path_length(network))

    def before(source: int, target: int) -> int:
        if source == target or not 0 < hops[source].get(target, 0) <= MAX_DISTANCE:
            return target
        return min(u for u in network.predecessors(target) if hops[source].get(u) == hops[source][target] - 1)

    return [[before(source, target) for target in network] for source in network]


def computed(networks: list[nx.Graph]) -> list[torch.Tensor]:
    graphs = pack(networks)
    pair_ptr = pointers(graphs.num_nodes**2)
    done = []
    flat = predecessors(graphs, pair_ptr, hop_distances(graphs, pair_ptr), done.append)
    assert sum(done) == graphs.x.size(0)
    parts = flat.split(pair_ptr.diff().tolist())
    return [part.view(int(n), int(n)) for part, n in zip(parts, graphs.num_nodes, strict=True)]


def test_predecessors_of_many_graphs_at_once():
    networks = [*SPECIAL.values(), *random_networks()]
    for network, found in zip(networks, computed(networks), strict=True):
        assert found.tolist() == reference(network)


@given(seed=st.integers(0, 10**6), density=st.floats(0, 0.4), directed=st.booleans())
@settings(max_examples=15)
def test_predecessors_of_random_graphs(seed, density, directed):
    network = nx.gnp_random_graph(15, density, seed=seed, directed=directed)
    assert computed([network])[0].tolist() == reference(network)


@pytest.mark.parametrize(("nodes", "dtype"), [(256, torch.uint8), (257, torch.int16)])
def test_ids_take_no_more_room_than_the_largest_graph_needs(nodes, dtype):
    networks = [nx.path_graph(3), nx.star_graph(nodes - 1)]
    networks[1] = nx.relabel_nodes(networks[1], {0: nodes - 1, nodes - 1: 0})  # the centre has the largest id
    small, large = computed([networks[0], nx.convert_node_labels_to_integers(networks[1], ordering="sorted")])
    assert large.dtype == dtype
    assert small[0].tolist() == [0, 0, 1]
    assert large[1, 2] == nodes - 1


def test_parallel_edges_change_nothing():
    graphs = pack([nx.gnp_random_graph(9, 0.3, seed=1)])
    pair_ptr = pointers(graphs.num_nodes**2)
    once = predecessors(graphs, pair_ptr, hop_distances(graphs, pair_ptr))
    graphs.edge_index = graphs.edge_index.repeat(1, 2)
    graphs.edge_ptr = 2 * graphs.edge_ptr
    assert torch.equal(predecessors(graphs, pair_ptr, hop_distances(graphs, pair_ptr)), once)
