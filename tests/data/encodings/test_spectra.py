"""Eigenvectors of the Laplacian against dense solutions, for small graphs and for large ones."""

import networkx as nx
import numpy as np
import pytest
import torch
from random_graphs import SPECIAL, pack, random_networks
from torch_geometric.data import Data

from gnn_distill.data.encodings import spectra
from gnn_distill.data.encodings.colours import graph_hashes
from gnn_distill.data.encodings.random_walks import random_walk_encoding
from gnn_distill.data.encodings.spectra import LARGE, canonical, laplacian_eigenvectors
from gnn_distill.data.packed import PackedGraphs

NETWORKS = {name: network for name, network in SPECIAL.items() if name != "long path"}
NETWORKS |= {f"random {i}": network for i, network in enumerate(random_networks())}
GRID = nx.convert_node_labels_to_integers(nx.grid_2d_graph(23, 23))
CLUSTER = nx.random_regular_graph(3, LARGE + 20, seed=1)
LARGE_NETWORKS = {
    "large": nx.gnp_random_graph(700, 0.005, seed=1),  # has nodes without edges and small components
    "large, directed": nx.gnp_random_graph(600, 0.01, seed=2, directed=True),
    "large, with loops": nx.compose(nx.path_graph(LARGE + 50), nx.Graph([(i, i) for i in range(0, LARGE, 3)])),
    "repeated eigenvalues": GRID,
    "equal components": nx.disjoint_union(CLUSTER, CLUSTER),
    "one eigenvalue": nx.star_graph(LARGE + 50),
    "long": nx.path_graph(LARGE + 300),
    "no edges": nx.empty_graph(LARGE + 1),
    "small components": nx.disjoint_union_all([nx.path_graph(2 + i % 4) for i in range(200)]),
}


def normalised_laplacian(network: nx.Graph) -> np.ndarray:
    network = nx.Graph(network.to_undirected())
    network.remove_edges_from(list(nx.selfloop_edges(network)))
    return nx.normalized_laplacian_matrix(network, nodelist=range(len(network))).toarray()


def check(network: nx.Graph, encoding: np.ndarray, name: str) -> None:
    laplacian = normalised_laplacian(network)
    components = nx.number_connected_components(network.to_undirected())
    values = np.linalg.eigvalsh(laplacian)[components:][: encoding.shape[1]]
    found, padding = encoding[:, : len(values)], encoding[:, len(values) :]
    np.testing.assert_allclose(found.T @ found, np.eye(len(values)), atol=1e-5, err_msg=name)
    np.testing.assert_allclose(laplacian @ found, found * values, atol=1e-6, err_msg=name)
    assert (padding == 0).all(), name
    for vector in found.T:
        assert vector.max() > np.abs(vector).max() - 1e-6, name


@pytest.mark.parametrize("vectors", [3, 8])
def test_laplacian_eigenvectors(vectors):
    graphs = pack(list(NETWORKS.values()))
    parts = laplacian_eigenvectors(graphs, vectors).split(graphs.num_nodes.tolist())
    for (name, network), encoding in zip(NETWORKS.items(), parts, strict=True):
        check(network, encoding.numpy(), name)


def test_large_graphs_among_small_ones():
    networks = {"small": nx.cycle_graph(7)} | LARGE_NETWORKS
    graphs = pack(list(networks.values()))
    done = []
    parts = laplacian_eigenvectors(graphs, 6, done.append).split(graphs.num_nodes.tolist())
    assert sum(done) == graphs.x.size(0)
    for (name, network), encoding in zip(networks.items(), parts, strict=True):
        check(network, encoding.numpy(), name)


@pytest.mark.parametrize("name", ["large", "one eigenvalue", "long"])
def test_large_graphs_have_the_same_vectors_every_time(name):
    graphs = pack([LARGE_NETWORKS[name]])
    assert torch.equal(laplacian_eigenvectors(graphs, 5), laplacian_eigenvectors(graphs, 5))


def test_the_sparse_solver_agrees_with_the_dense_one(monkeypatch):
    network = nx.gnp_random_graph(LARGE - 10, 0.02, seed=3)
    graphs = pack([network])
    dense = laplacian_eigenvectors(graphs, 10)
    monkeypatch.setattr(spectra, "LARGE", 10)
    torch.testing.assert_close(laplacian_eigenvectors(graphs, 10), dense, rtol=0, atol=1e-6)


def test_what_does_not_converge_is_factorised(monkeypatch):
    graphs = pack([LARGE_NETWORKS["large"], GRID])
    calls = []
    factorise = spectra.splu
    monkeypatch.setattr(spectra, "splu", lambda *args, **options: calls.append(1) or factorise(*args, **options))
    lanczos = laplacian_eigenvectors(graphs, 4)
    assert not calls
    monkeypatch.setattr(spectra, "RESTARTS", 2)
    network = LARGE_NETWORKS["large"]
    factorised = laplacian_eigenvectors(graphs, 4)
    assert len(calls) == 2
    torch.testing.assert_close(factorised[: len(network)], lanczos[: len(network)], rtol=0, atol=1e-6)
    check(GRID, factorised[len(network) :].numpy(), "grid")


@pytest.mark.parametrize("encode", [random_walk_encoding, laplacian_eigenvectors])
def test_encodings_do_not_depend_on_other_graphs(encode):
    networks = random_networks()
    together = pack(networks)
    rows = encode(together, 5).split(together.num_nodes.tolist())
    for network, row in zip(networks, rows, strict=True):
        torch.testing.assert_close(encode(pack([network]), 5), row)


ASYMMETRIC = nx.Graph([(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (2, 6)])
"""No symmetry and no repeated eigenvalue."""
SYMMETRIC = {
    "path": nx.path_graph(9),
    "cycle": nx.cycle_graph(6),
    "star": nx.star_graph(7),
    "complete": nx.complete_graph(5),
    "tree": nx.balanced_tree(2, 3),
    "cube": nx.convert_node_labels_to_integers(nx.hypercube_graph(3)),
    "two cycles": nx.disjoint_union(nx.cycle_graph(6), nx.cycle_graph(6)),
    "caterpillar": nx.Graph([(0, 1), (1, 2), (2, 3), *((i % 4, 4 + i) for i in range(8))]),
}


def shuffled(network: nx.Graph, seed: int, marked: tuple[int, ...] = ()) -> tuple[PackedGraphs, torch.Tensor]:
    """The graph with its nodes in another order, node by node their old places; features tell `marked` nodes."""
    order = torch.randperm(len(network), generator=torch.Generator().manual_seed(seed))
    place = order.argsort()
    edges = place[torch.tensor(list(network.to_directed().edges)).T]
    graphs = PackedGraphs.from_data_list(
        [Data(x=torch.isin(order, torch.tensor(marked)).float()[:, None], edge_index=edges)], num_targets=1
    )
    return graphs, order


def test_vectors_follow_the_nodes_where_no_symmetry_leaves_a_choice():
    expected = laplacian_eigenvectors(unnumbered([ASYMMETRIC]), 6)
    for seed in range(8):
        graphs, order = shuffled(ASYMMETRIC, seed)
        torch.testing.assert_close(laplacian_eigenvectors(graphs, 6), expected[order], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", SYMMETRIC)
@pytest.mark.parametrize("marked", [(), (2,)])  # all nodes alike, or one that is not
def test_vectors_follow_the_nodes_up_to_a_symmetry(name, marked):
    """The graphs, their features and the vectors are the same but for the order of their nodes."""
    network, seen = SYMMETRIC[name], set()
    for seed in range(8):
        graphs, _ = shuffled(network, seed, marked)
        graphs.x = torch.cat([graphs.x, (laplacian_eigenvectors(graphs, 5) * 1e3).round() + 0.0], dim=1)
        seen.add(int(graph_hashes(graphs)))
    assert len(seen) == 1


@pytest.mark.parametrize("name", SYMMETRIC)
def test_no_basis_that_a_solver_may_give_changes_the_vectors(name):
    values, basis = map(torch.from_numpy, np.linalg.eigh(normalised_laplacian(SYMMETRIC[name])))
    random = np.random.default_rng(0)
    space = (values.diff(prepend=values[:1]) > 1e-9).cumsum(0)
    colours = torch.zeros(1, len(values))
    expected = canonical(values[None], basis[None], colours, 6)
    for _ in range(5):
        turned = basis.clone()
        for index in space.unique():
            columns = (space == index).nonzero().flatten()
            turn = np.linalg.qr(random.standard_normal((len(columns), len(columns))))[0]
            turned[:, columns] = basis[:, columns] @ torch.from_numpy(turn)
        torch.testing.assert_close(canonical(values[None], turned[None], colours, 6), expected, rtol=0, atol=1e-9)


def test_a_graph_has_the_same_vectors_at_every_place_of_a_batch():
    symmetric = list(SYMMETRIC.values())
    alone = torch.cat([laplacian_eigenvectors(unnumbered([network]), 5) for network in symmetric])
    for others in range(1, 6):
        graphs = unnumbered([*random_networks(others), *symmetric, *random_networks(others), *symmetric])
        both = laplacian_eigenvectors(graphs, 5)
        start = sum(map(len, random_networks(others)))
        torch.testing.assert_close(both[start : start + len(alone)], alone, rtol=0, atol=1e-6)
        torch.testing.assert_close(both[-len(alone) :], alone, rtol=0, atol=1e-6)


def unnumbered(networks: list[nx.Graph]) -> PackedGraphs:
    graphs = pack(networks)
    graphs.x, graphs.edge_attr = torch.zeros_like(graphs.x), None
    return graphs


def test_features_of_a_node_level_graph_do_not_reach_its_vectors():
    graphs = pack([nx.cycle_graph(8)])
    graphs.level = "node"
    before = laplacian_eigenvectors(graphs, 4)
    graphs.x = graphs.x.flip(0)
    assert torch.equal(laplacian_eigenvectors(graphs, 4), before)


def test_a_graph_without_edges_has_zeros():
    assert not laplacian_eigenvectors(pack([nx.empty_graph(1), nx.empty_graph(3)]), 4).any()
