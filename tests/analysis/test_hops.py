import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from random_graphs import SPECIAL, pack, random_networks

from gnn_distill.analysis import hops
from gnn_distill.analysis.hops import ByHop, Distances, bin_of, bootstrap, plain, weighted_mean
from gnn_distill.data.batching import collate
from gnn_distill.data.encodings.distances import UNREACHABLE

NETWORKS = [*random_networks(8), SPECIAL["directed path"], SPECIAL["disconnected"], SPECIAL["one node"]]


@pytest.mark.parametrize("stored", [True, False])
def test_distances_follow_messages(monkeypatch: pytest.MonkeyPatch, stored: bool) -> None:
    """Also where no pair is stored, and nodes are searched from one by one."""
    if not stored:
        monkeypatch.setattr(hops, "MOST_STORED", 0)
    graphs = pack(NETWORKS)
    ids = torch.tensor([9, 0, 3, 8, 10])
    batch, distances = collate(graphs, None, ids), Distances(graphs)
    assert distances.stored == stored
    places = torch.tensor([min(2, size - 1) for size in batch.ptr.diff().tolist()])
    found = distances.to(batch, batch.ptr[:-1] + places)
    outward = distances.to(batch, batch.ptr[:-1] + places, outward=True)
    for graph, (id, place) in enumerate(zip(ids.tolist(), places.tolist(), strict=True)):
        network = NETWORKS[id]
        for node in network:
            here = int(batch.ptr[graph]) + node
            assert found[here] == shortest(network, node, place)
            assert outward[here] == shortest(network, place, node)


def test_distances_of_all_pairs_are_padded() -> None:
    graphs = pack(NETWORKS)
    ids = torch.tensor([8, 4])
    batch, distances = collate(graphs, None, ids), Distances(graphs)
    found = distances.among(batch)
    assert found.shape == (2, batch.max_nodes, batch.max_nodes)
    for graph, id in enumerate(ids.tolist()):
        for target in NETWORKS[id]:
            for source in NETWORKS[id]:
                assert found[graph, target, source] == shortest(NETWORKS[id], source, target)


def test_diameters() -> None:
    networks = [
        nx.path_graph(7),
        nx.cycle_graph(9),
        nx.empty_graph(3),
        nx.disjoint_union(nx.path_graph(4), nx.path_graph(2)),
    ]
    assert Distances(pack(networks)).diameters().tolist() == [6, 4, 0, 3]


def test_bins() -> None:
    assert bin_of(np.array([0, 3, 4, 5, 200, UNREACHABLE], dtype=np.uint8), most=4).tolist() == [0, 3, 4, 5, 5, 6]


@given(st.integers(0, 10_000))
def test_sums_against_a_loop(seed: int) -> None:
    random = np.random.default_rng(seed)
    root = np.sort(random.integers(0, 3, 20))
    distance = random.choice([0, 1, 2, 3, 4, 7, UNREACHABLE], 20)
    values = random.random(20)
    found = ByHop.sums(values, distance, root, num_roots=3, most=3)
    total, count, moment = np.zeros((3, 6)), np.zeros((3, 6)), np.zeros(3)
    for r, d, value in zip(root, distance, values, strict=True):
        place = 5 if d == UNREACHABLE else min(d, 4)
        total[r, place] += value
        count[r, place] += 1
        moment[r] += 0 if d == UNREACHABLE else d * value
    np.testing.assert_allclose(found.total, total)
    np.testing.assert_array_equal(found.count, count)
    np.testing.assert_allclose(found.moment, moment)
    shares, reaches = [], []
    for r in range(3):
        if total[r].sum():
            shares.append(total[r] / total[r].sum())
        if total[r, :5].sum():
            reaches.append(moment[r] / total[r, :5].sum())
    np.testing.assert_allclose(found.share(np.ones(3)), np.mean(shares, axis=0))
    assert found.reach(np.ones(3)) == pytest.approx(np.mean(reaches))
    assert found.far_share(np.ones(3), far=2) == pytest.approx(np.mean(shares, axis=0)[2:5].sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total.sum(axis=0) / count.sum(axis=0)
        np.testing.assert_allclose(found.per_node(np.ones(3)), mean / mean[0])


def test_weights_are_repetitions() -> None:
    """As the bootstrap uses them."""
    random = np.random.default_rng(0)
    sums = ByHop(random.random((4, 6)), random.integers(1, 4, (4, 6)).astype(float), random.random(4))
    weight = np.array([2.0, 0.0, 1.0, 1.0])
    repeated = sums.of(np.array([0, 0, 2, 3]))
    for statistic in (ByHop.share, ByHop.per_node, ByHop.reach):
        np.testing.assert_allclose(statistic(sums, weight), statistic(repeated, np.ones(4)))


def test_bootstrap_of_a_mean() -> None:
    """Its interval is that of the normal approximation, where this one is good."""
    values = np.random.default_rng(1).normal(3, 2, (400, 2))
    found = bootstrap(lambda weight: weighted_mean(values, weight), 400, resamples=2000)
    np.testing.assert_allclose(found.value, values.mean(axis=0))
    half = 1.96 * values.std(axis=0) / 20
    np.testing.assert_allclose(found.low, values.mean(axis=0) - half, atol=0.04)
    np.testing.assert_allclose(found.high, values.mean(axis=0) + half, atol=0.04)
    assert bootstrap(lambda weight: np.full(weight.shape[:-1], np.nan), 5, resamples=10).to_json() == {
        "value": None,
        "low": None,
        "high": None,
    }
    one = bootstrap(lambda weight: weighted_mean(values[:, 0], weight), 400, resamples=2000)
    assert [one.value, one.low, one.high] == pytest.approx([found.value[0], found.low[0], found.high[0]])


def test_plain_values_are_strict_json() -> None:
    assert plain(np.array([[1 / 3, np.inf], [np.nan, 2]])) == [[0.333333, None], [None, 2.0]]


def shortest(network: nx.Graph, source: int, target: int) -> int:
    try:
        return nx.shortest_path_length(network, source, target)
    except nx.NetworkXNoPath:
        return UNREACHABLE
