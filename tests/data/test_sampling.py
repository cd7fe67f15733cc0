"""Sampled neighbourhoods, parts, and their sums over neighbours."""

import importlib.util

import numpy as np
import pytest
import torch
from small_tasks import make_node_task

from gnn_distill.data import in_edges
from gnn_distill.data.adjacency import adjacency
from gnn_distill.data.in_edges import InEdges
from gnn_distill.data.part_batches import PartBatches, sparse_rows
from gnn_distill.data.sampling import ALL, CSRSampler, cluster_parts, neighbourhoods, random_parts

TASK = make_node_task()
EDGES = InEdges.of(TASK.graphs)
PAIRS = {tuple(pair) for pair in TASK.graphs.edge_index.T.tolist()}


def pairs(nodes: np.ndarray, source: np.ndarray, target: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(nodes[source].tolist(), nodes[target].tolist(), strict=True))


def test_rows_are_the_edges_into_each_node():
    found = {
        (int(source), node) for node in range(40) for source in EDGES.source[EDGES.ptr[node] : EDGES.ptr[node + 1]]
    }
    assert found == PAIRS
    assert [(int(TASK.graphs.edge_index[0, column])) for column in EDGES.edge] == EDGES.source.tolist()


def test_degrees_leave_loops_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(in_edges, "ROWS", 2)
    graph = InEdges(np.array([0, 2, 3, 3, 6, 7]), np.array([0, 1, 1, 3, 0, 3, 0], dtype=np.int32))
    assert graph.degree.tolist() == [1, 0, 0, 1, 1]


def test_few_neighbours_are_all_taken_and_of_many_as_many_as_asked_for():
    seeds = np.array([7, 3, 20])
    nodes, source, target, edge = CSRSampler(EDGES, [2, ALL]).sample(seeds)
    assert nodes[:3].tolist() == seeds.tolist()
    assert len({*nodes}) == len(nodes)
    found = pairs(nodes, source, target)
    assert {*found} <= PAIRS
    assert found == [tuple(TASK.graphs.edge_index[:, column].tolist()) for column in edge]
    assert (np.diff(target) >= 0).all()
    degree = np.diff(EDGES.ptr)
    counts = np.bincount(target, minlength=len(nodes))
    assert counts[:3].tolist() == np.minimum(degree[seeds], 2).tolist()
    first = {source for source, target in found if target in seeds} - {*seeds}
    assert all(counts[place] == degree[node] for place, node in enumerate(nodes) if node in first)


def test_draws_depend_on_the_seed_alone():
    def drawn(seed: int) -> list[int]:
        return CSRSampler(EDGES, [2, 2], (seed, 1)).sample(np.arange(10))[1].tolist()

    assert drawn(1) == drawn(1) != drawn(2)


def test_node_loader_gives_a_neighbourhood_for_every_batch_of_seeds():
    seeds = [np.array([4, 9, 1]), np.array([30, 2])]
    found = list(neighbourhoods(CSRSampler(EDGES, [3]), seeds))
    assert [count for _, count in found] == [3, 2]
    for (data, count), wanted in zip(found, seeds, strict=True):
        assert data.n_id[:count].tolist() == wanted.tolist()
        assert {*pairs(data.n_id.numpy(), *data.edge_index.numpy())} <= PAIRS


def test_among_gives_exactly_the_edges_between_the_nodes():
    nodes = np.array([5, 6, 7, 8, 20, 21])
    _, source, target, _ = CSRSampler(EDGES, ()).among(nodes)
    assert sorted(pairs(nodes, source, target)) == sorted(pair for pair in PAIRS if {*pair} <= {*nodes.tolist()})


@pytest.mark.parametrize("kind", ["sum", "mean", "gcn"])
def test_sums_of_sampled_neighbours_are_right_on_average(kind: str):
    torch.manual_seed(0)
    h = torch.randn(40, 3)
    whole = adjacency(kind, TASK.graphs.edge_index, 40) @ h
    sampler, seeds, total = CSRSampler(EDGES, [2], (3,)), np.arange(0, 40, 4), 0
    for _ in range(600):
        nodes, source, target, _ = sampler.sample(seeds)
        degree = torch.from_numpy(EDGES.degree[nodes])
        matrix = adjacency(kind, torch.from_numpy(np.stack([source, target])), len(nodes), degree)
        total = total + (matrix @ h[nodes])[: len(seeds)] / 600
    torch.testing.assert_close(total, whole[seeds], rtol=0.05, atol=0.15)


def test_matrices_are_those_of_the_formulas():
    edges = torch.tensor([[0, 1, 2, 2, 1], [1, 0, 1, 2, 1]])  # with loops at 1 and 2
    assert adjacency("sum", edges, 3).to_dense().tolist() == [[0, 1, 0], [1, 1, 1], [0, 0, 1]]
    third = 1 / 3
    torch.testing.assert_close(
        adjacency("mean", edges, 3).to_dense(), torch.tensor([[0, 1, 0], [third, third, third], [0, 0, 1.0]])
    )
    root = torch.tensor([2.0, 3.0, 1.0]).rsqrt()  # in-degrees without loops, and one
    plain = torch.tensor([[1, 1, 0], [1, 1, 1], [0, 0, 1.0]])
    torch.testing.assert_close(adjacency("gcn", edges, 3).to_dense(), plain * root[:, None] * root)


def test_random_parts_hold_every_node_once():
    parts = random_parts(np.arange(10, 40), 4, (1, 2))
    assert sorted(np.concatenate(parts).tolist()) == list(range(10, 40))
    assert {len(part) for part in parts} == {7, 8}
    assert random_parts(np.arange(10, 40), 4, (1, 3))[0].tolist() != parts[0].tolist()


@pytest.mark.skipif(importlib.util.find_spec("pymetis") is None, reason="needs the extra cluster (pymetis)")
def test_clusters_hold_every_node_once_and_cut_few_edges():
    cliques = [(i + 6 * block, j + 6 * block) for block in range(4) for i in range(6) for j in range(6) if i != j]
    source, target = torch.tensor([*cliques, (0, 6), (12, 18)]).T  # two edges in one direction join cliques
    order = target.argsort(stable=True)
    ptr = np.concatenate([[0], np.bincount(target).cumsum()])
    parts = cluster_parts(InEdges(ptr, source[order].numpy()), np.arange(24), 4)
    assert sorted(part.tolist() for part in parts) == [list(range(low, low + 6)) for low in range(0, 24, 6)]


def test_rows_of_sparse_features():
    x = torch.randn(9, 5).relu()
    rows = torch.tensor([3, 3, 0, 8])
    assert torch.equal(sparse_rows(x.to_sparse_csr(), rows).to_dense(), x[rows])


def test_known_states_go_to_the_device_with_their_batch():
    batch = PartBatches(TASK, None).rows(np.array([3, 1]), (torch.ones(2, 4),)).to("meta")
    assert (batch.states[0].device.type, batch.node_rows.device.type) == ("meta", "meta")
