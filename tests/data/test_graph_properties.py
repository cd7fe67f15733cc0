"""Any graphs: packed and collated they are those of PyG, and their encodings are NetworkX's, in any order of nodes."""

from unittest.mock import patch

import networkx as nx
import numpy as np
import pytest
import torch
from drawn_graphs import network_of, networks
from hypothesis import given
from hypothesis import strategies as st
from random_graphs import pack
from test_distances import reference
from test_random_walks import expected
from torch_geometric.data import Batch, Data
from torch_geometric.utils import to_dense_adj, to_dense_batch

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.batching import collate
from gnn_distill.data.encodings import distances, random_walks
from gnn_distill.data.encodings.structural import StructuralEncodings, compute_encodings
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.models.layers.padding import pad

LISTS = st.lists(networks(), min_size=1, max_size=6)
STEPS = 5
ENCODING = EncodingConfig(degree=True, spd=True, rwse=STEPS)


def numbered(network: nx.MultiDiGraph, number: int) -> Data:
    """No two nodes or edges of any graphs have equal features."""
    edges = torch.tensor([edge[:2] for edge in network.edges], dtype=torch.long).reshape(-1, 2).T
    return Data(
        x=1000.0 * number + torch.arange(len(network)).unsqueeze(1),
        edge_index=edges,
        edge_attr=1000 * number + torch.arange(edges.size(1)).unsqueeze(1),
        y=torch.tensor([[float(number)]]),
    )


@given(LISTS, st.data())
def test_packed_and_collated_graphs_are_those_of_pyg(drawn: list[nx.MultiDiGraph], data: st.DataObject) -> None:
    graphs = [numbered(network, number) for number, network in enumerate(drawn)]
    packed = PackedGraphs.from_data_list(graphs, num_targets=1)
    ids = data.draw(st.lists(st.integers(0, len(graphs) - 1), min_size=1, max_size=8), label="ids")
    theirs = Batch.from_data_list([graphs[i] for i in ids])
    ours, chosen = collate(packed, None, torch.tensor(ids)), packed.select(torch.tensor(ids))
    for name in ("x", "edge_index", "edge_attr", "y", "batch", "ptr"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
    assert torch.equal(ours.x, packed.x[ours.node_rows])
    assert torch.equal(chosen.global_edge_index, theirs.edge_index)
    assert torch.equal(chosen.node_graph, theirs.batch)
    dense, mask = to_dense_batch(theirs.x, theirs.batch)
    assert torch.equal(ours.mask, mask)
    assert torch.equal(pad(ours.x, ours.dense_index, mask.shape), dense)
    adjacency = to_dense_adj(theirs.edge_index, theirs.batch, max_num_nodes=ours.max_nodes)
    counted = torch.bincount(ours.edge_dense_index, minlength=adjacency[: len(ids)].numel())
    # PyG leaves out the last graphs if they have no edges.
    assert torch.equal(counted[: adjacency.numel()], adjacency.flatten().long())
    assert not counted[adjacency.numel() :].any()


@pytest.mark.parametrize("together", [0, 100])
@given(drawn=LISTS)
def test_encodings_are_those_of_a_reference(together: int, drawn: list[nx.MultiDiGraph]) -> None:
    """Of many graphs and all their nodes together, and one by one."""
    graphs, at_once = pack(drawn), max(together, 1)
    with (
        patch.multiple(distances, MAX_PAIRS=at_once, TARGETS=at_once),
        patch.object(random_walks, "LARGE", together),
    ):
        encodings = compute_encodings(graphs, ENCODING)
    pairs, walks = encodings.spd.split(encodings.pair_ptr.diff().tolist()), encodings.rwse.split([*map(len, drawn)])
    for network, hops, walk in zip(drawn, pairs, walks, strict=True):
        assert torch.equal(hops.view(len(network), -1), reference(network))
        np.testing.assert_allclose(walk, expected(network, STEPS), atol=1e-6)
    assert encodings.in_degree.tolist() == [degree for network in drawn for _, degree in network.in_degree]
    assert encodings.out_degree.tolist() == [degree for network in drawn for _, degree in network.out_degree]


@given(networks(), st.data())
def test_nodes_in_another_order_have_their_encodings(network: nx.MultiDiGraph, data: st.DataObject) -> None:
    place = data.draw(st.permutations(range(len(network))), label="new places")
    renamed = network_of(len(network), [(place[edge[0]], place[edge[1]]) for edge in network.edges])
    before, after = (compute_encodings(pack([some]), ENCODING) for some in (network, renamed))
    assert torch.equal(after.in_degree[place], before.in_degree)
    assert torch.equal(after.out_degree[place], before.out_degree)
    torch.testing.assert_close(after.rwse[place], before.rwse)
    assert torch.equal(_square(after)[place][:, place], _square(before))


def _square(encodings: StructuralEncodings) -> torch.Tensor:
    return encodings.spd.view(len(encodings.in_degree), -1)
