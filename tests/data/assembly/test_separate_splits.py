"""Many graphs with labels on their nodes, as a source hands them in: their parts, fractions, and equal graphs."""

import networkx as nx
import pytest
import torch
from random_graphs import pack

from gnn_distill.config.schema.data import DatasetConfig
from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.node_splits import labelled_rows
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import Features, GraphTask, Splits
from gnn_distill.errors import UserError

SIZES = (3, 4, 3, 5, 4, 6, 7, 6, 8, 3)
PARTS = Splits(torch.tensor([0, 3, 5, 6, 9]), torch.tensor([1, 4, 8]), torch.tensor([2, 7]), kind="generated")


def wheels(mark: bool = True) -> PackedGraphs:
    """Ten cycles with one marked node each, the first; label: the distance from it, of the first two nodes only."""
    graphs = pack([nx.cycle_graph(size) for size in SIZES])
    graphs.x, graphs.edge_attr, graphs.level = torch.zeros(sum(SIZES), 1), None, "node"
    graphs.x[graphs.node_ptr[:-1]] = float(mark)
    graphs.y = torch.full((sum(SIZES), 1), torch.nan)
    graphs.y[graphs.node_ptr[:-1]], graphs.y[graphs.node_ptr[:-1] + 1] = 0.0, 1.0
    return graphs


def make(graphs: PackedGraphs, splits: Splits | None = None, kind: str = "regression", **config: object) -> GraphTask:
    return assemble(
        DatasetConfig(source="none", name="set", **config),
        graphs,
        labelled_rows(graphs, PARTS) if splits is None else splits,
        kind=kind,
        metric="mae" if kind == "regression" else "accuracy",
        target_names=("y",) if kind != "multiclass" else ("near", "far"),
        node_features=Features("continuous", (1,)),
    )


@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass"])
def test_splits_hold_the_labelled_nodes_of_their_graphs(kind: str) -> None:
    graphs = wheels()
    task = make(graphs, kind=kind)
    assert (task.setting, task.split_by_graph, task.spec.level) == ("separate", True, "node")
    for part in ("train", "val", "test"):
        first = graphs.node_ptr[getattr(PARTS, part)]
        assert getattr(task.splits, part).tolist() == sorted([*first.tolist(), *(first + 1).tolist()])
    assert task.splits.kind == "generated"
    if kind == "regression":
        assert (task.spec.target_mean, task.spec.target_std) == ((0.5,), (0.5,))


def test_a_target_is_standardised_by_the_training_nodes_with_a_label() -> None:
    graphs = wheels()
    training = graphs.node_ptr[PARTS.train]
    graphs.y[training] = torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]])
    spec = make(graphs).spec
    values = torch.tensor([1.0, 2, 3, 4, 5, 1, 1, 1, 1, 1], dtype=torch.double)
    assert spec.target_mean[0] == pytest.approx(float(values.mean()))
    assert spec.target_std[0] == pytest.approx(float(values.std(correction=0)))


def test_a_graph_in_two_parts_makes_it_one_network() -> None:
    graphs = wheels()
    splits = labelled_rows(graphs, PARTS)
    mixed = Splits(splits.train[:-1], splits.val, torch.cat([splits.test, splits.train[-1:]]).sort().values)
    task = make(graphs, mixed)
    assert (task.setting, task.split_by_graph, task.shared_graphs) == ("transductive", False, None)


def test_a_fraction_of_the_training_part_is_one_of_its_graphs() -> None:
    graphs = wheels()
    whole, few = make(graphs), make(graphs, train_fraction=0.4)
    kept = graphs.graphs_of(few.splits.train)
    assert len(kept) == 2
    assert set(kept.tolist()) < set(PARTS.train.tolist())
    assert len(few.splits.train) == 4
    assert torch.equal(few.splits.test, whole.splits.test)
    others = [make(graphs, train_fraction=0.4, split_seed=seed).splits.train.tolist() for seed in range(5)]
    assert few.splits.train.tolist() == others[0]
    assert len(set(map(tuple, others))) > 1


def test_equal_graphs_are_counted_by_graph_and_contradict_by_their_nodes_labels() -> None:
    task = make(wheels())
    nothing = {"graphs": 0, "other_label": 0}
    assert task.shared_graphs == {
        **{"train_val": nothing, "train_test": {"graphs": 2, "other_label": 0}, "val_test": nothing},
        "contradicting": 0,
    }
    assert "2 of 2 test graphs also in train. Scores" in task.notices[-1]
    graphs = wheels()
    graphs.y[graphs.node_ptr[2]] = 7.0
    task = make(graphs)
    assert task.shared_graphs["train_test"] == {"graphs": 2, "other_label": 1}
    assert task.shared_graphs["contradicting"] == 3  # 0, 2, 9
    assert "3 of 10 graphs have an equal graph with another label" in task.notices[-1]
    graphs, (start, end) = wheels(), graphs.node_ptr[[7, 8]].tolist()
    graphs.y[start + 1], graphs.y[end - 1] = torch.nan, 1.0  # the mirror image
    assert make(graphs).shared_graphs["contradicting"] == 0
    graphs.y[end - 1], graphs.y[end - 2] = torch.nan, 1.0  # the same labels, but elsewhere
    assert make(graphs).shared_graphs["contradicting"] == 2


def test_directed_and_parallel_edges_are_announced() -> None:
    graphs = wheels()
    graphs.edge_index = graphs.edge_index.clone()
    place = int(graphs.edge_ptr[3])
    graphs.edge_index[:, place] = graphs.edge_index[:, place + 1]
    notices = " ".join(make(graphs).notices)
    assert "1 of 10 graphs (ids 3) have edges without their reverse" in notices
    assert "contain parallel edges" in notices


def test_classes_that_no_label_names_are_refused() -> None:
    graphs = wheels()
    graphs.y[0] = 5.0
    with pytest.raises(UserError, match=r"1 of 49 nodes \(ids 0\) have labels 5; of a multiclass task"):
        make(graphs, kind="multiclass")
