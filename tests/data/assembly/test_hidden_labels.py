"""Labels hidden by dataset.label_fraction: which ones, and that nothing made of the data knows them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_separate_splits import make as make_separate
from test_separate_splits import wheels

from gnn_distill.config.schema.data import DatasetConfig, TaskConfig
from gnn_distill.data.assembly import splits as splits_module
from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.packed import PackedGraphs, pointers
from gnn_distill.data.task import Features, GraphTask, Splits
from gnn_distill.errors import UserError
from gnn_distill.losses.task import make_task_loss
from gnn_distill.pipeline.evaluate import constant_scores
from gnn_distill.pipeline.summary import split_sizes

PARTS = Splits(torch.arange(20), torch.arange(20, 26), torch.arange(26, 32))
KINDS = ("binary", "multiclass", "multilabel", "regression")


def lines_of_nodes(kind: str) -> PackedGraphs:
    """32 paths of two to six nodes with two random features; classes of unequal sizes."""
    random = torch.Generator().manual_seed(5)
    sizes = torch.randint(2, 7, (32,), generator=random)
    ends = torch.cat([torch.stack([torch.arange(size - 1), torch.arange(1, size)]) for size in sizes.tolist()], dim=1)
    y = {
        "binary": (torch.arange(32) % 3 == 0)[:, None] * 1.0,
        "multiclass": torch.arange(32)[:, None] % 3 * 1.0,
        "multilabel": (torch.rand(32, 2, generator=random) > 0.4) * 1.0,
        "regression": 5 + 3 * torch.randn(32, 2, generator=random),
    }[kind]
    x = torch.randn(int(sizes.sum()), 2, generator=random)
    return PackedGraphs(x, ends, None, y, pointers(sizes), pointers(sizes - 1))


def make(kind: str, graphs: PackedGraphs | None = None, **config: float) -> GraphTask:
    return assemble(
        DatasetConfig(source="none", name="set", **config),
        lines_of_nodes(kind) if graphs is None else graphs,
        PARTS,
        kind=kind,
        metric="mae" if kind == "regression" else "accuracy",
        target_names={"binary": ("t",), "multiclass": ("a", "b", "c")}.get(kind, ("t", "u")),
        node_features=Features("continuous", (2,)),
        standardised=2,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_labels_that_stay_are_those_of_train_fraction_and_so_is_all_that_is_made_of_them(kind: str) -> None:
    hidden, fewer, whole = make(kind, label_fraction=0.5), make(kind, train_fraction=0.5), make(kind)
    assert torch.equal(hidden.splits.train, fewer.splits.train)
    assert torch.equal(hidden.splits.training, whole.splits.train)
    assert hidden.spec == fewer.spec
    assert hidden.graphs.y[hidden.splits.unlabelled].isnan().all()
    others = ~torch.isin(torch.arange(32), hidden.splits.unlabelled)
    assert torch.equal(hidden.graphs.y[others], whole.graphs.y[others])
    count = len(fewer.splits.train)
    assert split_sizes(hidden) == {"train": count, "unlabelled": 20 - count, "val": 6, "test": 6}
    assert constant_scores(hidden) == constant_scores(fewer)
    if kind in ("binary", "multilabel"):
        one, other = (make_task_loss(task, TaskConfig(pos_weight="auto")).pos_weight for task in (hidden, fewer))
        assert torch.equal(one, other)
    assert whole.splits.unlabelled is None
    assert hidden.fingerprint not in (whole.fingerprint, fewer.fingerprint)


def test_classes_keep_their_shares_and_both_fractions_are_taken_one_after_the_other() -> None:
    task = make("binary", train_fraction=0.8, label_fraction=0.25)
    labels = lines_of_nodes("binary").y[:, 0]
    known = labels[task.splits.train]
    assert (len(task.splits.training), len(known), int(known.sum())) == (16, 5, 2)
    assert torch.isin(task.splits.training, make("binary", train_fraction=0.8).splits.train).all()
    again = make("binary", train_fraction=0.8, label_fraction=0.25, split_seed=1)
    assert not torch.equal(again.splits.train, task.splits.train)


@pytest.mark.parametrize("kind", KINDS)
def test_absurd_labels_of_hidden_graphs_change_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The draw itself is stratified by class, so here it is not: the hidden ones stay the same graphs."""
    monkeypatch.setattr(splits_module, "strata", lambda y, kind: np.zeros(len(y), dtype=int))
    clean = make(kind, label_fraction=0.5)
    graphs, rows = lines_of_nodes(kind), clean.splits.unlabelled
    graphs.y[rows] = 1e30 if kind == "regression" else (graphs.y[rows] + 1) % (3 if kind == "multiclass" else 2)
    poisoned = make(kind, graphs, label_fraction=0.5)
    assert poisoned.fingerprint == clean.fingerprint
    assert (poisoned.spec, poisoned.notices, poisoned.shared_graphs) == (
        clean.spec,
        clean.notices,
        clean.shared_graphs,
    )


def test_equal_graphs_in_a_held_out_part_are_counted_among_those_with_hidden_labels_too() -> None:
    graphs = lines_of_nodes("binary")
    hidden = make("binary", label_fraction=0.5).splits.unlabelled
    one = graphs.select(torch.cat([torch.arange(31), hidden[:1]]))  # the last test graph is a hidden one
    task = make("binary", replace(one, y=graphs.y), label_fraction=0.5)
    assert task.shared_graphs["train_test"] == {"graphs": 1, "other_label": 0}


def test_at_node_level_labels_of_whole_graphs_are_hidden() -> None:
    task, fewer = make_separate(wheels(), label_fraction=0.4), make_separate(wheels(), train_fraction=0.4)
    assert torch.equal(task.splits.train, fewer.splits.train)
    labelled, hidden = (task.graphs.graphs_of(ids) for ids in (task.splits.train, task.splits.unlabelled))
    assert not torch.isin(labelled, hidden).any()
    assert task.graphs.y[torch.isin(task.graphs.node_graph, hidden)].isnan().all()
    assert len(labelled) + len(hidden) == 5


def test_on_one_graph_the_key_that_thins_its_labels_is_named() -> None:
    graphs = lines_of_nodes("binary")
    one = replace(
        graphs, node_ptr=graphs.node_ptr[[0, -1]], edge_ptr=graphs.edge_ptr[[0, -1]], level="node",
        y=(torch.arange(len(graphs.x)) % 2)[:, None] * 1.0, edge_index=graphs.global_edge_index,
    )  # fmt: skip
    with pytest.raises(UserError, match=r"dataset\.label_fraction=0\.5: .* Set dataset\.train_fraction=0\.5"):
        make("binary", one, label_fraction=0.5)


def test_a_class_that_is_left_without_a_label_is_refused_naming_the_key() -> None:
    graphs = lines_of_nodes("multilabel")
    with pytest.raises(UserError, match=r"Or raise dataset\.label_fraction\."):
        make("multilabel", graphs, label_fraction=0.05)
