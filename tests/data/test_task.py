import json
from dataclasses import replace

import pytest
import torch

from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import UNLEARNED, Features, GraphTask, Splits, TaskSpec


@pytest.fixture
def task() -> GraphTask:
    spec = TaskSpec(
        name="set",
        kind="regression",
        level="graph",
        num_outputs=2,
        node_features=Features("categorical", (3, 4)),
        edge_features=Features("continuous", (5,)),
        metric="mae",
        higher_is_better=False,
        target_names=("a", "b"),
        target_mean=(0.1, 0.2),
        target_std=(1.0, 1 / 3),
        note="rebuilt labels",
    )
    graphs = PackedGraphs(
        x=torch.zeros(3, 2, dtype=torch.long),
        edge_index=torch.tensor([[0, 1], [1, 0]]),
        edge_attr=torch.zeros(2, 5),
        y=torch.tensor([[1.0, 2.0], [3.0, float("nan")]]),
        node_ptr=torch.tensor([0, 2, 3]),
        edge_ptr=torch.tensor([0, 2, 2]),
    )
    return GraphTask(spec, graphs, Splits(torch.tensor([0]), torch.tensor([1]), torch.tensor([1])))


def test_spec_survives_json(task: GraphTask) -> None:
    assert TaskSpec.from_dict(json.loads(json.dumps(task.spec.to_dict()))) == task.spec
    plain = replace(task.spec, edge_features=None)
    assert TaskSpec.from_dict(plain.to_dict()) == plain
    scaled = replace(task.spec, edge_features=Features("continuous", (2,), mean=(0.1, 1 / 3), std=(1e-9, 7.0)))
    assert TaskSpec.from_dict(json.loads(json.dumps(scaled.to_dict()))) == scaled


def test_targets_and_widths(task: GraphTask) -> None:
    assert task.spec.num_targets == 2
    assert replace(task.spec, kind="multiclass").num_targets == 1
    assert (task.spec.node_features.width, task.spec.edge_features.width) == (2, 5)


@pytest.mark.parametrize("part", ["x", "y", "edge_index", "splits", "spec", "nothing"])
def test_fingerprint_changes_with_every_part(task: GraphTask, part: str) -> None:
    copy = GraphTask(task.spec, replace(task.graphs), task.splits, ["notices do not count"])
    if part == "splits":
        copy.splits = Splits(torch.tensor([1]), torch.tensor([0]), torch.tensor([1]))
    elif part == "spec":
        copy.spec = replace(task.spec, target_std=(1.0, 1.0))
    elif part != "nothing":
        setattr(copy.graphs, part, getattr(task.graphs, part) + 1)
    assert (copy.fingerprint == task.fingerprint) == (part == "nothing")


def test_fingerprint_is_that_of_the_bytes_in_order(task: GraphTask) -> None:
    transposed = replace(task.graphs, x=task.graphs.x.T.contiguous().T)
    assert GraphTask(task.spec, transposed, task.splits).fingerprint == task.fingerprint
    swapped = replace(task.graphs, edge_attr=torch.arange(10.0).reshape(2, 5))
    other = replace(task.graphs, edge_attr=torch.arange(10.0).reshape(2, 5).flip(0))
    assert (
        GraphTask(task.spec, swapped, task.splits).fingerprint != GraphTask(task.spec, other, task.splits).fingerprint
    )


def test_what_is_not_learned_from_leaves_the_fingerprint(task: GraphTask) -> None:
    assert task.fingerprint == "4bfb2683777221988d2809ea30ce48d16cbbac5e96544c0c0f3a3e921b713e78"
    told = replace(task.spec, class_names=("a", "b"))
    assert GraphTask(told, task.graphs, task.splits).fingerprint == task.fingerprint
    assert TaskSpec.from_dict(json.loads(json.dumps(told.to_dict()))) == told


def test_a_spec_of_before_is_read(task: GraphTask) -> None:
    old = {key: value for key, value in task.spec.to_dict().items() if key not in UNLEARNED}
    assert TaskSpec.from_dict(old) == task.spec


def test_classes_have_names(task: GraphTask) -> None:
    assert task.spec.classes == ()
    assert replace(task.spec, kind="multiclass").classes == ("a", "b")
    assert replace(task.spec, kind="binary").classes == ("0", "1")
    assert replace(task.spec, kind="binary", class_names=("no", "yes")).classes == ("no", "yes")


def test_original_units_keep_their_digits(task: GraphTask) -> None:
    spec = replace(task.spec, target_mean=(1e7, 0.0), target_std=(0.01, 1e-30))
    values = spec.in_original_units(torch.tensor([[1.0, 2.0]]))
    assert values.tolist() == [pytest.approx([1e7 + 0.01, 2e-30], rel=1e-12)]
