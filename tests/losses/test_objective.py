"""The objective of a batch equals plain loops over its graphs, and teaches the student and its projections alone."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from objective_cases import (
    ALL_SCALES,
    ALL_WEIGHTS,
    CONFIGS,
    DEAD,
    KINDS,
    TEACHER_CHANNELS,
    TEACHER_LAYERS,
    TERMS,
    WIDTHS,
    FoundStructure,
    expected_soft,
    expected_terms,
    make_batch,
    make_objective,
    make_student,
    make_teacher,
)
from small_tasks import make_graphs, make_spec

from gnn_distill.config.schema.objective import (
    AlignmentConfig,
    LossConfig,
    LossWeights,
    MacroConfig,
    Ramp,
    ScheduleConfig,
    SoftConfig,
)
from gnn_distill.losses.alignment import teacher_layer
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.projectors import StudentShape
from gnn_distill.losses.task import TaskLoss
from gnn_distill.losses.term import Requires, TeacherRows
from gnn_distill.models.representations import Representations


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("config", CONFIGS)
def test_a_batch_equals_the_reference(kind: str, config: str) -> None:
    loss, align = CONFIGS[config]
    batch = make_batch(kind)
    out, (teacher, shape) = make_student(batch, KINDS[kind]), make_teacher(batch, KINDS[kind])
    objective = make_objective(kind, shape, loss, align)
    total, raw, weights = objective(out, batch, teacher, progress=0.5)
    expected = expected_terms(objective, loss, align, kind, batch, shape)(out, teacher)
    assert set(raw) == set(weights) == TERMS
    for name, value in expected.items():
        assert float(raw[name]) == pytest.approx(value, rel=1e-4, abs=1e-5), name
    assert weights == {
        **{"task": 1.0, "soft": 0.5, "micro_relation": 0.25 * loss.micro.relation},
        **{"macro_graph_relation": 2.0 * loss.macro.graph_relation},
        **{"align_node": 1.0, "align_subgraph": 0.5, "align_graph": 0.25},
    }
    assert total.item() == pytest.approx(sum(weights[name] * float(raw[name]) for name in raw), rel=1e-5)


@pytest.mark.parametrize("config", CONFIGS)
def test_padding_changes_nothing(config: str) -> None:
    batch = make_batch()
    place = batch.dense_index - batch.batch * batch.max_nodes
    wider = replace(
        batch, max_nodes=batch.max_nodes + 5, dense_index=batch.batch * (batch.max_nodes + 5) + place
    )  # as if a larger graph had been among them
    out, (teacher, shape) = make_student(batch, 1), make_teacher(batch, 1)
    objective = make_objective("binary", shape, *CONFIGS[config])
    values = [objective(out, some, teacher, 0.5)[1] for some in (batch, wider)]
    assert {name: float(value) for name, value in values[0].items()} == pytest.approx(
        {name: float(value) for name, value in values[1].items()}, rel=1e-6
    )


@pytest.mark.parametrize("name", sorted(TERMS))
@pytest.mark.parametrize("config", CONFIGS)
def test_gradients_reach_the_student_and_the_terms_own_projections(config: str, name: str) -> None:
    loss, align = CONFIGS[config]
    batch = make_batch()
    out, (teacher, shape) = make_student(batch, 1), make_teacher(batch, 1)
    objective = make_objective("binary", shape, loss, align)
    objective.terms[name](out, batch, teacher).backward()
    assert all(tensor.grad is None for tensor in (teacher.logits, teacher.graph, *teacher.nodes.values()))
    reads = {"task": "logits", "soft": "logits", "macro_graph_relation": "graph", "align_graph": "graph"}
    tensors = {"logits": out.logits, "graph": out.graph, **{f"nodes{n}": h for n, h in enumerate(out.nodes, start=1)}}
    reached = {key for key, tensor in tensors.items() if tensor.grad is not None and tensor.grad.abs().sum() > 0}
    layered = {"nodes1", "nodes2", "nodes3"} if name == "align_node" and align.layers else {"nodes3"}
    assert reached == ({reads[name]} if name in reads else layered)
    for key, parameter in objective.named_parameters():
        own = key.removeprefix("projectors.projections.").startswith(name)
        assert (parameter.grad is not None and parameter.grad.isfinite().all()) == own, key


@pytest.mark.parametrize("measure", ["mse", "cka"])
def test_channels_that_are_not_compared_are_free(measure: str) -> None:
    batch = make_batch()
    out, (teacher, shape) = make_student(batch, 1), make_teacher(batch, 1)
    widths = StudentShape.of(SimpleNamespace(state_channels=WIDTHS.states, graph_channels=WIDTHS.graph), 0.5)
    assert widths == StudentShape((2, 2, 2), 2)
    align = AlignmentConfig(weights=ALL_SCALES, measure=measure, layers=True)
    loss = LossConfig(weights=replace(ALL_WEIGHTS, task=0.0, soft=0.0))
    objective = Objective(TaskLoss(make_spec()), loss, align, shape, widths, FoundStructure(make_graphs(make_spec())))
    total, raw, _ = objective(out, batch, teacher, 0.5)
    assert set(raw) == TERMS - {"task", "soft"}
    total.backward()
    for states in (*out.nodes, out.graph):
        assert states.grad[:, :2].abs().sum() > 0
        assert states.grad[:, 2:].abs().sum() == 0


@pytest.mark.parametrize("config", CONFIGS)
def test_a_student_identical_to_its_teacher_has_nothing_to_learn(config: str) -> None:
    """At equal widths and without projections; a subgraph's projection is set to the identity."""
    loss, align = CONFIGS[config]
    loss = replace(loss, soft=SoftConfig(), micro=replace(loss.micro, projection="none"))
    loss = replace(loss, macro=replace(loss.macro, projection="none"))
    batch = make_batch()
    teacher, shape = make_teacher(batch, 1)
    rows = {
        layer: (h.detach() - shape.nodes[layer].mean) / shape.nodes[layer].std for layer, h in teacher.nodes.items()
    }
    graph = (teacher.graph.detach() - shape.graph.mean) / shape.graph.std
    out = Representations(teacher.logits.detach(), (rows[1], rows[2]), graph)
    align = replace(align, projection="none")
    widths = StudentShape((TEACHER_CHANNELS,) * TEACHER_LAYERS, TEACHER_CHANNELS)
    objective = Objective(TaskLoss(make_spec()), loss, align, shape, widths, FoundStructure(make_graphs(make_spec())))
    first, _, second = objective.projectors.projections["align_subgraph"]
    with torch.no_grad():  # relu(h + 50) - 50 = h, for the dimensions that are alive
        first.weight.copy_(torch.eye(TEACHER_CHANNELS)[[c for c in range(TEACHER_CHANNELS) if c != DEAD]])
        second.weight.copy_(torch.eye(TEACHER_CHANNELS - 1))
        first.bias.fill_(50)
        second.bias.fill_(-50)
        for states in (*out.nodes, out.graph):
            states[:, DEAD] = 1e3  # whatever a student puts there does not count
    _, raw, _ = objective(out, batch, teacher, 0.5)
    for name in TERMS - {"task"}:
        assert float(raw[name]) == pytest.approx(0, abs=1e-6), name
    assert float(raw["task"]) > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_exits_learn_soft_targets_from_means_of_earlier_layers(kind: str) -> None:
    batch, outputs = make_batch(kind), KINDS[kind]
    out, (teacher, shape) = make_student(batch, outputs), make_teacher(batch, outputs)
    soft = SoftConfig(exits=0.5, mask_missing=True, bounded=True)
    loss = LossConfig(weights=LossWeights(task=0.0, soft=2.0), soft=soft)
    objective = make_objective(kind, shape, loss, AlignmentConfig())
    total, raw, weights = objective(out, batch, teacher, 0.5)
    assert weights == {"soft": 2.0, "soft_exits": 1.0}
    expected = []
    for layer in (1, 2):  # of three
        predict = objective.projectors.held[f"soft_exit{layer}"]
        means = [out.nodes[layer - 1][batch.batch == graph].mean(dim=0) for graph in range(batch.num_graphs)]
        expected.append(expected_soft(soft, kind, predict(torch.stack(means)), teacher.logits, batch))
    assert float(raw["soft_exits"]) == pytest.approx(sum(expected) / 2, rel=1e-4)
    total.backward()
    reached = [states.grad is not None and states.grad.abs().sum() > 0 for states in out.nodes]
    assert reached == [True, True, False]
    assert teacher.logits.grad is None
    assert all(parameter.grad.abs().sum() > 0 for parameter in objective.parameters())


def test_relations_to_anchors_do_not_depend_on_batch_mates() -> None:
    """A graph is taught the same alone, and with others in its batch; its anchors are no part of the batch."""
    batch = make_batch()
    out, (teacher, shape) = make_student(batch, 1), make_teacher(batch, 1)
    loss = LossConfig(weights=LossWeights(task=0.0, macro=1.0), macro=MacroConfig(0.0, anchor_relation=1.0))
    objective = make_objective("binary", shape, loss, AlignmentConfig())
    total, _, _ = objective(out, batch, teacher, 0.5)
    total.backward()
    for graph in range(batch.num_graphs):
        states = out.graph[graph, None].detach().requires_grad_()
        one = Representations(out.logits[graph, None], (), states)
        value, _, _ = objective(
            one, make_batch(graphs=(graph,)), TeacherRows(None, {}, teacher.graph[graph, None]), 0.5
        )
        value.backward()
        torch.testing.assert_close(states.grad[0] / batch.num_graphs, out.graph.grad[graph], rtol=1e-4, atol=1e-7)


def test_anchors_go_where_the_objective_goes_and_are_not_saved() -> None:
    _, shape = make_teacher(make_batch(), 1)
    loss = LossConfig(weights=LossWeights(task=0.0, macro=1.0), macro=MacroConfig(0.0, anchor_relation=1.0))
    objective = make_objective("binary", shape, loss, AlignmentConfig(standardise="whiten"))
    assert set(objective.state_dict()) == {name for name, _ in objective.named_parameters()}
    assert {values.device.type for values in objective.to("meta").buffers()} == {"meta"}


def test_weights_of_zero_leave_their_terms_out() -> None:
    batch = make_batch()
    out, (teacher, shape) = make_student(batch, 1), make_teacher(batch, 1)
    objective = make_objective("binary", shape, LossConfig(), AlignmentConfig())
    assert set(objective.terms) == {"task"}
    assert not list(objective.parameters())
    assert objective.requires == Requires()
    for group in ("soft", "micro", "macro"):
        weights = replace(ALL_WEIGHTS, **{group: 0.0})
        objective = make_objective("binary", shape, LossConfig(weights=weights), AlignmentConfig(weights=ALL_SCALES))
        assert {name for name in TERMS if name.startswith(group)} == TERMS - set(objective.terms)
    for scale in ("node", "subgraph", "graph"):
        scales = AlignmentConfig(weights=replace(ALL_SCALES, **{scale: 0.0}))
        objective = make_objective("binary", shape, LossConfig(weights=ALL_WEIGHTS), scales)
        assert {f"align_{scale}"} == TERMS - set(objective.terms)
        assert not any(key.startswith(f"align_{scale}") for key in objective.projectors.projections)
    nothing = make_objective("binary", shape, LossConfig(weights=LossWeights(task=0.0)), AlignmentConfig())
    total, raw, _ = nothing(out, batch, teacher, 0.5)
    assert (float(total.detach()), raw) == (0.0, {})
    assert torch.autograd.grad(total, out.logits)[0].abs().max() == 0


def test_terms_count_when_their_ramp_says_so() -> None:
    batch = make_batch()
    out, (teacher, shape) = make_student(batch, 1), make_teacher(batch, 1)
    schedule = ScheduleConfig(
        task=Ramp(enter=[0.5, 0.5]), align=Ramp(leave=[0.25, 0.75]), soft=Ramp(enter=[0.0, 1.0]), micro=Ramp([1.0, 1.0])
    )
    loss, align = LossConfig(weights=ALL_WEIGHTS, schedule=schedule), AlignmentConfig(weights=ALL_SCALES)
    objective = make_objective("binary", shape, loss, align)
    expected = {
        0.0: {"task": 0.0, "soft": 0.0, "align_node": 1.0, "align_graph": 0.25, "macro_graph_relation": 2.0},
        0.5: {"task": 1.0, "soft": 0.25, "align_node": 0.5, "align_graph": 0.125, "macro_graph_relation": 2.0},
        0.9: {"task": 1.0, "soft": 0.45, "align_node": 0.0, "align_graph": 0.0, "macro_graph_relation": 2.0},
    }
    for progress, values in expected.items():
        total, raw, weights = objective(out, batch, teacher, progress)
        assert {name: weights[name] for name in values} == pytest.approx(values)
        assert weights["micro_relation"] == 0
        assert set(raw) == {name for name, weight in weights.items() if weight}
        assert total.item() == pytest.approx(sum(weights[name] * float(raw[name]) for name in raw), rel=1e-5)


@pytest.mark.parametrize(
    ("student", "teacher", "pairs"),
    [
        (4, 2, [1, 1, 2, 2]),
        (3, 2, [1, 2, 2]),
        (2, 4, [2, 4]),
        (4, 4, [1, 2, 3, 4]),
        (1, 3, [3]),
        (5, 3, [1, 2, 2, 3, 3]),
    ],
)
def test_layers_pair_up_to_the_last(student: int, teacher: int, pairs: list[int]) -> None:
    layers = range(1, student + 1)
    assert [teacher_layer(layer, student, teacher) for layer in layers] == pairs
    assert pairs == [math.ceil(layer * teacher / student) for layer in layers]


def test_the_layers_that_are_read_are_known() -> None:
    _, shape = make_teacher(make_batch(), 1)
    for layers, read in ((True, {1, 2}), (False, {2})):
        align = AlignmentConfig(weights=ALL_SCALES, layers=layers)
        assert make_objective("binary", shape, LossConfig(), align).requires.layers == read


def test_a_term_knows_what_it_requires() -> None:
    _, shape = make_teacher(make_batch(), 1)
    align = AlignmentConfig(weights=ALL_SCALES, layers=True)
    objective = make_objective("binary", shape, LossConfig(weights=ALL_WEIGHTS), align)
    graph, last = Requires(graph=True), Requires(layers=frozenset({2}))
    assert {name: term.requires for name, term in objective.terms.items()} == {
        "task": Requires(), "soft": Requires(logits=True), "micro_relation": last, "macro_graph_relation": graph,
        "align_node": Requires(layers=frozenset({1, 2})), "align_subgraph": last, "align_graph": graph,
    }  # fmt: skip
    assert objective.requires == Requires(layers=frozenset({1, 2}), logits=True, graph=True)


def test_without_a_teacher_only_labels_count() -> None:
    batch = make_batch()
    objective = make_objective("binary", None, LossConfig(weights=ALL_WEIGHTS), AlignmentConfig(weights=ALL_SCALES))
    total, raw, _ = objective(make_student(batch, 1), batch, None, 0.0)
    assert set(raw) == {"task"}
    assert not list(objective.parameters())
    assert total.item() == pytest.approx(float(raw["task"]))


@pytest.mark.parametrize("graphs", [(0,), (1,), (0, 0), (3,)])
def test_the_oddest_batches_have_finite_gradients(graphs: tuple[int, ...]) -> None:
    batch = make_batch(graphs=graphs)
    out, (teacher, shape) = make_student(batch, 1), make_teacher(batch, 1)
    for loss, align in CONFIGS.values():
        total, _, _ = make_objective("binary", shape, loss, align)(out, batch, teacher, 0.5)
        total.backward()
        assert all(tensor.grad.isfinite().all() for tensor in (out.logits, out.graph, out.nodes[-1]))


def test_a_batch_teaches_like_its_graphs_apart() -> None:
    """Node terms are means over nodes and graph terms means over graphs, whoever is in the batch."""
    batch = make_batch()
    out, (teacher, shape) = make_student(batch, 1), make_teacher(batch, 1)
    objective = make_objective("binary", shape, *CONFIGS["layers"])
    _, together, _ = objective(out, batch, teacher, 0.5)
    sums = dict.fromkeys(("align_node", "align_subgraph", "align_graph", "task", "soft"), 0.0)
    for graph in range(batch.num_graphs):
        rows = slice(batch.ptr[graph], batch.ptr[graph + 1])
        alone = make_batch(graphs=(graph,))
        one = Representations(out.logits[graph, None], tuple(h[rows] for h in out.nodes), out.graph[graph, None])
        states = {layer: h[rows] for layer, h in teacher.nodes.items()}
        row = TeacherRows(teacher.logits[graph, None], states, teacher.graph[graph, None])
        _, raw, _ = objective(one, alone, row, 0.5)
        for name in sums:
            by_node = name in ("align_node", "align_subgraph")
            share = len(alone.x) / len(batch.x) if by_node else 1 / batch.num_graphs
            sums[name] += share * float(raw[name])
    assert {name: float(together[name]) for name in sums} == pytest.approx(sums, rel=1e-4)
