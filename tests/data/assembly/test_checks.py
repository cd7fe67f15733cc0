"""Own data that do not fit what is said of them: one message names all that is wrong."""

import math
from collections.abc import Callable

import pytest
import torch
from torch_geometric.data import Data

from gnn_distill.config.schema.data import DatasetConfig, NodeDatasetConfig
from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.nodes import assemble_nodes
from gnn_distill.data.packed import PackedGraphs, pointers
from gnn_distill.data.task import Features, GraphTask, Splits
from gnn_distill.errors import UserError

COUNT, NODES = 12, 36


def make(**changes: object) -> GraphTask:
    """Twelve paths of two nodes, half of class 1; `changes` are of the graphs, the parts or what is said of them."""
    tensors = {
        "x": torch.arange(48).view(24, 2) % 3,
        "edge_index": torch.tensor([[0, 1], [1, 0]]).repeat(1, COUNT),
        "edge_attr": torch.ones(24, 2),
        "y": torch.tensor([0.0, 1.0]).repeat(6)[:, None],
        "node_ptr": pointers(torch.full((COUNT,), 2)),
        "edge_ptr": pointers(torch.full((COUNT,), 2)),
    }
    parts = {"train": torch.arange(8), "val": torch.arange(8, 10), "test": torch.arange(10, 12)}
    told = {
        "kind": "binary",
        "metric": "accuracy",
        "target_names": ("y",),
        "node_features": Features("categorical", (3, 3)),
        "edge_features": Features("continuous", (2,)),
    }
    for values in (tensors, parts, told):
        values.update({key: change for key, change in changes.items() if key in values})
    dataset = DatasetConfig(source="none", name="mine")
    return assemble(dataset, PackedGraphs(**tensors), Splits(**parts), **told)


def labels(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float).repeat(COUNT // len(values))[:, None]


THREE = {"kind": "multiclass", "target_names": ("a", "b", "c")}
WRONG = {
    "overlap": ({"test": torch.arange(6, 12)}, "2 of 12 graphs (ids 6, 7) are in both the training and the test"),
    "twice": ({"val": torch.tensor([8, 8])}, "The validation split contains 1 of 12 graphs (ids 8) more than once."),
    "out of range": ({"test": torch.tensor([10, 12])}, "The test split contains 12; only graphs 0 to 11 exist."),
    "negative id": ({"test": torch.tensor([-1])}, "The test split contains -1; only graphs 0 to 11 exist."),
    "a mask": ({"test": torch.ones(12) > 0}, "it is bool [12]. Call mask.nonzero().flatten()."),
    "floats as ids": ({"test": torch.ones(2)}, "The test split must be graph numbers (torch.long) [count]; it is f"),
    "nan": (THREE | {"y": labels(0, 1, 2, math.nan)}, "3 of 12 graphs (ids 3, 7, 11) have no label (NaN)."),
    "minus one": (THREE | {"y": labels(0, 1, 2, -1)}, "3 of 12 graphs (ids 3, 7, 11) have labels -1; of a multiclass"),
    "a class more": (THREE | {"y": labels(0, 1, 2, 3)}, "have labels 3; of a multiclass task a label is one of"),
    "half classes": (THREE | {"y": labels(0, 1, 1.5)}, "4 of 12 graphs (ids 2, 5, 8, ...) have labels 1.5; of a"),
    "plus and minus": ({"y": labels(-1, 1)}, "labels -1; of a binary task a label is 0 or 1. NaN marks a"),
    "many": ({"y": torch.arange(12.0)[:, None]}, "10 of 12 graphs (ids 2, 3, 4, ...) have labels 2, 3, 4 and 7 more;"),
    "multilabel": (
        {"kind": "multilabel", "target_names": ("a", "b"), "y": labels(0, 1, 2).repeat(1, 2), "metric": "roc_auc"},
        "have labels 2; of a multilabel task a label is 0 or 1.",
    ),
    "no labels": ({"y": labels(0, 1).index_fill(0, torch.arange(8, 10), math.nan)}, "validation split has no label"),
    "flat y": ({"y": labels(0, 1)[:, 0]}, "y must be floats [graphs, 1] of a binary task"),
    "whole y": ({"y": labels(0, 1).long()}, "it is int64 [12, 1]."),
    "names": ({"target_names": ("a", "b")}, "one for each of target_names, 2; it is float32 [12, 1]."),
    "one class": ({"kind": "multiclass"}, "a multi-class task needs two classes or more; target_names has 1."),
    "kind": ({"kind": "classes"}, "kind='classes': unknown kind of task. Choose binary, multiclass,"),
    "vocabulary": (
        {"node_features": Features("categorical", (3, 2))},
        "Column 1 of x has values from 0 to 2, its vocabulary in node_features= is 0 to 1: 8 of 24 nodes (ids 2, 5, 8,",
    ),
    "negative category": ({"x": -torch.ones(24, 2).long()}, "Column 0 of x has values from -1 to -1, its vocabulary"),
    "columns": ({"node_features": Features("categorical", (3,))}, "node_features= has 1 columns; x is int64 [24, 2]."),
    "continuous": (
        {"node_features": Features("continuous", (2,))},
        "x has continuous features, so it must be torch.float32; it is int64 [24, 2].",
    ),
    "double": ({"edge_attr": torch.ones(24, 2).double()}, "edge_attr has continuous features, so it must be torch"),
    "features' kind": ({"node_features": Features("words", (3, 3))}, "Features('words', ...): unknown kind."),
    "unsaid": ({"edge_features": None}, "the graphs have edge_attr float32 [24, 2]: say with edge_features= what"),
    "not there": ({"edge_attr": None}, "edge_features= is given, but the graphs have no edge_attr."),
    "edges of floats": ({"edge_index": torch.zeros(2, 24)}, "edge_index must be whole numbers (torch.long); it"),
    "flat x": ({"x": torch.zeros(24).long()}, "x must be [nodes, features]; it is int64 [24]."),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit(case: str) -> None:
    changes, message = WRONG[case]
    with pytest.raises(UserError) as caught:
        make(**changes)
    assert str(caught.value).startswith("mine: ")
    assert message in str(caught.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    changes = {"x": torch.full((24, 2), 9), "edge_attr": None, "y": labels(0, 1, 5), "val": torch.arange(8, 10)}
    with pytest.raises(UserError) as caught:
        make(**changes)
    for part in ("Column 0 of x", "Column 1 of x", "edge_features= is given", "have labels 5"):
        assert part in str(caught.value)


def test_missing_labels_are_counted() -> None:
    assert (
        "2 of 12 labels are missing (NaN): losses and metrics leave them out."
        in make(y=labels(0, 1).index_fill(0, torch.tensor([3, 9]), math.nan)).notices
    )
    assert not any("missing" in notice for notice in make().notices)


def test_directed_graphs_and_repeated_edges_are_counted() -> None:
    edges = torch.tensor([[0, 1], [1, 0]]).repeat(1, COUNT)
    for order in (edges, edges.flip(1)):
        assert not any("edge" in notice for notice in make(edge_index=order).notices)
    edges[:, 3] = torch.tensor([0, 1])  # the second graph: the same direction twice
    edges[:, 4:6] = 1  # the third: a loop, twice
    assert [notice for notice in make(edge_index=edges).notices if "edge" in notice] == [
        "1 of 12 graphs (ids 1) have edges without their reverse: messages follow their direction.",
        "2 of 12 graphs (ids 1, 2) contain parallel edges: each of them counts.",
    ]


def test_labels_of_graphs_in_no_part_are_not_looked_at() -> None:
    task = make(
        **THREE,
        y=labels(0, 1, 2, 0, 1, math.nan),
        train=torch.tensor([0, 1, 2]),
        val=torch.tensor([6]),
        test=torch.tensor([7]),
    )
    assert task.spec.num_outputs == 3


def nodes(**changes: object) -> Data:
    ring = torch.arange(NODES)
    tensors = {"x": torch.rand(NODES, 4), "edge_index": torch.stack([ring, (ring + 1) % NODES]), "y": ring % 3}
    return Data(**tensors | changes)


def without_label() -> torch.Tensor:
    return torch.where(torch.arange(NODES) % 4 == 0, -1, torch.arange(NODES) % 3)


WRONG_NODES = {
    "no features": (lambda: nodes(x=None), "x must be torch.float [nodes, features]; it is missing."),
    "whole features": (lambda: nodes(x=torch.ones(NODES, 4).long()), "it is int64 [36, 4]."),
    "edges": (lambda: nodes(edge_index=torch.ones(3, 5).long()), "edge_index must be torch.long [2, edges]; it is"),
    "edge features": (lambda: nodes(edge_attr=torch.ones(5, 1)), "edge_attr must be torch.float [edges, features]; it"),
    "one-hot": (lambda: nodes(y=torch.eye(3).repeat(12, 1)), "y must be the class of every node, [36]; it is float"),
    "no classes": (lambda: nodes(y=None), "y must be the class of every node, [36]; it is missing."),
    "half classes": (lambda: nodes(y=torch.arange(NODES) % 3 / 2), "y must be whole numbers: 12 of 36 nodes (ids 1"),
    "NaN": (lambda: nodes(y=torch.full((NODES,), math.nan)), "y must be whole numbers: 36 of 36 nodes"),
    "a gap": (lambda: nodes(y=torch.arange(NODES) % 3 * 2), "no node is of class 1, 3: number the classes"),
    "from one on": (lambda: nodes(y=torch.arange(NODES) % 3 + 1), "no node is of class 0: number the classes"),
    "one class": (lambda: nodes(y=torch.zeros(NODES).long()), "all nodes are of class 0: there is nothing to learn."),
    "all unknown": (lambda: nodes(y=-torch.ones(NODES).long()), "no node is of class 0"),
    "two masks": (lambda: nodes(train_mask=torch.ones(NODES) > 0), "there must be three masks, torch.bool [36]"),
    "masks of ids": (
        lambda: nodes(**dict.fromkeys(("train_mask", "val_mask", "test_mask"), torch.arange(5))),
        "found train_mask int64 [5], val_mask int64 [5], test_mask int64 [5].",
    ),
    "no label": (lambda: nodes(y=without_label()), "9 of 36 nodes (ids 0, 4, 8, ...) have labels -1; of a"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_NODES)
def test_a_graph_that_does_not_fit(case: str) -> None:
    make_data, message = WRONG_NODES[case]
    with pytest.raises(UserError) as caught:
        assemble_nodes(NodeDatasetConfig(source="none", name="mine"), make_data())
    assert str(caught.value).startswith("mine: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("form", [lambda y: y[:, None], lambda y: y.float(), lambda y: y.int()])
def test_classes_may_be_a_column_or_floats(form: Callable[[torch.Tensor], torch.Tensor]) -> None:
    data = nodes()
    task = assemble_nodes(NodeDatasetConfig(source="none", name="mine"), nodes(y=form(data.y)))
    assert torch.equal(task.graphs.y[:, 0], data.y.float())
    assert task.spec.num_outputs == 3


def test_nodes_without_a_label_may_be_in_no_part() -> None:
    known = without_label() >= 0
    place = torch.arange(NODES) % 5
    masks = {"train_mask": known & (place < 3), "val_mask": known & (place == 3), "test_mask": known & (place == 4)}
    task = assemble_nodes(NodeDatasetConfig(source="none", name="mine"), nodes(y=without_label(), **masks))
    assert sum(map(len, (task.splits.train, task.splits.val, task.splits.test))) == int(known.sum())
