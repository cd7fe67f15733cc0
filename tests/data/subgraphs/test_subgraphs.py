"""Subgraphs against NetworkX and plain loops, and their means in batches of any graphs and nodes."""

from dataclasses import replace
from itertools import pairwise

import networkx as nx
import pytest
import torch
from random_graphs import SPECIAL, pack, random_networks

from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.subgraphs.subgraphs import Subgraphs, batch_walks, compute_subgraphs, compute_walks, partition

NETWORKS = [network for name, network in SPECIAL.items() if name != "long path"] + random_networks()
PACKED = pack(NETWORKS)
SOME = torch.tensor([20, 3, 0, 7, 2, 4])


def members(subgraphs: Subgraphs, graph: int) -> list[list[int]]:
    """The nodes of every subgraph of a graph."""
    first, last = subgraphs.subgraph_ptr[graph : graph + 2].tolist()
    ptr = subgraphs.member_ptr.tolist()
    return [subgraphs.members[ptr[s] : ptr[s + 1]].tolist() for s in range(first, last)]


def expected_operator(subgraphs: Subgraphs, batch: GraphBatch) -> torch.Tensor:
    rows = []
    for place, graph in enumerate(batch.graph_ids.tolist()):
        for nodes in members(subgraphs, graph):
            row = torch.zeros(len(batch.x))
            row[[int(batch.ptr[place]) + node for node in nodes]] = 1 / len(nodes)
            rows.append(row)
    return torch.stack(rows)


@pytest.mark.parametrize("radius", [1, 2, 4])
def test_balls_are_networkx_s(radius: int) -> None:
    subgraphs = compute_subgraphs(PACKED, "ego", radius=radius, max_members=1000)
    for graph, network in enumerate(NETWORKS):
        undirected = network.to_undirected()
        expected = [sorted(nx.single_source_shortest_path_length(undirected, i, cutoff=radius)) for i in network]
        assert members(subgraphs, graph) == expected


def test_large_balls_are_sampled_with_their_centre() -> None:
    network = nx.barabasi_albert_graph(1500, 3, seed=0)  # more than one block
    packed = pack([nx.path_graph(3), network])
    whole, few, again, other = (
        compute_subgraphs(packed, "ego", radius=2, max_members=most, seed=seed)
        for most, seed in ((10_000, 0), (16, 0), (16, 0), (16, 1))
    )
    assert members(few, 0) == members(whole, 0)
    counts = torch.zeros(1500)
    for node, (ball, sample) in enumerate(zip(members(whole, 1), members(few, 1), strict=True)):
        assert len(sample) == len(set(sample)) == min(len(ball), 16)
        assert node in sample
        assert set(sample) <= set(ball)
        counts[sample] += 1
    assert torch.equal(few.members, again.members)
    assert not torch.equal(few.members, other.members)
    assert (counts > 1).float().mean() > 0.9  # not only the first of each ball


def test_samples_of_a_graph_do_not_depend_on_the_edges_of_others() -> None:
    star, graph = nx.star_graph(30), nx.barabasi_albert_graph(60, 3, seed=0)
    with_large, with_small = (
        compute_subgraphs(pack([other, graph]), "ego", radius=2, max_members=8) for other in (star, nx.path_graph(31))
    )
    assert members(with_large, 1) == members(with_small, 1)


def test_walks_go_along_edges() -> None:
    walks = compute_walks(PACKED, length=5, seed=3)
    assert torch.equal(walks, compute_walks(PACKED, length=5, seed=3))
    assert not torch.equal(walks, compute_walks(PACKED, length=5, seed=4))
    subgraphs = compute_subgraphs(PACKED, "walk", walk_length=5, seed=3)
    for graph, network in enumerate(NETWORKS):
        undirected = network.to_undirected()
        own = walks[PACKED.node_ptr[graph] : PACKED.node_ptr[graph + 1]].tolist()
        assert [walk[0] for walk in own] == list(range(len(network)))
        for walk in own:
            for here, there in pairwise(walk):
                alone = not set(undirected[here]) - {here}
                assert here == there if alone else there in set(undirected[here]) - {here}
        assert members(subgraphs, graph) == [sorted(set(walk)) for walk in own]


def test_clusters_part_each_graph_and_are_communities() -> None:
    cliques = nx.disjoint_union_all([nx.complete_graph(5)] * 3)
    cliques.add_edges_from([(0, 5), (5, 10)])
    packed = pack([*NETWORKS, cliques])
    subgraphs = compute_subgraphs(packed, "cluster", seed=0)
    for graph, network in enumerate(NETWORKS):
        assert sorted(node for some in members(subgraphs, graph) for node in some) == list(range(len(network)))
    assert len(members(subgraphs, 1)) == 4  # no edges
    assert sorted(members(subgraphs, len(NETWORKS))) == [[*range(5)], [*range(5, 10)], [*range(10, 15)]]
    assert torch.equal(subgraphs.members, compute_subgraphs(packed, "cluster", seed=0).members)


def test_parts_are_nodes_of_one_graph_with_one_label() -> None:
    packed = pack([nx.path_graph(4), nx.path_graph(1), nx.path_graph(3)])
    subgraphs = partition(packed, torch.tensor([2, 0, 2, 0, 0, 1, 1, 0]))
    assert [members(subgraphs, graph) for graph in range(3)] == [[[1, 3], [0, 2]], [[0]], [[2], [0, 1]]]


@pytest.mark.parametrize("source", ["ego", "walk", "cluster"])
def test_a_batch_has_the_means_of_its_subgraphs(source: str) -> None:
    subgraphs = compute_subgraphs(PACKED, source)
    subgraphs = Subgraphs.from_tensors(subgraphs.to_tensors())
    batch = collate(PACKED, None, SOME)
    operator, expected = subgraphs.operator(batch), expected_operator(subgraphs, batch)
    torch.testing.assert_close(operator.to_dense(), expected)
    assert len(operator.rows.values) == int((expected > 0).sum())  # each entry once


@pytest.mark.parametrize("source", ["ego", "walk", "cluster"])
def test_of_wanted_nodes_only_these_are_averaged(source: str) -> None:
    subgraphs = compute_subgraphs(PACKED, source)
    batch = collate(PACKED, None, SOME)
    outputs = torch.randperm(len(batch.x), generator=torch.Generator().manual_seed(0))[: len(batch.x) // 3]
    operator = subgraphs.operator(replace(batch, outputs=outputs))
    expected = expected_operator(subgraphs, batch)
    if subgraphs.centred:
        expected = expected[outputs]
    expected = expected[:, outputs]
    expected = expected[expected.sum(dim=1) > 0]
    torch.testing.assert_close(operator.to_dense(), expected / expected.sum(dim=1, keepdim=True))
    assert len(operator.rows.values) == int((expected > 0).sum())


def test_clusters_can_be_padded() -> None:
    subgraphs = compute_subgraphs(PACKED, "cluster")
    batch = collate(PACKED, None, SOME)
    place, mask = subgraphs.places(batch)
    sizes = [len(members(subgraphs, graph)) for graph in SOME.tolist()]
    assert mask.sum(dim=1).tolist() == sizes
    assert mask.shape == (len(SOME), max(sizes))
    assert torch.equal(place, mask.flatten().nonzero().squeeze(1))


def test_walks_are_rows_of_a_batch() -> None:
    walks = compute_walks(PACKED, length=4)
    batch = collate(PACKED, None, SOME)
    expected = torch.cat(
        [walks[PACKED.node_ptr[g] : PACKED.node_ptr[g + 1]] + batch.ptr[p] for p, g in enumerate(SOME)]
    )
    rows = batch_walks(walks, batch)
    assert torch.equal(rows, expected)
    outputs = torch.randperm(len(batch.x), generator=torch.Generator().manual_seed(0))[: len(batch.x) // 2]
    some = outputs[batch_walks(walks, replace(batch, outputs=outputs))]
    wanted = set(outputs.tolist())
    assert sorted(some.tolist()) == sorted(walk for walk in rows.tolist() if set(walk) <= wanted)
    assert 0 < len(some) < len(rows)


def test_means_over_subgraphs_pass_gradients() -> None:
    batch = collate(PACKED, None, SOME)
    states = torch.randn(batch.x.size(0), 3, requires_grad=True)
    operator = compute_subgraphs(PACKED, "walk").operator(batch)
    means = operator @ states
    means.square().sum().backward()
    torch.testing.assert_close(states.grad, 2 * operator.to_dense().T @ means.detach())
