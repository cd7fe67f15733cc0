"""teacher.control=shuffled: soft targets stay, states are another unit's of the same predicted class."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_tasks import make_node_task, make_runtime, make_task
from test_distill import CONFIG

from gnn_distill.config.schema.run import SignalsConfig, TrainConfig
from gnn_distill.data.batching import collate
from gnn_distill.data.loaders import NodeLoader
from gnn_distill.data.packed import pointers
from gnn_distill.data.task import GraphTask
from gnn_distill.losses.task import make_task_loss
from gnn_distill.losses.term import Requires
from gnn_distill.pipeline.kept_outputs import TeacherOutputs
from gnn_distill.pipeline.shuffled_teacher import another_of_class, foreign_graphs, foreign_nodes, predicted_classes
from gnn_distill.pipeline.teacher import train_teacher
from gnn_distill.pipeline.teacher_outputs import compute_teacher_outputs
from gnn_distill.pipeline.teacher_plan import plan_teacher, visibility
from gnn_distill.storage.store import Entry

KINDS = ("binary", "multiclass", "multilabel", "regression")


def collect(
    folder: Path, task: GraphTask, control: str, config: TrainConfig = CONFIG, seed: int = 0
) -> tuple[TeacherOutputs, Entry]:
    """Signals of the same teacher, whatever the control and its seed."""
    runtime = make_runtime(folder / f"{control} {seed}", folder / "store")
    teacher, entry = train_teacher(runtime, task, None, make_task_loss(task, config.task), plan_teacher(config, task))
    config = replace(config, teacher=replace(config.teacher, control=control), seed=seed)
    return compute_teacher_outputs(runtime, task, None, teacher, entry, plan_teacher(config, task))


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_those_of_another_graph_of_the_class(kind: str, tmp_path: Path) -> None:
    task = make_task(kind, count=48)
    own, _ = collect(tmp_path, task, "none")
    shuffled, entry = collect(tmp_path, task, "shuffled")
    assert entry.found  # they are the same signals, read in other places
    classes = predicted_classes(own.logits, kind)
    sizes = own.node_ptr.diff()
    whole = collate(task.graphs, None, task.splits.train)
    mine, theirs = own.rows(whole), shuffled.rows(whole)
    assert torch.equal(theirs.logits, mine.logits)
    taken = []
    for unit, states in enumerate(theirs.nodes[2].split(sizes.tolist())):
        other = int(shuffled.foreign.graphs[unit])
        taken.append(other)
        assert classes[other] == classes[unit]
        assert other != unit or (classes == classes[unit]).sum() == 1
        assert torch.equal(theirs.graph[unit], own.graph[other])
        begin, end = own.node_ptr[other : other + 2]
        for layer in (1, 2):  # the same node in every layer, and every node as often as any other
            rows = theirs.nodes[layer][own.node_ptr[unit] : own.node_ptr[unit + 1]]
            places = shuffled.foreign.nodes[own.node_ptr[unit] : own.node_ptr[unit + 1]]
            assert torch.equal(rows, own.nodes[layer][places])
            times = torch.bincount(places - begin, minlength=end - begin)
            assert len(times) == end - begin
            assert times.max() - times.min() <= 1
        assert len(states) == sizes[unit]
    assert sorted(taken) == list(range(len(sizes)))
    assert shuffled.foreign.alone == sum((classes == c).sum() == 1 for c in classes)
    assert shuffled.foreign.classes == len(classes.unique())


def test_a_unit_reads_the_same_in_every_batch(tmp_path: Path) -> None:
    task = make_task("multiclass")
    shuffled, _ = collect(tmp_path, task, "shuffled")
    train = task.splits.train
    whole = shuffled.rows(collate(task.graphs, None, train))
    ids = [3, 0, 7]
    some = shuffled.rows(collate(task.graphs, None, train[ids]), Requires({2}, graph=True))
    assert torch.equal(some.graph, whole.graph[ids])
    pieces = whole.nodes[2].split(task.graphs.num_nodes[train].tolist())
    assert torch.equal(some.nodes[2], torch.cat([pieces[i] for i in ids]))
    again, _ = collect(tmp_path / "again", task, "shuffled")
    assert torch.equal(again.foreign.nodes, shuffled.foreign.nodes)
    other, _ = collect(tmp_path, task, "shuffled", seed=1)
    assert not torch.equal(other.foreign.graphs, shuffled.foreign.graphs)


@pytest.mark.parametrize("on", ["train", "auto"])
@pytest.mark.parametrize("setting", ["transductive", "inductive"])
def test_nodes_read_other_nodes_of_their_class(on: str, setting: str, tmp_path: Path) -> None:
    task = make_node_task(setting=setting)
    config = replace(CONFIG, signals=SignalsConfig(on=on))
    own, _ = collect(tmp_path, task, "none", config)
    shuffled, _ = collect(tmp_path, task, "shuffled", config)
    classes = own.logits.argmax(1)
    taught = torch.arange(len(classes)) if own.taught is None else own.taught
    source = shuffled.foreign.nodes[taught]
    assert sorted(source.tolist()) == taught.tolist()  # nothing is read of nodes that are not taught
    assert torch.equal(classes[source], classes[taught])
    moved = source != taught
    assert all((classes[taught] == classes[node]).sum() == 1 for node in taught[~moved])
    assert moved.sum() == len(taught) - shuffled.foreign.alone > len(taught) // 2
    for _, batch, _ in NodeLoader(task, None, 5, seed=0, taught=visibility(task, on)).train(1):
        mine, theirs = own.rows(batch), shuffled.rows(batch)
        assert torch.equal(theirs.logits, mine.logits)
        places = batch.outputs
        assert torch.equal(theirs.nodes[2], own.nodes[2][shuffled.foreign.nodes[places]])
        assert torch.equal(theirs.graph, own.graph)


@pytest.mark.parametrize(("units", "parts"), [(100, 10), (25, 10), (19, 9), (5, 2), (3, 1), (1, 1)])
@pytest.mark.parametrize("targets", [1, 3])
def test_tenths_hold_predictions_of_like_size(units: int, parts: int, targets: int) -> None:
    random = torch.Generator().manual_seed(units)
    size = torch.randn(units, generator=random)
    logits = size[:, None] * torch.tensor([1.0, -2.0, 0.5])[:targets] + 3
    classes = predicted_classes(logits, "regression")
    assert len(classes.unique()) == parts
    assert torch.bincount(classes).min() >= min(units, 2)
    in_order = classes[size.argsort(descending=targets == 3)]  # the direction points where its largest share does
    assert torch.equal(in_order, in_order.sort().values)


def test_classes_are_what_the_teacher_predicts() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 3.0]])
    assert predicted_classes(logits, "multiclass").tolist() == [0, 1, 2]
    assert predicted_classes(torch.tensor([[-1.0], [0.5]]), "binary").tolist() == [0, 1]


def test_others_of_a_class_go_round_in_a_circle() -> None:
    classes = torch.tensor([0, 3, 3, 0, 3, 5, 0, 0])
    source = another_of_class(classes, torch.Generator().manual_seed(0))
    assert torch.equal(classes[source], classes)
    assert (source == torch.arange(8)).tolist() == [False] * 5 + [True] + [False] * 2  # 5 is alone
    assert sorted(source.tolist()) == list(range(8))


def test_a_graph_alone_keeps_its_own_states() -> None:
    foreign = foreign_graphs(torch.tensor([[1.0], [2.0], [-1.0]]), "binary", pointers(torch.tensor([2, 1, 3])), 0)
    assert foreign.graphs.tolist() == [1, 0, 2]
    assert foreign.nodes[:2].tolist() == [2, 2]
    assert sorted(foreign.nodes[3:].tolist()) == [3, 4, 5]
    assert (foreign.classes, foreign.alone) == (2, 1)


def test_nodes_that_are_not_taught_stay() -> None:
    taught = torch.tensor([1, 3, 4])
    foreign = foreign_nodes(torch.ones(6, 1), "binary", taught, rows=1, seed=0)
    assert foreign.nodes[[0, 2, 5]].tolist() == [0, 2, 5]
    assert (foreign.nodes[taught] != taught).all()
