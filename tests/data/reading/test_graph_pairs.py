"""SR25, graph8c and BREC as published, and copies with renamed nodes."""

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.structure_data import BRECConfig, Graph8cConfig, PairsConfig, SR25Config
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.reading.graph_pairs import PAIRS, SETS, load_graphs, pack, read_codes, relabelled, spec_of
from gnn_distill.errors import UserError


@pytest.fixture(scope="module")
def paths(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> PathsConfig:
    return PathsConfig(data=str(tmp_path_factory.mktemp("data")), mirror=str(mirror))


@pytest.fixture(scope="module")
def brec(paths: PathsConfig) -> PackedGraphs:
    return load_graphs(BRECConfig(), paths)


def to_networkx(graphs: PackedGraphs, index: int) -> nx.Graph:
    graph = graphs.select(torch.tensor([index]))
    made = nx.DiGraph()
    made.add_nodes_from(range(len(graph.x)))
    made.add_edges_from(graph.edge_index.t().tolist())
    assert made.number_of_edges() == graph.edge_index.size(1)
    assert all(made.has_edge(b, a) and a != b for a, b in made.edges)
    return made.to_undirected()


def test_sr25_is_strongly_regular(paths: PathsConfig) -> None:
    graphs = load_graphs(SR25Config(), paths)
    assert (len(graphs), {*graphs.num_nodes.tolist()}) == (15, {25})
    for index in range(15):
        adjacency = nx.to_numpy_array(to_networkx(graphs, index))
        # Each node has 12 neighbours; neighbours share 5 of them, other nodes 6.
        identity, ones = np.eye(25), np.ones((25, 25))
        assert np.array_equal(adjacency @ adjacency, 12 * identity + 5 * adjacency + 6 * (ones - identity - adjacency))


def test_graph8c_is_all_connected_graphs_of_eight_nodes(paths: PathsConfig) -> None:
    graphs = load_graphs(Graph8cConfig(), paths)
    assert (len(graphs), {*graphs.num_nodes.tolist()}) == (11_117, {8})
    assert graphs.num_edges.min() == 2 * 7  # trees
    assert graphs.num_edges.max() == 2 * 28
    assert int((graphs.num_edges == 14).sum()) == 23  # trees of eight nodes
    assert all(nx.is_connected(to_networkx(graphs, index)) for index in range(0, 11_117, 1500))


def test_brec_has_400_pairs_of_different_graphs_in_six_categories(brec: PackedGraphs) -> None:
    assert {name: len(pairs) for name, pairs in PAIRS.items()} == {
        **{"basic": 60, "regular": 100, "extension": 100, "cfi": 100},
        **{"four_vertex_condition": 20, "distance_regular": 20},
    }
    assert [pair for pairs in PAIRS.values() for pair in pairs] == [*range(400)]
    assert (len(brec), int(brec.num_nodes.max())) == (800, 198)
    assert torch.equal(brec.num_nodes[0::2], brec.num_nodes[1::2])
    for pair in range(0, 60, 7):
        one, other = (to_networkx(brec, 2 * pair + i) for i in (0, 1))
        assert not nx.is_isomorphic(one, other)
        assert colours(one) == colours(other)  # the 1-WL test cannot tell them apart
        assert colours(one) != colours(nx.path_graph(10))


def colours(graph: nx.Graph) -> list[str]:
    """Weisfeiler-Leman colours of all nodes after ten rounds."""
    nx.set_node_attributes(graph, "1", "type")
    found = nx.weisfeiler_lehman_subgraph_hashes(graph, node_attr="type", iterations=10)
    return sorted(each[-1] for each in found.values())


def test_categories_of_brec_are_what_they_are_called(brec: PackedGraphs) -> None:
    for pair in range(60, 110, 7):
        assert nx.is_regular(to_networkx(brec, 2 * pair))
    for pair in (110, 130, 159):
        assert nx.is_strongly_regular(to_networkx(brec, 2 * pair + 1))
    assert nx.is_distance_regular(to_networkx(brec, 2 * 385))
    assert nx.is_strongly_regular(to_networkx(brec, 2 * 365))


def small_set(folder: Path, codes: np.ndarray) -> PathsConfig:
    raw = folder / "expressiveness" / "SR25" / "raw"
    raw.mkdir(parents=True)
    (raw / "sr251256.g6").write_bytes(b"\n".join(codes.tolist()) + b"\n")
    return PathsConfig(data=str(folder / "data"), mirror=str(folder))


def test_other_files_than_the_published_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expressiveness/SR25: .* holds 2 graphs, not 15"):
        load_graphs(SR25Config(), small_set(tmp_path / "few", np.array([b"Bw", b"BW"])))
    with pytest.raises(UserError, match="the raw files cannot be read"):
        load_graphs(SR25Config(), small_set(tmp_path / "broken", np.array([b"Bw"] * 14 + [b"Z"])))


def test_arrays_are_read_row_by_row_as_text_or_bytes(tmp_path: Path) -> None:
    np.save(tmp_path / "text.npy", np.array([["Bw", "BW"], ["A_", "A?"]]))
    np.save(tmp_path / "bytes.npy", np.array([b"Bw", b"BW", b"A_", b"A?"]))
    for name in ("text", "bytes"):
        assert read_codes(tmp_path / f"{name}.npy") == [b"Bw", b"BW", b"A_", b"A?"]
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        read_codes(tmp_path / "objects.npy")


def test_every_set_has_a_schema_of_its_own() -> None:
    assert {schema.source for schema in PairsConfig.__subclasses__()} == {*SETS}


@given(st.integers(0, 10**6))
def test_relabelled_graphs_are_isomorphic_and_keep_to_themselves(seed: int) -> None:
    rng = np.random.default_rng(seed)
    given_graphs = [nx.gnp_random_graph(int(rng.integers(1, 8)), 0.5, seed=int(rng.integers(999))) for _ in range(4)]
    graphs = pack(given_graphs)
    renamed = relabelled(graphs, rng)
    assert torch.equal(renamed.node_ptr, graphs.node_ptr)
    assert torch.equal(renamed.edge_ptr, graphs.edge_ptr)
    for index, graph in enumerate(given_graphs):
        assert nx.utils.graphs_equal(to_networkx(graphs, index), graph)
        assert nx.is_isomorphic(to_networkx(renamed, index), graph)
        edges = renamed.select(torch.tensor([index])).edge_index.t().tolist()
        assert edges == sorted(edges)


def test_all_orders_of_the_nodes_are_drawn() -> None:
    path = pack([nx.path_graph(3)] * 300)
    renamed = relabelled(path, np.random.default_rng(0))
    middles = [
        max(dict(to_networkx(renamed, index).degree).items(), key=lambda item: item[1])[0] for index in range(300)
    ]
    assert min(middles.count(node) for node in range(3)) > 70


def test_the_description_fits_the_graphs() -> None:
    graphs = pack([nx.star_graph(3), nx.path_graph(2)])
    spec = spec_of("stars", graphs, 4)
    degrees = np.array([3, 1, 1, 1, 1, 1])
    assert spec.log_degree == pytest.approx(np.log1p(degrees).mean())
    assert (spec.num_outputs, spec.level, len(spec.target_mean)) == (4, "graph", 4)
    assert (graphs.x < spec.node_features.sizes[0]).all()
