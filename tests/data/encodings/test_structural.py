"""Encodings come as asked for, and survive the store."""

from dataclasses import replace

import torch
from random_graphs import SPECIAL, pack, random_networks
from torch_geometric.utils import degree

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.encodings.distances import hop_distances
from gnn_distill.data.encodings.shortest_paths import predecessors
from gnn_distill.data.encodings.structural import StructuralEncodings, compute_encodings

GRAPHS = pack([*SPECIAL.values(), *random_networks()])


def test_only_what_is_asked_for():
    assert compute_encodings(GRAPHS, EncodingConfig()).to_tensors() == {}
    assert set(compute_encodings(GRAPHS, EncodingConfig(spd=True)).to_tensors()) == {"spd", "pair_ptr"}
    assert set(compute_encodings(GRAPHS, EncodingConfig(edge_hops=2)).to_tensors()) == {
        "spd",
        "predecessors",
        "pair_ptr",
    }
    everything = EncodingConfig(degree=True, spd=True, edge_hops=3, rwse=3, lap_pe=2)
    tensors = compute_encodings(GRAPHS, everything).to_tensors()
    assert set(tensors) == {"in_degree", "out_degree", "spd", "predecessors", "pair_ptr", "rwse", "lap_pe"}
    assert tensors["rwse"].shape == (GRAPHS.x.size(0), 3)
    assert tensors["lap_pe"].shape == (GRAPHS.x.size(0), 2)
    torch.testing.assert_close(tensors["spd"], hop_distances(GRAPHS, tensors["pair_ptr"]))
    torch.testing.assert_close(tensors["predecessors"], predecessors(GRAPHS, tensors["pair_ptr"], tensors["spd"]))
    again = StructuralEncodings.from_tensors(tensors)
    assert all(torch.equal(value, tensors[name]) for name, value in again.to_tensors().items())


def test_there_are_no_paths_to_read_without_edge_features():
    graphs = replace(GRAPHS, edge_attr=None)
    assert compute_encodings(graphs, EncodingConfig(edge_hops=2)).to_tensors() == {}


def test_degrees():
    encodings = compute_encodings(GRAPHS, EncodingConfig(degree=True))
    source, target = GRAPHS.global_edge_index
    assert torch.equal(encodings.in_degree, degree(target, GRAPHS.x.size(0), dtype=torch.int))
    assert torch.equal(encodings.out_degree, degree(source, GRAPHS.x.size(0), dtype=torch.int))


def test_progress_reaches_its_total():
    calls = []
    everything = EncodingConfig(spd=True, edge_hops=1, rwse=2, lap_pe=2)
    compute_encodings(GRAPHS, everything, progress=lambda *call: calls.append(call))
    done, totals = zip(*calls, strict=True)
    assert set(totals) == {4 * GRAPHS.x.size(0)}
    assert list(done) == sorted(done)
    assert done[-1] == totals[0]


def test_the_number_of_threads_changes_nothing():
    everything, threads = EncodingConfig(degree=True, spd=True, edge_hops=3, rwse=3, lap_pe=2), torch.get_num_threads()
    found = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            found.append(compute_encodings(GRAPHS, everything).to_tensors())
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())
