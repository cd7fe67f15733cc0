"""A user's own module as teacher: called by its arguments' names, its states and weights found, its faults told."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from modules_of_users import (
    Asking,
    ByBatch,
    ByData,
    Edges,
    Forgetting,
    Graphs,
    Headed,
    Nodes,
    Normalised,
    Sure,
    Telling,
    Unpooled,
    Without,
    Wrapped,
    batch_of,
    config,
    make,
)
from small_tasks import make_graphs, make_node_task, make_runtime, make_spec, make_task
from torch import nn
from torch_geometric.nn import global_mean_pool

from gnn_distill.data.batching import collate
from gnn_distill.errors import UserError
from gnn_distill.models import build_teacher
from gnn_distill.models.pretrained import load_pretrained


def test_a_node_level_module_is_read_by_its_convolutions() -> None:
    task = make_node_task()
    model = make(Nodes, task.spec, kwargs={"hidden": 7})
    wanted = torch.tensor([4, 0])
    batch = replace(batch_of(task), outputs=wanted)
    out = model(batch)
    first = model.module.convs[0](batch.x, batch.edge_index)
    second = model.module.convs[1](first.relu(), batch.edge_index)
    torch.testing.assert_close(out.nodes, (first[wanted], second[wanted]))
    torch.testing.assert_close(out.logits, second[wanted])
    torch.testing.assert_close(out.graph, second.mean(dim=0, keepdim=True))
    assert (model.state_channels, model.graph_channels, model.reads_edges) == ((7, 3), 3, False)


@pytest.mark.parametrize("target", [Graphs, ByData, ByBatch])
def test_a_graph_level_module_is_read_by_its_convolutions_or_by_paths(target: type) -> None:
    task = make_task("multiclass", edges="continuous")
    batch = batch_of(task)
    model = make(target, task.spec)
    inner = model.module
    x = inner.second(inner.first(batch.x, batch.edge_index).relu(), batch.edge_index)
    out = model(batch)
    torch.testing.assert_close(out.logits, inner.head(inner.pool(global_mean_pool(x.relu(), batch.batch)).relu()))
    torch.testing.assert_close(out.nodes[1], x)
    torch.testing.assert_close(out.graph, global_mean_pool(x, batch.batch))
    assert (model.state_channels, model.graph_channels, model.reads_edges) == ((5, 6), 6, False)
    named = make(target, task.spec, node_states=["first"], graph_state="pool")
    again = named(batch)
    torch.testing.assert_close(again.nodes, out.nodes[:1])
    torch.testing.assert_close(again.graph, inner.pool(global_mean_pool(x.relu(), batch.batch)))
    assert (named.state_channels, named.graph_channels) == ((5,), 4)


def test_categories_and_edge_features_are_handed_over() -> None:
    task = make_task("binary", nodes="categorical", edges="categorical")
    model = make(Edges, task.spec)
    assert model.reads_edges
    assert model(batch_of(task)).logits.shape == (len(task.graphs), 1)


def test_a_module_may_tell_its_representations_itself() -> None:
    task = make_node_task()
    model = make(Telling, task.spec)
    batch = replace(batch_of(task), outputs=torch.tensor([4, 0]))
    out = model(batch)
    torch.testing.assert_close(out.nodes[0], batch.x[[4, 0]])
    torch.testing.assert_close(out.logits, 2 * out.nodes[1])
    assert (model.state_channels, model.graph_channels) == ((3, 3), 3)


def test_states_are_flat_and_those_of_the_outermost_message_passing(tmp_path: Path) -> None:
    task = make_node_task()
    batch, model = batch_of(task), make(Headed, task.spec)
    named = make(Headed, task.spec, node_states=["module.heads"])
    torch.testing.assert_close(named(batch).nodes, model(batch).nodes)
    assert model.state_channels == named.state_channels == (6,)
    torch.save(model.module.state_dict(), tmp_path / "weights.pt")
    load_pretrained(named, config(Headed, checkpoint=str(tmp_path / "weights.pt")))


def test_sparse_features_are_handed_over_dense() -> None:
    task = make_node_task()
    batch, model = batch_of(task), make(Nodes, task.spec)
    torch.testing.assert_close(model(replace(batch, x=batch.x.to_sparse_csr())).logits, model(batch).logits)


def test_two_logits_of_a_binary_task_become_one() -> None:
    task = make_task("binary")
    model = make(Graphs, task.spec, kwargs={"out": 2})
    batch = batch_of(task)
    both = model.module(batch.x, batch.edge_index, batch.batch)
    torch.testing.assert_close(model(batch).logits[:, 0].sigmoid(), both.softmax(dim=1)[:, 1])


@pytest.mark.parametrize(("kind", "out"), [("binary", 1), ("binary", 2), ("multiclass", 3), ("multilabel", 2)])
@pytest.mark.parametrize("outputs", ["standardised", "probabilities"])
def test_probabilities_become_the_logits_that_they_came_from(kind: str, out: int, outputs: str) -> None:
    """Found out by weights ten times as large, which do not take them out of [0, 1], or said."""
    task = make_task(kind)
    batch, end = batch_of(task), "sigmoid" if kind == "multilabel" or out == 1 else "softmax"
    sure = make(Sure, task.spec, kwargs={"out": out, "end": end}, outputs=outputs)
    plain = make(Graphs, task.spec, kwargs={"out": out})
    plain.load_state_dict(sure.state_dict())
    expected = plain(batch).logits
    if kind == "multiclass":  # a shift of all is nothing to a softmax
        expected = expected.log_softmax(dim=1)
    torch.testing.assert_close(sure(batch).logits, expected, rtol=1e-4, atol=1e-4)
    assert sure.probabilities
    assert not plain.probabilities
    assert len(sure.notices) == (outputs == "standardised")
    assert not plain.notices


def test_what_is_said_of_outputs_is_held_to() -> None:
    spec = make_spec("multiclass")
    torch.testing.assert_close(
        make(Sure, spec, outputs="logits")(batch_of(make_task("multiclass"))).logits.sum(1), torch.ones(24)
    )
    with pytest.raises(UserError, match=r"teacher\.outputs=probabilities: .* returns values below 0 or above 1"):
        make(Graphs, spec, outputs="probabilities")
    with pytest.raises(UserError, match=r"teacher\.outputs=logits: small is a regression"):
        make(Graphs, make_spec("regression"), kwargs={"out": 2}, outputs="logits")


def test_looking_at_a_module_leaves_its_weights_as_they_are() -> None:
    torch.manual_seed(0)
    before = Graphs(3, 3)
    torch.manual_seed(0)
    after = build_teacher(config(Graphs, kwargs={"out": 3, "inputs": 3}), make_spec("multiclass")).module
    names = [name for name in before.state_dict() if not name.startswith("second")]  # it knows no widths before
    assert all(torch.equal(before.state_dict()[name], after.state_dict()[name]) for name in names)


def test_dropout_that_never_ends_is_told() -> None:
    with pytest.raises(UserError, match=r"different outputs in every pass, even in evaluation mode\. Apply dropout"):
        make(Forgetting, make_spec("multiclass"))


def test_what_fails_in_training_alone_is_told() -> None:
    task = make_task("multiclass")
    model = make(Normalised, task.spec).train()
    with pytest.raises(UserError, match=r"fails on x float32 \[1, 3\], no edge_attr\. ValueError: Expected more"):
        model(collate(task.graphs, None, (task.graphs.num_nodes == 1).nonzero()[0]))


def test_outputs_in_original_units_are_standardised() -> None:
    task = make_task("regression")
    batch = batch_of(task)
    raw = make(Graphs, task.spec, kwargs={"out": 2})(batch).logits
    model = make(Graphs, task.spec, kwargs={"out": 2}, outputs="original")
    torch.testing.assert_close(task.spec.in_original_units(model(batch).logits).float(), raw)


def test_without_a_checkpoint_it_is_trained_like_any_teacher() -> None:
    task = make_task("multiclass")
    batch, model = batch_of(task), build_teacher(config(Graphs), task.spec)
    assert all(part.training for part in model.modules())
    nn.functional.cross_entropy(model(batch).logits, batch.y[:, 0].long()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    assert not model.module.first._forward_hooks  # nothing stays behind on the user's module


NODES, GRAPHS = make_node_task().spec, make_spec("multiclass")
FAULTS = {
    "no path": (config("MyGNN"), GRAPHS, "teacher.target=MyGNN: must be the import path of a class"),
    "no module": (config("no_such_package.MyGNN"), GRAPHS, "no module named no_such_package"),
    "no class": (config("modules_of_users.Graph"), GRAPHS, "has no Graph. Did you mean"),
    "no nn.Module": (config("collections.OrderedDict"), GRAPHS, "returns a OrderedDict, not a torch.nn.Module"),
    "unknown argument": (
        config(Graphs, kwargs={"width": 3}),
        GRAPHS,
        "cannot be created with teacher.kwargs=",
    ),
    "wrong inputs": (config(Graphs, kwargs={"inputs": 9}), GRAPHS, r"fails on x float32 \[7, 3\], no edge_attr"),
    "wrong outputs": (config(Graphs, kwargs={"out": 4}), GRAPHS, r"returns outputs \[2, 4\]; small needs \[2, 3\]"),
    "not pooled": (config(Unpooled), GRAPHS, r"returns outputs \[7, 3\]; small needs \[2, 3\].*nodes pooled by batch"),
    "pooled": (config(Graphs), NODES, r"returns outputs \[2, 3\]; small nodes needs \[7, 3\]"),
    "unknown input": (config(Asking), GRAPHS, "its forward requires 'edge_indices'.*Did you mean 'edge_index'?"),
    "no names": (config(Wrapped), GRAPHS, "its forward names no arguments.*Name them: x, edge_index, batch,"),
    "no edge features": (config(Edges), GRAPHS, "its forward requires 'edge_attr', which does not exist"),
    "no messages": (
        config(Without),
        NODES,
        r"has no MessagePassing submodule.*\[...\]. It has layer",
    ),
    "no such path": (
        config(Graphs, node_states=["convs.0"]),
        GRAPHS,
        "teacher.node_states: .* no submodule convs.0",
    ),
    "no such state": (config(Graphs, graph_state="pooled"), GRAPHS, "has no submodule pooled. Did you mean 'pool'?"),
    "no node states": (
        config(Graphs, node_states=["pool"]),
        GRAPHS,
        r"teacher.node_states=\['pool'\]: returns \[2, 4\]",
    ),
    "no graph state": (config(Graphs, graph_state="first"), GRAPHS, r"teacher.graph_state=first: returns \[7, 5\]"),
    "not called": (config(Nodes, node_states=["convs"]), NODES, "no submodule of teacher.node_states=.* is called"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_in_one_line(fault: str) -> None:
    teacher, spec, message = FAULTS[fault]
    with pytest.raises(UserError, match=message) as told:
        build_teacher(teacher, spec)
    assert "\n" not in str(told.value)


def test_a_module_in_the_working_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gnn_of_mine.py").write_text(
        "from torch_geometric.nn import GCN\n\ndef make():\n    return GCN(3, 8, 2, 3)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    given = config("gnn_of_mine.make")
    model = build_teacher(given, NODES)
    assert model.state_channels == (8, 3)


def test_graphs_without_edges_change_nothing() -> None:
    spec = make_spec("multiclass")
    graphs = make_graphs(spec)
    model = make(Graphs, spec)
    together = model(collate(graphs, None, torch.arange(3)))
    alone = model(collate(graphs, None, torch.tensor([0])))
    torch.testing.assert_close(alone.logits[0], together.logits[0])


def test_what_was_found_out_is_announced(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    spec = make_spec("multiclass")
    make_runtime(tmp_path).announce("teacher", "custom", make(Sure, spec), spec)
    said = " ".join(capsys.readouterr().out.split())
    assert "modules_of_users.Sure returns probabilities, between 0 and 1 whatever its weights" in said
