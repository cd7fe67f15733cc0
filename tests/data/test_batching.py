"""Batches hold the graphs they should, and epochs hold every graph once."""

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import pack, random_networks

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.batching import collate
from gnn_distill.data.budget import check_budget, evaluation_batches
from gnn_distill.data.encodings.structural import compute_encodings
from gnn_distill.data.sampler import BatchSampler
from gnn_distill.errors import UserError

GRAPHS = pack([*random_networks(), nx.empty_graph(1), nx.empty_graph(3)])
ENCODINGS = compute_encodings(GRAPHS, EncodingConfig(degree=True, spd=True, edge_hops=1, rwse=4, lap_pe=3))
IDS = [3, 12, 0, 7, 13]


def test_collate_equals_a_loop_over_graphs():
    batch = collate(GRAPHS, ENCODINGS, torch.tensor(IDS))
    sizes = [int(GRAPHS.num_nodes[i]) for i in IDS]
    assert batch.num_graphs == len(IDS)
    assert batch.max_nodes == max(sizes)
    assert batch.graph_ids.tolist() == IDS
    assert batch.ptr.tolist() == [sum(sizes[:b]) for b in range(len(IDS) + 1)]
    edge = 0
    for b, (i, n) in enumerate(zip(IDS, sizes, strict=True)):
        nodes = slice(int(batch.ptr[b]), int(batch.ptr[b + 1]))
        rows = slice(int(GRAPHS.node_ptr[i]), int(GRAPHS.node_ptr[i + 1]))
        assert batch.node_rows[nodes].tolist() == list(range(rows.start, rows.stop))
        assert (batch.batch[nodes] == b).all()
        assert batch.dense_index[nodes].tolist() == [b * batch.max_nodes + k for k in range(n)]
        assert batch.mask[b].tolist() == [k < n for k in range(batch.max_nodes)]
        assert torch.equal(batch.x[nodes], GRAPHS.x[rows])
        assert torch.equal(batch.y[b], GRAPHS.y[i])
        for name in ("in_degree", "out_degree", "rwse", "lap_pe"):
            assert torch.equal(getattr(batch, name)[nodes], getattr(ENCODINGS, name)[rows])
        pairs = ENCODINGS.spd[ENCODINGS.pair_ptr[i] : ENCODINGS.pair_ptr[i + 1]].view(n, n)
        assert torch.equal(batch.spd[b, :n, :n], pairs)
        assert not batch.spd[b, n:].any()
        assert not batch.spd[b, :, n:].any()
        stored = ENCODINGS.predecessors[ENCODINGS.pair_ptr[i] : ENCODINGS.pair_ptr[i + 1]].view(n, n)
        columns = torch.arange(batch.max_nodes, dtype=torch.uint8).repeat(batch.max_nodes, 1)
        columns[:n, :n] = stored
        assert torch.equal(batch.predecessors[b], columns)
        for k in range(int(GRAPHS.edge_ptr[i]), int(GRAPHS.edge_ptr[i + 1])):
            source, target = GRAPHS.edge_index[:, k].tolist()
            assert batch.edge_index[:, edge].tolist() == [nodes.start + source, nodes.start + target]
            assert torch.equal(batch.edge_attr[edge], GRAPHS.edge_attr[k])
            flat = torch.zeros(batch.spd.shape)
            flat.view(-1)[batch.edge_dense_index[edge]] = 1
            assert flat.nonzero().tolist() == [[b, source, target]]
            edge += 1
    assert batch.edge_index.size(1) == edge


def test_collate_without_encodings():
    batch = collate(GRAPHS, None, torch.tensor(IDS))
    assert batch.spd is None
    assert batch.rwse is None
    assert batch.lap_pe is None
    assert batch.in_degree is None


def test_to_moves_every_tensor():
    batch = collate(GRAPHS, ENCODINGS, torch.tensor(IDS)).to("meta")
    tensors = [value for value in vars(batch).values() if isinstance(value, torch.Tensor)]
    assert len(tensors) == 15
    assert all(tensor.is_meta for tensor in tensors)
    assert batch.mask.is_meta
    assert batch.edge_dense_index.is_meta


def padded_pairs(sizes: torch.Tensor, batches: list[torch.Tensor]) -> list[int]:
    return [len(batch) * int(sizes[batch].max()) ** 2 for batch in batches]


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=200),
    batch_size=st.integers(1, 16),
    max_pairs=st.integers(1600, 20_000),
    seed=st.integers(0, 5),
)
@settings(max_examples=40)
def test_every_graph_once_an_epoch_within_the_budget(sizes, batch_size, max_pairs, seed):
    sizes = torch.tensor(sizes)
    ids = torch.arange(len(sizes))[::2]
    sampler = BatchSampler(sizes, batch_size, max_pairs, seed, ids=ids)
    for batches in (sampler.epoch(0), sampler.epoch(7), evaluation_batches(sizes, ids, batch_size, max_pairs)):
        assert torch.cat(batches).sort().values.tolist() == ids.tolist()
        assert max(len(batch) for batch in batches) <= batch_size
        assert max(padded_pairs(sizes, batches)) <= max_pairs


@given(
    labelled=st.integers(0, 60),
    others=st.integers(0, 150),
    batch_size=st.integers(1, 16),
    window=st.integers(1, 20),
    seed=st.integers(0, 5),
)
@settings(max_examples=40)
def test_every_batch_has_its_share_of_two_kinds(labelled, others, batch_size, window, seed):
    sizes = torch.randint(1, 40, (labelled + others,), generator=torch.Generator().manual_seed(seed))
    ids, more = torch.arange(labelled + others)[torch.randperm(labelled + others)].split([labelled, others])
    batches = BatchSampler(sizes, batch_size, 10**6, seed, ids, window, more).epoch(2)
    if not labelled + others:
        assert batches == []
        return
    assert torch.cat(batches).sort().values.tolist() == list(range(labelled + others))
    lengths, shares = [len(batch) for batch in batches], [int(torch.isin(batch, ids).sum()) for batch in batches]
    assert max(lengths) <= batch_size
    assert max(shares) - min(shares) <= 1
    assert max(lengths) - min(lengths) <= 1


SIZES = torch.randint(5, 60, (1000,), generator=torch.Generator().manual_seed(0))


def test_batches_are_deterministic_and_change_with_epoch_and_seed():
    def companions(epoch: int, seed: int = 0) -> set[tuple[int, ...]]:
        return {tuple(batch.sort().values.tolist()) for batch in BatchSampler(SIZES, 32, 10**6, seed).epoch(epoch)}

    first = BatchSampler(SIZES, 32, 10**6, 0).epoch(3)
    again = BatchSampler(SIZES, 32, 10**6, 0).epoch(3)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not companions(0) & companions(1)
    assert not companions(0) & companions(0, seed=1)


def test_batches_are_not_ordered_by_size():
    one_window = BatchSampler(SIZES[:320], 32, 10**6, 0).epoch(0)
    means = torch.stack([SIZES[batch].float().mean() for batch in one_window])
    assert not torch.equal(means, means.sort().values)


def test_buckets_save_padding():
    pairs = int((SIZES**2).sum())
    bucketed = sum(padded_pairs(SIZES, BatchSampler(SIZES, 32, 10**6, 0).epoch(0)))
    unordered = sum(padded_pairs(SIZES, BatchSampler(SIZES, 32, 10**6, 0, window=1).epoch(0)))
    assert bucketed < 1.3 * pairs < 2 * pairs < unordered


def test_no_batch_is_a_small_rest():
    assert sorted(len(batch) for batch in BatchSampler(SIZES[:65], 64, 10**6, 0).epoch(0)) == [32, 33]


def test_no_graphs_no_batches():
    none = torch.empty(0, dtype=torch.long)
    assert BatchSampler(SIZES, 32, 10**6, 0, ids=none).epoch(0) == []
    assert evaluation_batches(SIZES, none, 32, 10**6) == []


def test_a_graph_above_the_budget_is_an_error():
    check_budget(torch.tensor([3, 100]), 10_000)
    with pytest.raises(UserError, match=r"trainer\.max_pairs=9999 .*1 of 2 graphs.*graph 1, has 100 nodes.*=10000"):
        check_budget(torch.tensor([3, 100]), 9_999)
