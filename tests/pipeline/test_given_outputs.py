"""signals.give: what a teacher does not give is neither read of it nor stored, and all else stays as it is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from small_runs import run_stages
from small_tasks import make_node_task, make_runtime, make_task
from test_distill import CONFIG
from torch import Tensor, nn

from gnn_distill.config.schema.objective import (
    AlignmentConfig,
    AlignmentWeights,
    LossConfig,
    LossWeights,
    MicroConfig,
)
from gnn_distill.config.schema.run import SignalsConfig, TrainConfig
from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.subgraphs.subgraphs import compute_subgraphs
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError
from gnn_distill.losses.task import make_task_loss
from gnn_distill.models.representations import Representations
from gnn_distill.pipeline.evaluate import evaluate_splits
from gnn_distill.pipeline.kept_outputs import TeacherOutputs
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.pipeline.student import check_student
from gnn_distill.pipeline.subgraphs import StoredStructure
from gnn_distill.pipeline.teacher import train_teacher
from gnn_distill.pipeline.teacher_outputs import compute_teacher_outputs
from gnn_distill.pipeline.teacher_plan import plan_outputs, plan_teacher
from gnn_distill.storage.store import Entry

WITHOUT_NODES = replace(
    CONFIG,
    loss=LossConfig(weights=LossWeights(soft=0.5, micro=0.5, macro=0.5), micro=MicroConfig(relation=0, attention=1)),
    alignment=AlignmentConfig(weights=AlignmentWeights(graph=0.5)),
)
CLUSTERS = replace(CONFIG.alignment, weights=AlignmentWeights(subgraph=1.0), source="cluster", layers=False)


def giving(give: str, config: TrainConfig = CONFIG, control: str = "none", **signals: str) -> TrainConfig:
    teacher = replace(config.teacher, control=control)
    return replace(config, signals=SignalsConfig(give=give, **signals), teacher=teacher)


@dataclass
class Unread:
    """Node states that raise an error if they are read; their number is known."""

    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Tensor]:
        raise AssertionError("node states were read")

    def __getitem__(self, _: int) -> Tensor:
        raise AssertionError("a node state was read")


class Interface(nn.Module):
    """A teacher whose node states cannot be read."""

    def __init__(self, teacher: nn.Module) -> None:
        super().__init__()
        self.teacher = teacher

    def forward(self, batch: GraphBatch) -> Representations:
        out = self.teacher(batch)
        return replace(out, nodes=Unread(len(out.nodes)))


def trained(folder: Path, task: GraphTask, config: TrainConfig) -> tuple[Runtime, nn.Module, Entry]:
    runtime = make_runtime(folder / config.signals.give, folder / "store")
    plan = plan_teacher(config, task)
    return runtime, *train_teacher(runtime, task, None, make_task_loss(task, config.task), plan)


def collect(
    folder: Path, task: GraphTask, config: TrainConfig, interface: bool = False
) -> tuple[nn.Module, TeacherOutputs, Entry]:
    runtime, teacher, entry = trained(folder, task, config)
    asked = Interface(teacher) if interface else teacher
    structure = StoredStructure(runtime, task, "train")
    return teacher, *compute_teacher_outputs(runtime, task, None, asked, entry, plan_teacher(config, task), structure)


def stored(entry: Entry) -> set[str]:
    """Names of the tensors of the signals of an entry."""
    with safe_open(entry.path / "signals.safetensors", framework="pt") as file:
        return {*file.keys()}


@pytest.mark.parametrize("give", ["graphs", "logits"])
def test_node_states_are_neither_read_nor_stored(give: str, tmp_path: Path) -> None:
    task = make_task()
    _, nodes, whole = collect(tmp_path, task, giving("nodes"))
    _, kept, entry = collect(tmp_path, task, giving(give), interface=True)
    assert not any("nodes" in name for name in stored(entry))
    assert any("nodes" in name for name in stored(whole))
    assert (kept.nodes, kept.num_layers) == ({}, nodes.num_layers)
    batch = collate(task.graphs, None, task.splits.train.flip(0))
    rows, before = kept.rows(batch), nodes.rows(batch)
    assert rows.nodes == {}
    assert torch.equal(rows.logits, before.logits)
    shape = kept.shape()
    assert shape.nodes == {}
    if give == "graphs":
        assert torch.equal(rows.graph, before.graph)
        assert all(map(torch.equal, shape.graph, nodes.shape().graph))
    else:
        assert (kept.graph, rows.graph, shape.graph) == (None, None, None)
        assert not any("graph" in name for name in stored(entry))
    with pytest.raises(AssertionError, match="a node state was read"):
        collect(tmp_path / "other", task, giving("nodes"), interface=True)


def test_one_teacher_serves_whatever_it_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task()
    _, _, first = trained(tmp_path, task, giving("nodes"))
    for give in ("graphs", "subgraphs", "logits"):
        _, _, entry = trained(tmp_path, task, giving(give))
        assert (entry.path, entry.found) == (first.path, True)


def test_the_key_of_signals_with_node_states_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    plain = Runtime.entry

    def entry(runtime: Runtime, kind: str, parts: dict[str, Any], *rest: Any, **how: Any) -> Entry:
        asked.append({"kind": kind, **parts})
        return plain(runtime, kind, parts, *rest, **how)

    monkeypatch.setattr(Runtime, "entry", entry)
    for give in ("nodes", "graphs", "logits"):
        collect(tmp_path, make_task(), giving(give))
    nodes, graphs, logits = (parts for parts in asked if parts["kind"] == "signals")
    assert {*nodes} == {"kind", "teacher", "untrained", "layers", "attention", "dtype"}
    assert graphs == nodes | {"layers": "none"}
    assert logits == nodes | {"layers": "none", "graph": False}


@pytest.mark.parametrize("source", ["cluster", "ego", "walk"])
def test_means_over_subgraphs_are_given_instead_of_node_states(source: str, tmp_path: Path) -> None:
    task = make_task()
    config = giving("subgraphs", replace(CONFIG, alignment=replace(CLUSTERS, source=source)))
    teacher, kept, entry = collect(tmp_path, task, config)
    assert not any("nodes" in name for name in stored(entry))
    found = compute_subgraphs(task.graphs, source)
    ids = task.splits.train[[5, 0, 3]]
    batch = collate(task.graphs, None, ids)
    with torch.no_grad():
        states = teacher(batch).nodes[-1]
    expected = []
    for place, graph in enumerate(ids.tolist()):
        of_graph = states[batch.ptr[place] : batch.ptr[place + 1]]
        for number in range(found.subgraph_ptr[graph], found.subgraph_ptr[graph + 1]):
            members = found.members[found.member_ptr[number] : found.member_ptr[number + 1]].long()
            expected.append(of_graph[members].mean(dim=0))
    rows = kept.rows(batch)
    torch.testing.assert_close(rows.subgraphs, torch.stack(expected), rtol=1e-5, atol=1e-6)
    assert rows.nodes == {}
    torch.testing.assert_close(kept.shape().subgraphs.mean, kept.subgraphs.states.mean(0), rtol=1e-5, atol=1e-6)


def test_the_subgraphs_of_a_control_are_those_of_another_graph(tmp_path: Path) -> None:
    task, base = make_task(count=48), replace(CONFIG, alignment=CLUSTERS)
    _, own, _ = collect(tmp_path, task, giving("subgraphs", base))
    _, shuffled, entry = collect(tmp_path, task, giving("subgraphs", base, control="shuffled"))
    assert entry.found
    batch = collate(task.graphs, None, task.splits.train)
    rows, ptr = shuffled.rows(batch), own.subgraphs.ptr
    assert torch.equal(rows.logits, own.rows(batch).logits)
    owner = torch.repeat_interleave(ptr.diff())
    assert torch.equal(owner[shuffled.subgraphs.foreign], shuffled.foreign.graphs[owner])
    assert torch.equal(rows.subgraphs, own.subgraphs.states[shuffled.subgraphs.foreign])


def test_a_student_is_the_same_whether_node_states_are_given_or_not(tmp_path: Path) -> None:
    """To the last digit, by terms that read none."""
    task = make_task()
    students = []
    for give in ("nodes", "graphs"):
        student, fitted = run_stages(make_runtime(tmp_path / give), task, giving(give, WITHOUT_NODES))
        assert fitted.epochs == 2
        students.append(student.state_dict())
    assert students[0].keys() == students[1].keys()
    assert all(torch.equal(value, students[1][key]) for key, value in students[0].items())


def test_a_student_learns_from_given_subgraphs(tmp_path: Path) -> None:
    config = giving("subgraphs", replace(WITHOUT_NODES, alignment=CLUSTERS), dtype="float16")
    runtime = make_runtime(tmp_path)
    _, fitted = run_stages(runtime, make_task(), config)
    assert fitted.epochs == 2
    assert all(row["train/align_subgraph"] > 0 for row in fitted.history)


@pytest.mark.parametrize("give", ["graphs", "subgraphs"])
def test_about_nodes_there_are_no_graphs_to_give(give: str, tmp_path: Path) -> None:
    task = make_node_task()
    with pytest.raises(UserError, match=rf"signals\.give={give}: small nodes is about nodes"):
        plan_outputs(giving(give), task)
    for on in ("train", "all"):
        _, kept, _ = collect(tmp_path, task, giving("logits", on=on), interface=True)
        assert (kept.nodes, kept.graph, kept.moments) == ({}, None, [])
        assert len(kept.rows(collate(task.graphs, None, torch.tensor([0]))).logits) == 40


def test_given_fragments_need_molecules_before_the_teacher_is_trained() -> None:
    config = giving("subgraphs", replace(CONFIG, alignment=replace(CLUSTERS, weights=AlignmentWeights())))
    check_student(make_task(), config)
    with pytest.raises(UserError, match=r"alignment\.source=fragment: small does not contain molecules"):
        check_student(make_task(), replace(config, alignment=replace(config.alignment, source="fragment")))


def test_a_teacher_without_node_states_gives_none(tmp_path: Path) -> None:
    """One of the user's own, for example."""
    task = make_task()
    runtime, teacher, entry = trained(tmp_path, task, giving("nodes"))
    for give in ("nodes", "subgraphs"):
        plan, structure = plan_teacher(giving(give), task), StoredStructure(runtime, task, "train")
        silent = Silent(teacher)
        with pytest.raises(UserError, match=r"returns no node states\. Choose regime=graph_states"):
            compute_teacher_outputs(runtime, task, None, silent, entry, plan, structure)


class Silent(Interface):
    """A teacher without node states."""

    def forward(self, batch: GraphBatch) -> Representations:
        return replace(self.teacher(batch), nodes=())


def known(folder: Path, task: GraphTask, graph: bool = True, holes: bool = False) -> TrainConfig:
    """Of a teacher that is a file of outputs."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(len(task.graphs), 1)) * 3
    if holes:
        logits[task.splits.test] = np.nan
    states = {"graph": random.normal(size=(len(task.graphs), 6))} if graph else {}
    np.savez(folder / "teacher.npz", logits=logits, **states)
    teacher = TeacherConfig(name="file", outputs_file=str(folder / "teacher.npz"))
    return giving("graphs" if graph else "logits", replace(WITHOUT_NODES, teacher=teacher))


def test_a_file_of_outputs_teaches_and_is_scored(tmp_path: Path) -> None:
    task = make_task()
    config = known(tmp_path, task)
    plan, task_loss = plan_teacher(config, task), make_task_loss(task, config.task)
    assert plan.scored
    runtime = make_runtime(tmp_path)
    _, fitted = run_stages(runtime, task, config)
    assert fitted.epochs == 2
    teacher, entry = train_teacher(runtime, task, None, task_loss, plan)
    scores = evaluate_splits(runtime, teacher, task, None, task_loss, config.trainer)
    file = np.load(tmp_path / "teacher.npz")
    right = (file["logits"][task.splits.test, 0] > 0) == (task.graphs.y[task.splits.test, 0] > 0.5).numpy()
    assert scores["test"]["accuracy"] == pytest.approx(right.mean())
    other = plan_teacher(known(tmp_path, task, graph=False), task)
    _, again = train_teacher(runtime, task, None, task_loss, other)
    assert again.path != entry.path, "another file is another teacher"


def test_outputs_that_leave_out_test_graphs_have_no_scores(tmp_path: Path) -> None:
    task = make_task()
    config = known(tmp_path, task, holes=True)
    plan, runtime = plan_teacher(config, task), make_runtime(tmp_path)
    assert not plan.scored
    train_teacher(runtime, task, None, make_task_loss(task, config.task), plan)
    assert any("so it has no scores" in notice for notice in runtime.console.notices)
