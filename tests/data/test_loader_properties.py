"""Whatever the graphs, the budget and the split: an epoch holds every training example once."""

from dataclasses import replace

import networkx as nx
import torch
from drawn_graphs import networks
from hypothesis import given
from hypothesis import strategies as st
from small_tasks import make_graphs, make_node_task, make_spec

from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.loaders import GraphLoader, NodeLoader
from gnn_distill.data.task import GraphTask, Splits

NODE_TASK = make_node_task()


@given(
    drawn=st.lists(networks(), min_size=1, max_size=12),
    batch_size=st.integers(1, 5),
    spare=st.integers(0, 100),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_every_graph_once_an_epoch_within_the_budget(
    drawn: list[nx.MultiDiGraph], batch_size: int, spare: int, seed: int, data: st.DataObject
) -> None:
    train = torch.tensor(sorted(data.draw(st.sets(st.integers(0, len(drawn) - 1), min_size=1), label="train")))
    rest = torch.ones(len(drawn)).index_fill(0, train, 0).nonzero().squeeze(1)
    task = GraphTask(make_spec(), make_graphs(make_spec(), tuple(map(nx.DiGraph, drawn))), Splits(train, rest, rest))
    max_pairs = int(task.graphs.num_nodes.max()) ** 2 + spare
    loader = GraphLoader(task, None, batch_size, max_pairs, seed)
    for epoch in (0, 3):
        shares, batches, _ = zip(*loader.train(epoch), strict=True)
        assert list(shares) == [index / len(batches) for index in range(len(batches))]
        assert_whole(batches, train, batch_size, max_pairs)
    assert_whole(list(loader.eval_batches("val")), rest, 2 * batch_size, max_pairs)


def assert_whole(batches: list[GraphBatch], ids: torch.Tensor, batch_size: int, max_pairs: int) -> None:
    assert sorted(graph for batch in batches for graph in batch.graph_ids.tolist()) == ids.tolist()
    assert all(1 <= batch.num_graphs <= batch_size for batch in batches)
    assert all(batch.mask.numel() * batch.max_nodes <= max_pairs for batch in batches)


@given(
    train=st.sets(st.integers(0, 39), min_size=1),
    batch_nodes=st.integers(0, 45),
    taught=st.sampled_from(["train", "all"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_node_once_an_epoch(train: set[int], batch_nodes: int, taught: str, seed: int) -> None:
    ids = torch.tensor(sorted(train))
    loader = NodeLoader(replace(NODE_TASK, splits=Splits(ids, ids, ids)), None, batch_nodes, seed, taught=taught)
    for epoch in (0, 3):
        batches = [batch for _, batch, _ in loader.train(epoch)]
        rows = [batch.wanted(batch.node_rows) for batch in batches]
        labelled = [batch.examples(some) for batch, some in zip(batches, rows, strict=True)]
        assert torch.equal(torch.cat(labelled).sort().values, ids)
        assert torch.equal(torch.cat(rows).sort().values, ids if taught == "train" else torch.arange(40))
        assert all(1 <= len(some) <= (batch_nodes or 40) for some in rows)
