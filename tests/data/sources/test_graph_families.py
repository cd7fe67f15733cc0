"""Families of random graphs: what each of them is, and that the mixtures draw them as published."""

from collections import Counter

import networkx as nx
import numpy as np
import pytest
import torch

from gnn_distill.data.sources.graph_families import FAMILIES, MIXTURES, draw_graphs, pack, toggled

ALIKE = {
    "grid": lambda n: {24: nx.grid_2d_graph(4, 6), 25: nx.grid_2d_graph(5, 5)}[n],
    "caveman": lambda n: {24: nx.caveman_graph(4, 6), 25: nx.caveman_graph(5, 5)}[n],
    "line": nx.path_graph,
    "star": lambda n: nx.star_graph(n - 1),
}
"""Families without chance."""
PRUNED = {"caterpillar": 1, "lobster": 2}
"""How often the leaves must fall until a path is left."""


@pytest.mark.parametrize("nodes", [24, 25])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_what_its_name_says(family: str, nodes: int) -> None:
    for seed in range(5):
        graph = FAMILIES[family](nodes, np.random.default_rng(seed))
        assert len(graph) == nodes
        if family in ALIKE:
            assert nx.is_isomorphic(graph, ALIKE[family](nodes))
        if family == "ladder":
            assert nx.is_isomorphic(graph.subgraph(range(24)), nx.ladder_graph(12))
            assert nx.is_connected(graph)
        if family in (*PRUNED, "tree"):
            assert nx.is_tree(graph)
        for _ in range(PRUNED.get(family, 0)):
            graph = graph.subgraph([node for node in graph if graph.degree(node) > 1])
        if family in PRUNED:
            assert max(dict(graph.degree).values(), default=0) <= 2
        if family == "holey_grid":
            whole = ALIKE["grid"](nodes)
            assert set(graph.edges) <= set(whole.edges)
            assert nx.is_connected(graph)
            assert graph.number_of_edges() == whole.number_of_edges() - round(0.2 * whole.number_of_edges())


@pytest.mark.parametrize("network", [nx.cycle_graph(20), nx.complement(nx.cycle_graph(20))])
def test_toggling_replaces_a_tenth_and_keeps_the_number_of_edges(network: nx.Graph) -> None:
    rng = np.random.default_rng(0)
    after = [toggled(network, 0.1, rng) for _ in range(300)]
    assert np.mean([graph.number_of_edges() for graph in after]) == pytest.approx(network.number_of_edges(), abs=0.5)
    kept = [len(set(graph.edges) & set(network.edges)) for graph in after]
    fewer = min(network.number_of_edges(), nx.complement(network).number_of_edges())
    assert np.mean(kept) == pytest.approx(network.number_of_edges() - 0.1 * fewer, abs=0.5)
    assert all(nx.number_of_selfloops(graph) == 0 for graph in after)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_mixtures_draw_connected_graphs_of_all_families_and_a_longer_part_only_adds(mixture: str) -> None:
    graphs = draw_graphs(150, mixture, (20, 30), (1, 2))
    shares = MIXTURES[mixture].shares
    assert sum(shares.values()) == pytest.approx(1)
    found = Counter(graph.graph["family"] for graph in graphs)
    for family, share in shares.items():
        assert abs(found[family] - 150 * share) < 4 * (150 * share * (1 - share)) ** 0.5
    assert {len(graph) for graph in graphs} == set(range(20, 31))
    assert all(nx.is_connected(graph) and set(graph) == set(range(len(graph))) for graph in graphs)
    assert [set(graph.edges) for graph in draw_graphs(20, mixture, (20, 30), (1, 2))] == [
        set(graph.edges) for graph in graphs[:20]
    ]
    assert [set(graph.edges) for graph in draw_graphs(20, mixture, (20, 30), (1, 3))] != [
        set(graph.edges) for graph in graphs[:20]
    ]


def test_nodes_are_in_random_order() -> None:
    graphs = [graph for graph in draw_graphs(60, "echo", (20, 20), (0,)) if graph.graph["family"] == "line"]
    assert len({frozenset(map(frozenset, graph.edges)) for graph in graphs}) == len(graphs)


def test_packed_graphs_hold_both_directions_sorted() -> None:
    graphs = draw_graphs(6, "corso", (15, 20), (0,))
    nodes = sum(map(len, graphs))
    packed = pack(graphs, torch.zeros(nodes, 1), torch.zeros(6, 1), "graph")
    for index, graph in enumerate(graphs):
        edges = packed.select(torch.tensor([index])).edge_index.T.tolist()
        assert edges == sorted(edges)
        assert {tuple(edge) for edge in edges} == set(graph.to_directed().edges)
