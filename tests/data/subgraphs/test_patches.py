"""Patches against slow references: their members, the edges inside, the graph that they form, and batches of them."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch
from random_graphs import SPECIAL, pack, random_networks
from small_tasks import make_spec
from torch_geometric.utils import from_smiles

from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.data.assembly.molecules import ATOM_FEATURES, BOND_FEATURES
from gnn_distill.data.batching import collate
from gnn_distill.data.encodings.structural import StructuralEncodings
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.subgraphs.bisection import bisected
from gnn_distill.data.subgraphs.fragments import brics_fragments
from gnn_distill.data.subgraphs.node_sets import communities
from gnn_distill.data.subgraphs.patches import Patches, compute_patches
from gnn_distill.data.subgraphs.patching import Patching, patching_of
from gnn_distill.errors import UserError

NETWORKS = [network for name, network in SPECIAL.items() if name != "long path"] + random_networks(8)
CUTS = {"louvain": lambda graphs: communities(graphs, 0), "bisection": lambda graphs: bisected(graphs, 4)}


def patching(source: str = "louvain", hops: int = 1, walk: int = 3, **spec: object) -> Patching:
    return Patching(source, 4 if source == "bisection" else 0, hops, walk, make_spec(**spec))


@pytest.fixture(scope="module")
def graphs() -> PackedGraphs:
    return pack(NETWORKS)


@pytest.mark.parametrize("hops", [0, 1, 2])
@pytest.mark.parametrize("source", CUTS)
def test_patches_equal_their_references(source: str, hops: int, graphs: PackedGraphs) -> None:
    patches, cut = compute_patches(graphs, patching(source, hops)), CUTS[source](graphs)
    batch = collate(graphs, StructuralEncodings(patches=patches), torch.arange(len(graphs)))
    found, coarse, number = batch.patches, batch.patches.graph, 0
    first_node, first_edge = graphs.node_ptr.tolist(), graphs.edge_ptr.tolist()
    edges = graphs.edge_index.T.tolist()
    for graph, start in enumerate(first_node[:-1]):
        label = cut[start : first_node[graph + 1]].tolist()
        own = edges[first_edge[graph] : first_edge[graph + 1]]
        either = nx.Graph(own)
        either.add_nodes_from(range(len(label)))
        parts = [[node for node, of in enumerate(label) if of == part] for part in sorted({*label})]
        between = np.zeros((len(parts), len(parts)))
        place = {node: number for number, part in enumerate(parts) for node in part}
        for a, b in own:
            between[place[a], place[b]] += 1
        hop = dict(nx.all_pairs_shortest_path_length(nx.from_numpy_array(between, create_using=nx.DiGraph)))
        walk = between / np.maximum(between.sum(1, keepdims=True), 1)
        for row, part in enumerate(parts):
            assert int(coarse.batch[number]) == graph
            near = nx.multi_source_dijkstra_path_length(either, part, cutoff=hops)
            members = (found.patch == number).nonzero().squeeze(1)
            assert (found.members[members] - start).tolist() == sorted(near)
            inside = found.patch[found.edge_index[0]] == number
            assert torch.equal(found.patch[found.edge_index[1]] == number, inside)
            ids = found.edges[inside]
            expected = [first_edge[graph] + e for e, (a, b) in enumerate(own) if a in near and b in near]
            assert sorted(ids.tolist()) == expected
            assert torch.equal(found.members[found.edge_index[:, inside]], batch.edge_index[:, ids])
            distance = coarse.spd[graph, row, : len(parts)].tolist()
            assert distance == [hop[row].get(other, 255) for other in range(len(parts))]
            returns = [np.linalg.matrix_power(walk, step)[row, row] for step in (1, 2, 3)]
            np.testing.assert_allclose(coarse.rwse[number], returns, atol=1e-6)
            number += 1
    assert number == len(coarse.batch)
    values = torch.randn(len(found.members), 2, generator=torch.Generator().manual_seed(0))
    means = [values[found.patch == patch].mean(dim=0) for patch in range(number)]
    torch.testing.assert_close(found.means(values), torch.stack(means))


@pytest.mark.parametrize("source", CUTS)
def test_a_graph_has_the_same_patches_in_any_company(source: str, graphs: PackedGraphs) -> None:
    """Also those in batches of other orders, and after they were stored."""
    patches = compute_patches(graphs, patching(source))
    kept = Patches.from_tensors(patches.to_tensors())
    encodings = StructuralEncodings(patches=kept)
    ids = torch.randperm(len(graphs), generator=torch.Generator().manual_seed(0))
    together = collate(graphs, encodings, ids)
    for place, graph in enumerate(ids.tolist()):
        one = graphs.select(torch.tensor([graph]))
        alone = collate(one, StructuralEncodings(patches=compute_patches(one, patching(source))), torch.tensor([0]))
        mine = together.patches.graph.batch[together.patches.patch] == place
        assert torch.equal(together.patches.members[mine] - together.ptr[place], alone.patches.members)
        edges = mine[together.patches.edge_index[0]]
        first = int(mine.nonzero()[0])
        assert torch.equal(together.patches.edge_index[:, edges] - first, alone.patches.edge_index)
        assert torch.equal(together.edge_attr[together.patches.edges[edges]], alone.edge_attr[alone.patches.edges])
        size = alone.patches.graph.max_nodes
        assert torch.equal(together.patches.graph.spd[place, :size, :size], alone.patches.graph.spd[0])


def test_a_batch_takes_its_patches_to_another_device_and_into_another_precision(graphs: PackedGraphs) -> None:
    batch = collate(graphs, StructuralEncodings(patches=compute_patches(graphs, patching())), torch.arange(3))
    there = batch.to("meta").patches
    assert {there.members.device.type, there.graph.spd.device.type, there.graph.batch.device.type} == {"meta"}
    assert batch.patches.members.device.type == "cpu"


def test_patches_that_cover_a_graph_hold_all_of_it() -> None:
    packed = pack([nx.path_graph(6), nx.cycle_graph(5)])
    patches = compute_patches(packed, patching("bisection", hops=100, walk=0))
    assert patches.member_ptr.diff().tolist() == [6] * 4 + [5] * 4
    assert patches.inside_ptr.diff().tolist() == [4 * 10, 4 * 10]
    assert patches.walks.shape == (8, 0)


def test_bisection_cuts_few_edges_into_parts_of_one_size() -> None:
    cliques = nx.disjoint_union_all([nx.complete_graph(4)] * 3)
    cliques.add_edges_from([(3, 4), (7, 8)])
    order = np.random.default_rng(0).permutation(12).tolist()
    shuffled = nx.relabel_nodes(cliques, dict(enumerate(order)))
    ordered = nx.Graph()
    ordered.add_nodes_from(range(12))
    ordered.add_edges_from(shuffled.edges)
    label = bisected(pack([ordered]), 3)
    assert sorted({*map(frozenset, [label[order[i : i + 4]].tolist() for i in (0, 4, 8)])}, key=min) == [{0}, {1}, {2}]
    for parts in range(1, 9):
        label = bisected(pack(NETWORKS), parts)
        for network, of in zip(NETWORKS, label.split([len(network) for network in NETWORKS]), strict=True):
            sizes = torch.bincount(of)
            assert len(sizes) == min(parts, len(network))
            assert sizes.min() > 0
            assert sizes.max() <= len(network) / len(sizes) + 2


def test_fragments_are_patches_of_molecules_alone() -> None:
    data = [from_smiles(smiles) for smiles in ("CC(=O)Oc1ccccc1C(=O)O", "C")]
    packed = PackedGraphs.from_data_list([replaced(item) for item in data], num_targets=1)
    molecules = {"molecules": True, "node_features": ATOM_FEATURES, "edge_features": BOND_FEATURES}
    brics = patching("brics", hops=0, **molecules)
    sizes = compute_patches(packed, brics).member_ptr.diff()
    assert sizes.tolist() == torch.bincount(brics_fragments(packed, brics.spec)).tolist()
    assert len(sizes) > 3
    with pytest.raises(UserError, match=r"student\.patches=brics: small does not .* Choose louvain or bisection\."):
        compute_patches(packed, replace(brics, spec=make_spec()))


def replaced(data):
    data.y = torch.zeros(1)
    return data


def test_a_number_of_patches_counts_where_it_is_read() -> None:
    of = {key: patching_of(StudentConfig("graphvit", patches=key, num_patches=5), make_spec()) for key in CUTS}
    assert of["louvain"].settings == {"source": "louvain", "number": 0, "hops": 1, "walk": 8}
    assert of["bisection"].settings["number"] == 5
    assert patching_of(StudentConfig("graphormer"), make_spec()) is None
