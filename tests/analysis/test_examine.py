"""Awareness of states that are known, and the controls."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from probed_graphs import SETTINGS, Scene, far_motif, scene_of, with_moved_nodes
from small_tasks import make_node_task, make_task, preset

from gnn_distill.analysis.examine import examine
from gnn_distill.analysis.held_out import held_out, scored
from gnn_distill.analysis.levels import rows_of
from gnn_distill.analysis.scores import probe
from gnn_distill.analysis.states import Subject, states_of
from gnn_distill.analysis.told import one_hot_columns
from gnn_distill.errors import UserError
from gnn_distill.models import build_student, build_teacher
from gnn_distill.models.gnn_backbone import teacher_encoding


@pytest.fixture(scope="module")
def scene() -> Scene:
    return far_motif()


def column(scene: Scene, name: str) -> np.ndarray:
    names = [target.name for target in scene.targets.node.targets]
    return scene.targets.node.array[:, names.index(name)]


def run(scene: Scene, **subjects: Subject) -> dict:
    return examine(scene.task, subjects, scene.held, scene.types, scene.targets, SETTINGS)


def test_a_state_that_is_a_shell_knows_that_shell_alone(scene: Scene) -> None:
    third = np.stack([column(scene, f"{name} at 3 hops") for name in scene.types.names], axis=1)
    found = run(scene, student=scene.subject(third))["models"]["student"]["states"]["last"]
    by_hop = {at["hop"]: at["value"] for at in found["by_hop"]}
    assert by_hop[3] == pytest.approx(1.0, abs=1e-6)
    assert all(abs(value) < 0.05 for hop, value in by_hop.items() if hop != 3)
    assert abs(found["local_shells"]["value"]) < 0.05


def test_random_states_know_nothing(scene: Scene) -> None:
    random = np.random.default_rng(0).standard_normal((len(scene.held.unit), 8))
    found = run(scene, student=scene.subject(random))["models"]["student"]
    last = found["states"]["last"]
    assert all(abs(at["value"]) < 0.02 for at in last["by_hop"])
    assert abs(last["control"]["value"]) < 0.02  # a random label of each colour: at chance
    for key in ("local_shells", "far_shells"):
        assert last[key]["low"] - 0.005 < last[key]["value"] < last[key]["high"] + 0.005
        assert abs(found["learned"]["last"][key]["value"]) < 0.02  # as little as a random twin
    assert all(0.35 < truth["auroc"] < 0.65 for truth in last["truths"].values())
    assert abs(found["shuffled"]["value"]) < 0.02


def test_states_that_hold_the_truths_tell_them(scene: Scene) -> None:
    known = np.stack([truth.values[rows_of(scene.task, scene.held)].numpy() for truth in scene.task.node_truths], 1)
    states = np.nan_to_num(known) + 0.01 * np.random.default_rng(0).standard_normal(known.shape)
    truths = run(scene, student=scene.subject(states))["models"]["student"]["states"]["last"]["truths"]
    assert {name: truth["auroc"] for name, truth in truths.items()} == {
        "kind of the motif": 1.0,
        "the far motif": 1.0,
    }


def test_degrees_and_distances_are_told_to_a_graphormer(scene: Scene) -> None:
    states = np.random.default_rng(0).standard_normal((len(scene.held.unit), 4))
    found = run(scene, student=scene.subject(states, spd=True))
    told = {line["target"] for line in found["left_out"] if line["why"].startswith("told")}
    assert {"nodes within 1 hops", "nodes within 3 hops"} <= told
    assert {"degrees", "hop distances"} <= set(found["given"])
    blind = run(scene, student=scene.subject(states, spd=False))
    not_told = {line["target"] for line in blind["left_out"] if line["why"].startswith("told")}
    assert "nodes within 3 hops" not in not_told
    assert not {"degrees", "hop distances"} & set(blind["given"])


def test_the_order_of_nodes_changes_nothing(scene: Scene) -> None:
    random = np.random.default_rng(1)
    states = random.standard_normal((scene.task.graphs.x.size(0), 3)).astype(np.float32)
    moved_task, place = with_moved_nodes(scene.task, random.permutation)
    moved_states = np.empty_like(states)
    moved_states[place] = states
    moved = scene_of(moved_task)

    def found(scene: Scene, states: np.ndarray) -> dict:
        subject = scene.subject(states[rows_of(scene.task, scene.held)])
        return run(scene, student=subject)["models"]["student"]["states"]["last"]

    one, other = found(scene, states), found(moved, moved_states)
    np.testing.assert_allclose(
        [at["value"] for at in one["by_hop"]], [at["value"] for at in other["by_hop"]], atol=1e-6
    )
    for name, truth in one["truths"].items():
        assert truth["auroc"] == pytest.approx(other["truths"][name]["auroc"], abs=1e-6)


def test_a_node_split_on_purpose_would_find_what_is_not_there(scene: Scene) -> None:
    """States that name the graph tell a random number of each graph, by folds of nodes; by folds of graphs not."""
    name = np.random.default_rng(0).standard_normal((len(scene.held.graphs), 60))[scene.held.unit]
    levels = scene.levels(scene.subject(name))
    number = np.random.default_rng(1).standard_normal((levels.node.units, 1))[scene.held.unit]
    node = replace(levels.node, targets=levels.node.targets[:1], values=number, within=False)
    node = replace(node, told=node.told[:, :0])
    by_node = replace(node, fold=np.random.default_rng(0).integers(0, 5, len(node.fold)))
    assert probe(by_node, name).r2()[0] > 0.4
    assert probe(node, name).r2()[0] < 0.05
    folds = {unit: set(node.fold[node.unit == unit].tolist()) for unit in range(node.units)}
    assert all(len(of_unit) == 1 for of_unit in folds.values())


def test_graphs_that_repeat_are_found_out() -> None:
    task = far_motif(20).task
    same = torch.zeros(40, dtype=torch.long)
    graphs = task.graphs.select(torch.cat([torch.arange(10), same]))
    splits = replace(task.splits, val=torch.arange(10, 30), test=torch.arange(30, 50))
    scene = scene_of(replace(task, graphs=graphs, splits=splits, node_truths=()))
    third = np.stack([column(scene, f"{name} at 6 hops") for name in scene.types.names], axis=1)
    with pytest.raises(UserError, match="structure of other graphs"):
        run(scene, student=scene.subject(third))


def test_a_gin_knows_the_colours_that_it_computes() -> None:
    task = far_motif(200).task
    config = preset("teacher", "gin", hidden_channels=128, num_layers=2, dropout=0.0, norm="none")
    torch.manual_seed(0)
    model = build_teacher(config, task.spec).eval()
    subject = Subject(model, teacher_encoding(config), lambda: model)
    scene = scene_of(task)
    states = states_of(subject, scene.held.graphs).joined
    colours = scene.targets.colours
    common = np.argsort(-np.bincount(colours))[:8]
    levels = scene.levels(subject)
    ownership = one_hot_columns(colours[:, None])[:, common].astype(np.float32)
    targets = [replace(levels.node.targets[0], name=str(colour), binary=True) for colour in common]
    level = replace(levels.node, targets=targets, values=ownership, told=levels.node.told[:, :0])
    assert np.nanmin(probe(level, states).auroc) > 0.99
    blind = scene.held.graphs.x.numpy()
    assert np.nanmean(probe(level, one_hot_columns(blind)).auroc) < 0.98


@pytest.mark.parametrize("student", ["graphormer", "transformer", "gps", "sgformer", "polynormer", "nagphormer"])
def test_every_student_has_states_by_layer(student: str) -> None:
    for task in (make_task(nodes="categorical"), make_node_task()):
        config = preset("student", student, hidden_channels=8, num_layers=2, num_heads=2)
        encoding = preset("encoding", "graphormer" if student == "graphormer" else "none")
        build = lambda config=config, encoding=encoding, task=task: build_student(config, encoding, task.spec)  # noqa: E731
        subject = Subject(build().eval(), encoding, build)
        held = held_out(task)
        before = torch.random.get_rng_state()
        states, twin = states_of(subject, held.graphs), states_of(subject.twin(0), held.graphs)
        assert torch.equal(before, torch.random.get_rng_state())
        layers = sorted(states.layers)
        assert layers == list(range(len(layers)))
        assert {values.shape[0] for values in states.layers.values()} == {held.graphs.x.size(0)}
        assert not np.allclose(states.last, twin.last)
        again = states_of(subject.twin(0), held.graphs)
        np.testing.assert_array_equal(twin.last, again.last)


def test_states_do_not_depend_on_their_batch() -> None:
    task = make_task(nodes="continuous")
    config = preset("teacher", "gin", hidden_channels=8, num_layers=2)
    model = build_teacher(config, task.spec).eval()
    subject = Subject(model, teacher_encoding(config), lambda: model)
    held = held_out(task)
    together = states_of(subject, held.graphs)
    assert 0 in together.layers  # of continuous features, too
    for graph in range(len(held.graphs)):
        alone = states_of(subject, held.graphs.select(torch.tensor([graph])))
        rows = slice(*held.graphs.node_ptr[graph : graph + 2].tolist())
        for layer, values in alone.layers.items():
            np.testing.assert_allclose(values, together.layers[layer][rows], atol=1e-5)


def test_of_one_graph_units_are_communities_and_nodes_near_other_folds_are_not_scored() -> None:
    held = held_out(make_node_task())
    assert held.single
    assert held.kept.sum() == 20  # validation and test
    inductive = held_out(make_node_task(setting="inductive"))
    assert inductive.graphs.x.size(0) == 40  # the whole graph, not a copy of a part of it
    fold = np.zeros(len(held.unit), dtype=np.int64)
    assert scored(held, fold).sum() == held.kept.sum()
    fold[0] = 1
    distances = held.distances_of(0)
    assert (scored(held, fold) == (held.kept & (distances[0] > 2))).all()


def test_no_training_graph_is_examined() -> None:
    task = make_task()
    assert not set(held_out(task).ids.tolist()) & set(task.splits.train.tolist())
    assert len(held_out(task, most=5).graphs) == 5
    assert held_out(task, most_nodes=20).graphs.x.size(0) <= 20
