"""Encodings come as asked for, and survive the store."""

import torch
from random_graphs import SPECIAL, pack, random_networks
from torch_geometric.utils import degree

from gnn_distill.data.distances import hop_distances
from gnn_distill.data.structure import StructuralEncodings, compute_encodings
from gnn_distill.schema.encoding import EncodingConfig

GRAPHS = pack([*SPECIAL.values(), *random_networks()])


def test_only_what_is_asked_for():
    assert compute_encodings(GRAPHS, EncodingConfig()).to_tensors() == {}
    assert set(compute_encodings(GRAPHS, EncodingConfig(spd=True)).to_tensors()) == {"spd", "pair_ptr"}
    everything = EncodingConfig(degree=True, spd=True, rwse=3, lap_pe=2)
    tensors = compute_encodings(GRAPHS, everything).to_tensors()
    assert set(tensors) == {"in_degree", "out_degree", "spd", "pair_ptr", "rwse", "lap_pe"}
    assert tensors["rwse"].shape == (GRAPHS.x.size(0), 3)
    assert tensors["lap_pe"].shape == (GRAPHS.x.size(0), 2)
    torch.testing.assert_close(tensors["spd"], hop_distances(GRAPHS, tensors["pair_ptr"]))
    again = StructuralEncodings.from_tensors(tensors)
    assert all(torch.equal(value, tensors[name]) for name, value in again.to_tensors().items())


def test_degrees():
    encodings = compute_encodings(GRAPHS, EncodingConfig(degree=True))
    source, target = GRAPHS.global_edge_index
    assert torch.equal(encodings.in_degree, degree(target, GRAPHS.x.size(0), dtype=torch.long))
    assert torch.equal(encodings.out_degree, degree(source, GRAPHS.x.size(0), dtype=torch.long))


def test_progress_reaches_its_total():
    calls = []
    compute_encodings(GRAPHS, EncodingConfig(spd=True, rwse=2, lap_pe=2), progress=lambda *call: calls.append(call))
    done, totals = zip(*calls, strict=True)
    assert set(totals) == {3 * len(GRAPHS)}
    assert list(done) == sorted(done)
    assert done[-1] == 3 * len(GRAPHS)
