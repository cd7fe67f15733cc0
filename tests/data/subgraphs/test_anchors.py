"""Hop distances between some nodes are those between all nodes, looked up."""

from dataclasses import replace

import torch
from random_graphs import SPECIAL, pack

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.batching import collate
from gnn_distill.data.encodings.distances import UNREACHABLE
from gnn_distill.data.encodings.structural import compute_encodings
from gnn_distill.data.subgraphs.anchors import sample_anchors

PACKED = pack(list(SPECIAL.values()))


def all_distances() -> torch.Tensor:
    encodings = compute_encodings(PACKED, EncodingConfig(spd=True))
    parts = [
        encodings.spd[encodings.pair_ptr[g] : encodings.pair_ptr[g + 1]].view(int(n), int(n))
        for g, n in enumerate(PACKED.num_nodes)
    ]
    blocks = torch.block_diag(*(UNREACHABLE - part.int() for part in parts))
    return (UNREACHABLE - blocks).to(torch.uint8)


def test_distances_between_anchors() -> None:
    among = torch.arange(5, PACKED.x.size(0))
    anchors = sample_anchors(PACKED, among, count=100)
    assert len(anchors.rows.unique()) == 100
    assert anchors.rows.min() >= 5
    assert torch.equal(anchors.spd, all_distances()[anchors.rows][:, anchors.rows])
    assert torch.equal(anchors.rows, sample_anchors(PACKED, among, count=100).rows)
    assert not torch.equal(anchors.rows, sample_anchors(PACKED, among, count=100, seed=1).rows)
    assert torch.equal(sample_anchors(PACKED, torch.arange(7), count=100).rows, torch.arange(7))


def test_anchors_among_the_rows_of_a_batch() -> None:
    anchors = sample_anchors(PACKED, torch.arange(PACKED.x.size(0)), count=200)
    batch = collate(PACKED, None, torch.tensor([6, 10, 2]))
    outputs = torch.randperm(len(batch.x), generator=torch.Generator().manual_seed(0))[:150]
    for some in (batch, replace(batch, outputs=outputs)):
        rows, spd = anchors.of(some)
        found = some.wanted(some.node_rows)[rows]
        expected = set(anchors.rows.tolist()) & set(some.wanted(some.node_rows).tolist())
        assert set(found.tolist()) == expected
        assert len(rows) == len(expected) > 10
        assert torch.equal(spd, all_distances()[found][:, found])
