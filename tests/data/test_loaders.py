"""What a step of a node-level task reads: whole graphs, and the nodes that count in it."""

from itertools import chain

import pytest
import torch
from small_tasks import make_node_task, make_task

from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.loaders import GraphLoader, NodeLoader, make_loader
from gnn_distill.data.task import GraphTask


def examples(task: GraphTask, batch: GraphBatch) -> list[int]:
    """Rows, in the packed graphs, of the nodes whose labels count."""
    rows = batch.examples(batch.wanted(batch.node_rows))
    assert torch.equal(batch.examples(batch.y), task.graphs.y[rows])
    return rows.tolist()


def test_the_level_of_the_task_chooses_the_feed() -> None:
    settings = {"batch_size": 4, "max_pairs": 10**6, "seed": 0}
    assert isinstance(make_loader(make_task(), None, **settings), GraphLoader)
    assert isinstance(make_loader(make_node_task(), None, **settings), NodeLoader)


@pytest.mark.parametrize("setting", ["transductive", "inductive"])
def test_fixed_batches_hold_every_node_of_a_split_once(setting: str) -> None:
    task = make_node_task(setting=setting)
    for batch_nodes in (0, 5):
        loader = NodeLoader(task, None, batch_nodes, seed=0)
        for split in ("train", "val", "test"):
            batches = list(loader.eval_batches(split))
            assert list(chain(*(examples(task, batch) for batch in batches))) == getattr(task.splits, split).tolist()
            assert all(len(batch.outputs) <= (batch_nodes or 40) for batch in batches)


def test_inductive_training_sees_neither_other_nodes_nor_their_edges() -> None:
    task = make_node_task(setting="inductive")
    ((_, batch, _),) = NodeLoader(task, None, 0, seed=0).train(1)
    assert batch.node_rows.tolist() == list(range(40, 60))
    assert batch.graph_ids.tolist() == [1]
    loader = NodeLoader(task, None, 0, seed=0)
    assert [next(loader.eval_batches(split)).graph_ids.tolist() for split in ("train", "val", "test")] == [
        [1],
        [2],
        [0],
    ]


def test_rows_of_a_whole_step() -> None:
    task = make_node_task()
    ((share, taught, _),) = NodeLoader(task, None, 0, seed=0, taught="all").train(1)
    assert share == 0
    assert taught.outputs is None
    assert examples(task, taught) == task.splits.train.tolist()
    ((_, own, _),) = NodeLoader(task, None, 0, seed=0, taught="train").train(1)
    assert own.labelled is None
    assert examples(task, own) == task.splits.train.tolist()
    assert torch.equal(own.wanted(own.node_rows), task.splits.train)


def test_mini_batches_share_out_labelled_and_other_nodes_and_change_with_the_epoch() -> None:
    task = make_node_task()
    loader = NodeLoader(task, None, 8, seed=0, taught="all")
    epochs = [[batch for _, batch, _ in loader.train(epoch)] for epoch in (1, 2, 1)]
    for batches in epochs:
        assert len(batches) == 5
        assert sorted(chain(*(examples(task, batch) for batch in batches))) == task.splits.train.tolist()
        rows = torch.cat([batch.wanted(batch.node_rows) for batch in batches])
        assert torch.equal(rows.sort().values, torch.arange(40))
        assert {len(batch.outputs) for batch in batches} == {8}
        assert all(2 <= batch.num_examples <= 3 for batch in batches)
    first, second, again = ([batch.outputs.tolist() for batch in batches] for batches in epochs)
    assert first == again != second
    assert [share for share, _, _ in loader.train(1)] == [0, 0.2, 0.4, 0.6, 0.8]
    assert len(list(NodeLoader(task, None, 8, seed=0, limit_batches=2).train(1))) == 2


def test_edges_between_rows_are_those_that_join_two_wanted_nodes() -> None:
    task = make_node_task()
    batch = next(NodeLoader(task, None, 0, seed=0).eval_batches("train"))
    wanted = batch.outputs.tolist()
    expected = {
        (wanted.index(source), wanted.index(target))
        for source, target in batch.edge_index.T.tolist()
        if source in wanted and target in wanted
    }
    assert expected
    assert {tuple(edge) for edge in batch.row_edges.T.tolist()} == expected


def test_a_step_of_the_walk_averages_over_each_node_and_its_neighbours() -> None:
    task = make_node_task()
    ((_, batch, _),) = NodeLoader(task, None, 0, seed=0, taught="all").train(1)
    walk = batch.row_walk.to_dense()
    near = torch.eye(40)
    near[batch.edge_index[0], batch.edge_index[1]] = 1
    near = torch.maximum(near, near.T)
    torch.testing.assert_close(walk, near / near.sum(1, keepdim=True))
    assert batch.row_walk is batch.row_walk


def test_a_single_graph_is_not_copied() -> None:
    task = make_node_task()
    batch = next(NodeLoader(task, None, 0, seed=0).eval_batches("val"))
    assert batch.x.data_ptr() == task.graphs.x.data_ptr()


def test_bags_of_words_are_read_as_sparse_and_other_features_as_they_are() -> None:
    task = make_node_task()
    assert next(NodeLoader(task, None, 0, seed=0).eval_batches("val")).x.layout == torch.strided
    task.graphs.x = torch.nn.functional.pad(task.graphs.x, (0, 57))
    batch = next(NodeLoader(task, None, 0, seed=0).eval_batches("val"))
    assert batch.x.layout == torch.sparse_csr
    assert torch.equal(batch.x.to_dense(), task.graphs.x)
