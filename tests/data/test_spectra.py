"""Random-walk and Laplacian encodings against slow references, graph by graph."""

import networkx as nx
import numpy as np
import pytest
import torch
from random_graphs import SPECIAL, pack, random_networks
from torch_geometric.data import Data
from torch_geometric.transforms import AddRandomWalkPE

from gnn_distill.data.spectra import laplacian_eigenvectors, random_walk_encoding

NETWORKS = {name: network for name, network in SPECIAL.items() if name != "long path"}
NETWORKS |= {f"random {i}": network for i, network in enumerate(random_networks())}


def normalised_laplacian(network: nx.Graph) -> np.ndarray:
    network = nx.Graph(network.to_undirected())
    network.remove_edges_from(list(nx.selfloop_edges(network)))
    return nx.normalized_laplacian_matrix(network, nodelist=range(len(network))).toarray()


def per_network(encode) -> dict[str, np.ndarray]:
    graphs = pack(list(NETWORKS.values()))
    parts = encode(graphs).split(graphs.num_nodes.tolist())
    return {name: part.numpy() for name, part in zip(NETWORKS, parts, strict=True)}


@pytest.mark.parametrize("steps", [1, 4, 7])
def test_random_walks(steps):
    for name, encoding in per_network(lambda graphs: random_walk_encoding(graphs, steps)).items():
        walk = nx.to_numpy_array(NETWORKS[name])
        walk /= walk.sum(1, keepdims=True).clip(min=1)
        expected = [np.linalg.matrix_power(walk, k).diagonal() for k in range(1, steps + 1)]
        np.testing.assert_allclose(encoding, np.stack(expected, 1), atol=1e-6, err_msg=name)


def test_random_walks_are_those_of_pyg():
    graphs = pack([nx.gnp_random_graph(12, 0.3, seed=5)])
    data = AddRandomWalkPE(6)(Data(x=graphs.x, edge_index=graphs.edge_index))
    torch.testing.assert_close(random_walk_encoding(graphs, 6), data.random_walk_pe)


@pytest.mark.parametrize("vectors", [3, 8])
def test_laplacian_eigenvectors(vectors):
    for name, encoding in per_network(lambda graphs: laplacian_eigenvectors(graphs, vectors)).items():
        laplacian = normalised_laplacian(NETWORKS[name])
        components = nx.number_connected_components(NETWORKS[name].to_undirected())
        values = np.linalg.eigvalsh(laplacian)[components:][:vectors]
        found, padding = encoding[:, : len(values)], encoding[:, len(values) :]
        np.testing.assert_allclose(found.T @ found, np.eye(len(values)), atol=1e-5, err_msg=name)
        np.testing.assert_allclose(laplacian @ found, found * values, atol=1e-5, err_msg=name)
        assert (padding == 0).all(), name
        for vector in found.T:
            magnitude = np.abs(vector)
            assert vector[np.argmax(magnitude > magnitude.max() - 1e-6)] > 0, name


def test_encodings_do_not_depend_on_other_graphs():
    networks = random_networks()
    together = pack(networks)
    for encode in (random_walk_encoding, laplacian_eigenvectors):
        rows = encode(together, 5).split(together.num_nodes.tolist())
        for network, row in zip(networks, rows, strict=True):
            torch.testing.assert_close(encode(pack([network]), 5), row)


def test_a_graph_without_edges_has_zeros():
    graphs = pack([nx.empty_graph(1), nx.empty_graph(3)])
    assert not random_walk_encoding(graphs, 4).any()
    assert not laplacian_eigenvectors(graphs, 4).any()
