"""What losses read beside a batch: found once, for those that ask; the teacher's attention; its head used again."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_tasks import make_node_task, make_runtime, make_separate_task, make_task, preset
from test_distill import CONFIG, run

import gnn_distill
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.objective import (
    AlignmentConfig,
    AlignmentWeights,
    BaselineConfig,
    LossConfig,
    LossWeights,
    MacroConfig,
    MicroConfig,
    OwnLossConfig,
)
from gnn_distill.config.schema.run import SignalsConfig, TrainConfig
from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.encodings.structural import compute_encodings
from gnn_distill.data.subgraphs.anchors import sample_anchors
from gnn_distill.data.subgraphs.subgraphs import compute_subgraphs, compute_walks
from gnn_distill.data.task import GraphTask, taught_graphs
from gnn_distill.errors import UserError
from gnn_distill.losses.task import make_task_loss
from gnn_distill.losses.term import Requires
from gnn_distill.models.layers.standardise import Standardise
from gnn_distill.models.reused_head import ReusingStudent
from gnn_distill.models.transformer_backbone import Transformer
from gnn_distill.pipeline.encodings import stored_encodings
from gnn_distill.pipeline.kept_outputs import TeacherOutputs
from gnn_distill.pipeline.student import check_student, train_student
from gnn_distill.pipeline.subgraphs import StoredStructure
from gnn_distill.pipeline.teacher import train_teacher
from gnn_distill.pipeline.teacher_outputs import compute_teacher_outputs
from gnn_distill.pipeline.teacher_plan import plan_teacher
from gnn_distill.predict import save_student

NOTHING = replace(CONFIG, loss=LossConfig(), alignment=AlignmentConfig())
PROPAGATION = LossConfig(weights=LossWeights(micro=1.0), micro=MicroConfig(relation=0.0, attention=1.0))
GAT = replace(PROPAGATION, micro=replace(PROPAGATION.micro, attention_target="gat"))


def collect(folder: Path, task: GraphTask, config: TrainConfig) -> tuple[torch.nn.Module, TeacherOutputs]:
    runtime = make_runtime(folder)
    plan = plan_teacher(config, task)
    teacher, entry = train_teacher(runtime, task, None, make_task_loss(task, config.task), plan)
    return teacher, compute_teacher_outputs(runtime, task, None, teacher, entry, plan)[0]


@pytest.mark.parametrize("source", ["ego", "walk", "cluster"])
def test_subgraphs_are_found_once_for_the_keys_they_read(source: str, tmp_path: Path) -> None:
    task, runtime = make_task(), make_runtime(tmp_path)
    structure, folder = StoredStructure(runtime, task, "train"), tmp_path / "store" / "structure"
    found = structure.subgraphs(source, AlignmentConfig()).to_tensors()
    again = structure.subgraphs(source, AlignmentConfig(projection="mlp")).to_tensors()
    expected = compute_subgraphs(task.graphs, source).to_tensors()
    for name, values in expected.items():
        assert torch.equal(found[name], values)
        assert torch.equal(again[name], values)
    entries = [path for path in folder.iterdir() if path.is_dir()]
    assert len(entries) == 1
    structure.subgraphs(source, AlignmentConfig(radius=3, walk_length=3))
    assert len([path for path in folder.iterdir() if path.is_dir()]) == (1 if source == "cluster" else 2)


def test_walks_and_anchors_are_found_once(tmp_path: Path) -> None:
    task = make_node_task(setting="inductive")
    runtime = make_runtime(tmp_path)
    structure = StoredStructure(runtime, task, "all")
    for _ in range(2):
        assert torch.equal(structure.walks(4), compute_walks(task.graphs, 4))
        anchors = structure.anchors(10)
        expected = sample_anchors(task.graphs, torch.arange(40, 60), 10)  # the graph that training sees
        assert torch.equal(anchors.rows, expected.rows)
        assert torch.equal(anchors.spd, expected.spd)
    few = StoredStructure(runtime, task, "train").anchors(99)
    assert torch.equal(few.rows, task.splits.train)
    assert len([path for path in (tmp_path / "store" / "structure").iterdir() if path.is_dir()]) == 3


def test_terms_that_do_not_count_find_and_keep_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the teacher nothing is gathered, and the student computes no attention apart."""

    def never(self: TeacherOutputs, batch: GraphBatch, reads: Requires) -> None:
        raise AssertionError(f"nothing was to be read, not {reads}")

    monkeypatch.setattr(TeacherOutputs, "rows", never)
    layers: set[frozenset] = set()
    forward = Transformer.forward

    def spy(self: Transformer, batch: GraphBatch, attention_layers: frozenset = frozenset()) -> object:
        layers.add(attention_layers)
        return forward(self, batch, attention_layers)

    monkeypatch.setattr(Transformer, "forward", spy)
    run(tmp_path, make_task(), NOTHING)
    assert layers == {frozenset()}
    assert not (tmp_path / "store" / "structure").exists()
    layers.clear()
    taught = replace(PROPAGATION, micro=replace(PROPAGATION.micro, attention_layers=[1, 3]))
    run(tmp_path / "taught", make_task(), replace(NOTHING, loss=taught))
    assert layers == {frozenset({1, 3}), frozenset()}  # none in evaluation


def test_distances_come_without_being_the_students(tmp_path: Path) -> None:
    """A student that is told no distance is compared by distance."""
    macro = LossConfig(weights=LossWeights(macro=1.0), macro=MacroConfig(graph_relation=0.0, distance_profile=1.0))
    student = replace(CONFIG.student, name="transformer", readout="mean")
    config = replace(NOTHING, loss=macro, student=student, encoding=EncodingConfig(rwse=3))
    _, _, fitted = run(tmp_path, make_task(), config)
    assert fitted.epochs == 2


@pytest.mark.parametrize(("level", "on"), [("graph", "train"), ("node", "train"), ("node", "all")])
def test_the_attention_of_a_gat_is_kept_edge_by_edge(level: str, on: str, tmp_path: Path) -> None:
    task = make_task(edges="categorical") if level == "graph" else make_node_task(setting="inductive")
    teacher = preset("teacher", "gat", hidden_channels=8, num_layers=2, heads=2)
    config = replace(NOTHING, teacher=teacher, loss=GAT, signals=SignalsConfig(on=on))
    model, kept = collect(tmp_path, task, config)
    if level == "graph":
        batch = collate(task.graphs, None, task.splits.train[[3, 0, 5]])
    else:
        batch = collate(task.graphs, None, torch.tensor([1]))
        if on == "train":
            outputs = task.splits.train.flip(0) - 40
            batch = replace(batch, outputs=outputs, y=batch.y[outputs])
    with torch.no_grad():
        said = model(batch)
    rows = kept.rows(batch)
    torch.testing.assert_close(rows.self_attention, batch.wanted(said.self_attention), rtol=1e-5, atol=1e-6)
    between = said.edge_attention if batch.outputs is None else said.edge_attention[batch.joins_rows]
    torch.testing.assert_close(rows.edge_attention, between, rtol=1e-5, atol=1e-6)
    assert len(rows.edge_attention) == batch.row_edges.size(1)
    assert kept.rows(batch, Requires()).edge_attention is None
    _, without = collect(tmp_path, task, replace(config, loss=LossConfig()))
    assert without.attention is None
    _, _, fitted = run(tmp_path / "run", task, config)
    assert fitted.epochs == 2


@pytest.mark.parametrize(("level", "on"), [("graph", "train"), ("node", "train"), ("node", "all")])
def test_the_median_distance_is_that_of_standardised_states_within_graphs(level: str, on: str, tmp_path: Path) -> None:
    task = make_task() if level == "graph" else make_node_task()
    _, kept = collect(tmp_path, task, replace(NOTHING, signals=SignalsConfig(on=on)))
    shape = kept.shape()
    mean, std = shape.nodes[2]
    states = ((kept.nodes[2] - mean) / std)[:, std > 0]
    groups = states.split(task.graphs.num_nodes[task.splits.train].tolist()) if level == "graph" else [states]
    if on == "train" and level == "node":
        groups = [states[task.splits.train]]
    # A node is drawn with equal chance, so pairs of a small graph weigh more.
    distances = [(torch.pdist(group).repeat(2), 1 / (len(group) - 1)) for group in groups if len(group) > 1]
    values = torch.cat([values for values, _ in distances])
    order = values.argsort()
    weight = torch.cat([torch.full_like(values, share) for values, share in distances])[order].cumsum(0)
    low, high = (values[order][torch.searchsorted(weight, weight[-1] * share)] for share in (0.48, 0.52))
    assert low <= shape.median_distance(Standardise(shape.nodes[2])) <= high


@pytest.mark.parametrize(("level", "on"), [("graph", "train"), ("node", "train"), ("node", "all"), ("separate", "all")])
def test_anchors_are_states_of_what_is_taught(level: str, on: str, tmp_path: Path) -> None:
    """Of training graphs alone; at node level, of the nodes that the student is taught."""
    task = {"graph": make_task, "node": make_node_task, "separate": make_separate_task}[level]()
    teacher, kept = collect(tmp_path, task, replace(NOTHING, signals=SignalsConfig(on=on)))
    ids = taught_graphs(task)
    with torch.no_grad():
        said = teacher(collate(task.graphs, None, ids))
    expected = said.graph if level == "graph" else said.nodes[-1]
    if on == "train" and level == "node":
        expected = expected[task.splits.train]
    draw, layer = kept.shape().draw, "graph" if level == "graph" else 2
    torch.testing.assert_close(draw(layer, 10_000), expected, rtol=1e-4, atol=1e-5)
    few = draw(layer, 5)
    assert torch.equal(few, draw(layer, 5))
    assert len(few) == 5
    assert all((row == draw(layer, 10_000)).all(dim=1).any() for row in few)


def test_a_teacher_without_attention_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="attention_target=gat: the teacher has no attention"):
        collect(tmp_path, make_task(), replace(NOTHING, loss=GAT))


def test_fragments_of_graphs_that_are_no_molecules_are_refused_before_the_teacher() -> None:
    align = AlignmentConfig(weights=AlignmentWeights(subgraph=1.0), source="fragment")
    with pytest.raises(UserError, match=r"alignment\.source=fragment: small does not contain molecules"):
        check_student(make_task(), replace(CONFIG, alignment=align))


def test_a_loss_of_ones_own_is_looked_for_before_the_teacher_is_trained() -> None:
    config = replace(CONFIG, loss=LossConfig(own={"mine": OwnLossConfig("no_losses.loss")}))
    with pytest.raises(UserError, match=r"loss\.own\.mine\.target=no_losses: no module named"):
        check_student(make_task(), config)
    check_student(
        make_task(), replace(config, loss=LossConfig(own={"mine": OwnLossConfig("no_losses.loss", weight=0)}))
    )
    check_student(make_task(), replace(config, teacher=replace(CONFIG.teacher, name="none")))


SIMKD = replace(
    NOTHING,
    loss=LossConfig(weights=LossWeights(task=0.0), baseline=BaselineConfig(fitnet=1.0)),
    alignment=AlignmentConfig(reuse_head=True, projection="mlp"),
)


@pytest.mark.parametrize("level", ["graph", "node"])
def test_a_student_predicts_by_its_teachers_head_and_is_loaded_so(level: str, tmp_path: Path) -> None:
    task = make_task("multiclass") if level == "graph" else make_node_task()
    runtime = make_runtime(tmp_path)
    task_loss, plan = make_task_loss(task, SIMKD.task), plan_teacher(SIMKD, task)
    teacher, entry = train_teacher(runtime, task, None, task_loss, plan)
    kept, _ = compute_teacher_outputs(runtime, task, None, teacher, entry, plan)
    encodings, _ = stored_encodings(runtime, task, SIMKD.encoding)
    student, _ = train_student(runtime, task, encodings, task_loss, kept, SIMKD, teacher)
    assert isinstance(student, ReusingStudent)
    head = student.reuse.output.state_dict()
    assert all(torch.equal(value, head[name]) for name, value in teacher.output.state_dict().items())

    batch = collate(task.graphs, compute_encodings(task.graphs, SIMKD.encoding), torch.arange(len(task.graphs)))
    with torch.no_grad():
        out = student.eval()(batch)
        states = student.reuse.standardise.restore(student.reuse.project(out.nodes[-1]))
        expected = teacher.output((states,), batch).logits
    torch.testing.assert_close(out.logits, expected)
    save_student(tmp_path, student, task.spec, SIMKD)
    predictor = gnn_distill.load(tmp_path)
    torch.testing.assert_close(predictor.logits(task.graphs), out.logits, rtol=1e-4, atol=1e-5)


def test_a_teacher_without_a_head_of_ours_lends_none(tmp_path: Path) -> None:
    task, runtime = make_task(), make_runtime(tmp_path)
    task_loss, plan = make_task_loss(task, SIMKD.task), plan_teacher(SIMKD, task)
    teacher, entry = train_teacher(runtime, task, None, task_loss, plan)
    kept, _ = compute_teacher_outputs(runtime, task, None, teacher, entry, plan)
    encodings, _ = stored_encodings(runtime, task, SIMKD.encoding)
    with pytest.raises(UserError, match=r"alignment\.reuse_head=true: teacher=gin has no head"):
        train_student(runtime, task, encodings, task_loss, kept, SIMKD, torch.nn.Linear(1, 1))
