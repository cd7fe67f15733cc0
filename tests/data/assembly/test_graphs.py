import math
from dataclasses import replace

import pytest
import torch

from gnn_distill.config.schema.data import DatasetConfig
from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.label_checks import check_targets
from gnn_distill.data.packed import PackedGraphs, pointers
from gnn_distill.data.task import Features, GraphTask, Splits
from gnn_distill.errors import UserError

FEATURES = {"node_features": Features("continuous", (3,)), "edge_features": Features("continuous", (2,))}
SPLITS = Splits(torch.arange(6), torch.arange(6, 8), torch.arange(8, 10))


@pytest.fixture
def graphs() -> PackedGraphs:
    """Ten paths of two nodes."""
    return PackedGraphs(
        x=torch.ones(20, 3),
        edge_index=torch.tensor([[0, 1], [1, 0]]).repeat(1, 10),
        edge_attr=torch.ones(20, 2),
        y=torch.tensor([0.0, 1.0]).repeat(5)[:, None],
        node_ptr=pointers(torch.full((10,), 2)),
        edge_ptr=pointers(torch.full((10,), 2)),
    )


def make(graphs: PackedGraphs, kind: str = "binary", metric: str = "accuracy", **config: object) -> GraphTask:
    dataset = DatasetConfig(source="none", name="set", **config)
    names = tuple(f"t{i}" for i in range(graphs.y.size(1)))
    return assemble(dataset, graphs, SPLITS, kind=kind, metric=metric, target_names=names, **FEATURES)


def test_own_metric_and_that_of_the_config(graphs: PackedGraphs) -> None:
    assert make(graphs).spec.metric == "accuracy"
    assert make(graphs, metric="roc_auc").spec.metric == "roc_auc"
    assert make(graphs, metric="macro_f1").spec.higher_is_better
    with pytest.raises(UserError, match=r"dataset\.metric=mae: set is binary; choose accuracy"):
        make(graphs, **{"metric": "mae"})


def test_targets_are_standardised_by_the_training_part_only(graphs: PackedGraphs) -> None:
    graphs.y = torch.arange(10.0)[:, None]
    graphs.y[8:] = 1000
    spec = make(graphs, "regression", "mae").spec
    assert spec.target_mean == (2.5,)
    assert spec.target_std == pytest.approx((math.sqrt(35 / 12),))
    assert not spec.higher_is_better


def test_features_are_standardised_by_the_training_nodes_only(graphs: PackedGraphs) -> None:
    graphs.x = torch.arange(60.0).view(20, 3)
    graphs.x[:12, 1] = 5.0
    graphs.x[0, 1] = torch.nextafter(graphs.x[0, 1], torch.tensor(6.0))  # constant but for rounding
    graphs.x[12:] = 1e6
    dataset = DatasetConfig(source="none", name="set")
    names = {"kind": "binary", "metric": "accuracy", "target_names": ("t",)}
    told = assemble(dataset, graphs, SPLITS, **names, **FEATURES, standardised=2).spec.node_features
    assert told.mean == pytest.approx((16.5, 5, 0))
    assert told.std == pytest.approx((3 * math.sqrt(143 / 12), 1, 1))
    assert (told.kind, told.sizes) == ("continuous", (3,))
    assert make(graphs).spec.node_features == FEATURES["node_features"]


def test_statistics_leave_out_missing_labels(graphs: PackedGraphs) -> None:
    graphs.y = torch.tensor([1.0, 2.0, math.nan, 3.0, math.nan, math.nan, 1.0, 2.0, 3.0, 4.0])[:, None]
    assert make(graphs, "regression", "mae").spec.target_mean == (2.0,)


@pytest.mark.parametrize("what", ["node", "edge"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_features_that_are_not_finite(graphs: PackedGraphs, what: str, value: float) -> None:
    values = graphs.x if what == "node" else graphs.edge_attr
    values[7, 1] = values[12, 0] = value
    with pytest.raises(UserError, match=rf"2 of 10 graphs \(ids 3, 6\) have {what} features that are NaN or infinite"):
        make(graphs)


def test_small_graphs_are_kept_and_announced(graphs: PackedGraphs) -> None:
    graphs.node_ptr = pointers(torch.tensor([1, 1, 1, 1, 1, 3, 3, 3, 3, 3]))
    graphs.edge_ptr = pointers(torch.tensor([0, 0, 0, 0, 0, 0, 4, 4, 6, 6]))
    task = make(graphs)
    assert len(task.graphs) == 10
    assert task.notices[0].startswith("5 of 10 graphs (ids 0, 1, 2, ...) have only one node")
    assert task.notices[1].startswith("1 of 10 graphs (ids 5) have no edges")


def test_graph_without_nodes(graphs: PackedGraphs) -> None:
    graphs.node_ptr = pointers(torch.tensor([0, 4, 2, 2, 2, 2, 2, 2, 2, 2]))
    with pytest.raises(UserError, match=r"1 of 10 graphs \(ids 0\) have no nodes"):
        make(graphs)


def test_empty_part(graphs: PackedGraphs) -> None:
    dataset = DatasetConfig(source="none", name="set")
    splits = replace(SPLITS, val=torch.empty(0, dtype=torch.long))
    with pytest.raises(UserError, match="too few"):
        assemble(dataset, graphs, splits, kind="binary", metric="accuracy", target_names=("t",), **FEATURES)


def test_train_fraction_is_applied(graphs: PackedGraphs) -> None:
    task = make(graphs, train_fraction=0.34)
    assert len(task.splits.train) == 2
    assert set(task.graphs.y[task.splits.train, 0].tolist()) == {0, 1}


def labels(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None]


def test_class_absent_from_training_is_an_error() -> None:
    y = labels(0, 0, 0, 0, 0, 0, 0, 1, 0, 1)
    with pytest.raises(UserError, match="Class 1 is absent from the training split: it cannot be learned"):
        check_targets(y, SPLITS, "binary", "accuracy", ("t",))


def test_class_absent_from_training_while_two_are_left() -> None:
    y = labels(0, 1, 0, 1, 0, 1, 2, 2, 2, 2)
    check = y, SPLITS, "multiclass", "accuracy", ("red", "green", "blue")
    with pytest.raises(UserError, match="Class blue is absent from the training split: it cannot be learned"):
        check_targets(*check)
    assert (
        check_targets(*check, level="node")[0] == "Class blue is absent from the training split: it cannot be learned."
    )


def test_class_absent_from_validation() -> None:
    y = labels(0, 1, 0, 1, 0, 1, 0, 0, 0, 1)
    assert check_targets(y, SPLITS, "binary", "accuracy", ("t",)) == ["Class 1 is absent from the validation split."]
    with pytest.raises(UserError, match=r"absent from the validation split: roc_auc is undefined.*dataset\.split_seed"):
        check_targets(y, SPLITS, "binary", "roc_auc", ("t",))


def test_named_class_absent_from_test() -> None:
    y = labels(0, 1, 2, 0, 1, 2, 1, 2, 0, 1)
    notices = check_targets(y, SPLITS, "multiclass", "accuracy", ("red", "green", "blue"))
    assert notices == ["Class red is absent from the validation split.", "Class blue is absent from the test split."]


@pytest.mark.parametrize(("value", "state"), [(3.0, r"is constant \(3\)"), (math.nan, "has no label")])
def test_constant_or_empty_regression_target(value: float, state: str) -> None:
    y = torch.cat([torch.arange(10.0)[:, None], torch.full((10, 1), value)], dim=1)
    with pytest.raises(UserError, match=f"Target 'logS' {state} in the training split"):
        check_targets(y, SPLITS, "regression", "mae", ("a", "logS"))


def test_multilabel_with_labels_of_one_class() -> None:
    y = torch.tensor([0.0, 1.0]).repeat(5)[:, None].repeat(1, 2)
    y[8:, 1] = math.nan
    (notice,) = check_targets(y, SPLITS, "multilabel", "roc_auc", ("a", "b"))
    assert notice.startswith("1 of 2 labels have only one class in the test split; they are left out of ROC-AUC")
    with pytest.raises(UserError, match="No label has both classes in the training split"):
        check_targets(torch.ones(10, 2), SPLITS, "multilabel", "accuracy", ("a", "b"))


def test_infinite_labels() -> None:
    with pytest.raises(UserError, match="1 graph has labels that are infinite"):
        check_targets(labels(math.inf, *range(9)), SPLITS, "regression", "mae", ("t",))


def test_targets_without_labels_in_a_part_are_told(graphs: PackedGraphs) -> None:
    graphs.y = torch.rand(10, 2, generator=torch.Generator().manual_seed(0))
    graphs.y[6:8, 1] = math.nan
    told = "1 of 2 targets have no label in the validation split; they are left out of its metrics: t1."
    assert told in make(graphs, "regression", "mae").notices


def test_labels_that_float32_would_lose_are_told(graphs: PackedGraphs) -> None:
    graphs.y = torch.arange(10.0, dtype=torch.double)[:, None] + 1e7
    assert not any("float32" in notice for notice in make(graphs, "regression", "mae").notices)
    graphs.y[5] = 1e18
    told = "Target 't0': its 6 different labels become 2 in float32, which models use"
    assert any(notice.startswith(told) for notice in make(graphs, "regression", "mae").notices)
    graphs.y = torch.tensor([0.3, 0.1 + 0.2], dtype=torch.double).repeat(5)[:, None]
    with pytest.raises(UserError, match=r"is constant \(0.3\) in the training split"):
        make(graphs, "regression", "mae")


def test_only_labels_of_a_regression_keep_their_digits(graphs: PackedGraphs) -> None:
    graphs.y = graphs.y.double()
    assert make(graphs).graphs.y.dtype == torch.float
    assert make(graphs, "regression", "mae").graphs.y.dtype == torch.double
