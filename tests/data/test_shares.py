"""Shares of several processes: together they are the batches of one."""

import pytest
import torch
from small_tasks import make_separate_task, make_task

from gnn_distill import ranks
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.loaders import make_loader
from gnn_distill.data.task import GraphTask

TASKS = {"graphs": make_task, "nodes": make_separate_task}


def batches(
    task: GraphTask, monkeypatch: pytest.MonkeyPatch, size: int, rank: int = 0, batch_size: int = 5
) -> tuple[list[GraphBatch], list[GraphBatch]]:
    """Training batches of an epoch and those of the test part, of one of `size` processes."""
    monkeypatch.setattr(ranks, "size", lambda: size)
    monkeypatch.setattr(ranks, "rank", lambda: rank)
    loader = make_loader(task, None, batch_size=batch_size, max_pairs=400, seed=3, shared=True)
    return [batch for _, batch, _ in loader.train(2)], list(loader.eval_batches("test"))


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("kind", TASKS)
def test_shares_make_the_batches_of_one_process(kind: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    task = TASKS[kind]("multiclass")
    train, test = batches(task, monkeypatch, 1)
    shares = [batches(task, monkeypatch, size, rank) for rank in range(size)]
    for whole, *parts in zip(train, *(share for share, _ in shares), strict=True):
        counted = [part.graph_ids for part in parts if not part.share.empty]
        together = torch.empty_like(whole.graph_ids)
        for rank, ids in enumerate(counted):
            together[rank::size] = ids
        assert torch.equal(together, whole.graph_ids)
        assert max(map(len, counted)) - min(map(len, counted)) <= 1
        assert all(torch.equal(part.share.ids, whole.graph_ids) for part in parts)
        assert sum(part.num_examples for part in parts if not part.share.empty) == whole.num_examples
        assert torch.equal(parts[0].whole.y.nan_to_num(), whole.y.nan_to_num())
        assert torch.equal(parts[-1].whole.node_rows, whole.node_rows)
    rows = torch.cat([batch.graph_ids for _, share in shares for batch in share])
    assert rows.sort().values.tolist() == torch.cat([batch.graph_ids for batch in test]).sort().values.tolist()


def test_a_process_without_a_graph_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    train, _ = batches(make_task(), monkeypatch, 2, rank=1, batch_size=1)
    assert all(batch.share.empty and batch.num_graphs == 1 for batch in train)
    train, _ = batches(make_task(), monkeypatch, 2, rank=0, batch_size=1)
    assert not any(batch.share.empty for batch in train)


def test_whoever_does_not_share_reads_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "size", lambda: 2)
    task = make_task()
    loader = make_loader(task, None, batch_size=5, max_pairs=400, seed=3)
    assert sum(batch.num_graphs for batch in loader.eval_batches("test")) == len(task.splits.test)
    assert all(batch.share is None and batch.whole is batch for _, batch, _ in loader.train(1))
