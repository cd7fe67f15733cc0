"""Every teacher with every student, on graphs and on nodes, through the command line."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_tasks import choices, students
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import SAGEConv, global_mean_pool

from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.task import GraphTask, Splits
from gnn_distill.pipeline import run as train

pytestmark = pytest.mark.usefixtures("no_figures")

TEACHERS = [name for name in choices("teacher") if name not in ("none", "file")]
STUDENTS = students()
LEVELS = {"mutag": "graph", "cora": "node"}
OUTPUTS = {"mutag": 1, "cora": 7}
FEATURES = {"mutag": 7, "cora": 1433}


class OwnGNN(nn.Module):
    """What a user might bring."""

    def __init__(self, features: int, outputs: int, pooled: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList([SAGEConv(features, 8), SAGEConv(8, 8)])
        self.pooled, self.head = pooled, nn.Linear(8, outputs)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        for conv in self.convs:
            x = conv(x, edge_index).relu()
        return self.head(global_mean_pool(x, batch) if self.pooled else x)


def pairwise() -> list[tuple[str, str, str]]:
    """Every teacher with every student, every teacher and every student at both levels."""
    pairs = [(i, j) for i in range(len(TEACHERS)) for j in range(len(STUDENTS))]
    return [(TEACHERS[i], STUDENTS[j], data_of(STUDENTS[j])[(i + j) % len(data_of(STUDENTS[j]))]) for i, j in pairs]


def data_of(student: str) -> list[str]:
    """The data of these tests that a student can learn."""
    return [data for data, level in LEVELS.items() if level == "graph" or student in students(node_states=True)]


CASES = [
    *(pytest.param(*case, False, id="-".join([*case, "piece"])) for case in pairwise()),
    *(
        pytest.param(teacher, student, data, True, id=f"{teacher}-{student}-{data}", marks=pytest.mark.slow)
        for teacher in TEACHERS
        for student in STUDENTS
        for data in data_of(student)
    ),
]


def few(task: GraphTask) -> GraphTask:
    """A piece of the task, quick to learn: 16 graphs of each part, or the first 300 nodes with the edges among them."""
    graphs = task.graphs
    if task.spec.level == "graph":
        parts = [ids[:16] for ids in (task.splits.train, task.splits.val, task.splits.test)]
        splits = Splits(*torch.arange(sum(map(len, parts))).split([len(ids) for ids in parts]))
        return replace(task, graphs=graphs.select(torch.cat(parts)), splits=splits)
    data = Data(x=graphs.x, edge_index=graphs.edge_index, y=graphs.y).subgraph(torch.arange(300))
    parts = torch.arange(300).split(100)
    return replace(task, graphs=PackedGraphs.from_data_list([data], 1, level="node"), splits=Splits(*parts))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and store that all runs share."""
    return tmp_path_factory.mktemp("combinations")


@pytest.mark.parametrize(("teacher", "student", "data", "whole"), CASES)
def test_every_teacher_teaches_every_student(
    teacher: str,
    student: str,
    data: str,
    whole: bool,
    gnn_distill: Callable,
    mirror: Path,
    folders: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not whole:
        monkeypatch.setattr(train, "load_task", lambda dataset, paths: few(load_task(dataset, paths)))
    small = [f"{model}.{key}" for model in ("teacher", "student") for key in ("hidden_channels=8", "num_layers=2")]
    words = [f"dataset={data}", f"teacher={teacher}", f"student={student}", *small, "student.num_heads=2"]
    if student not in students(node_states=True):
        words += ["loss=without_micro", "alignment=patch"]
    if teacher == "custom":
        kwargs = f"{{features:{FEATURES[data]},outputs:{OUTPUTS[data]},pooled:{str(data == 'mutag').lower()}}}"
        words += [f"teacher.target={__name__}.OwnGNN", f"teacher.kwargs={kwargs}"]
    status, out, err = gnn_distill(
        *("train", *words, "trainer.max_epochs=1", "pretrain.max_epochs=1", "tracker=none", "floors=none"),
        *("trainer.threads=1", "trainer.accelerator=cpu"),
        *(f"paths.mirror={mirror}", f"paths.data={folders / 'data'}", f"paths.store={folders / 'store'}"),
        "hydra.run.dir=run",
    )
    assert (status, err) == (0, ""), err
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    for role, name in (("teacher", teacher), ("student", student)):
        assert 0 <= summary[role]["test"]["accuracy"] <= 1
        assert f"{role}: {name}, {summary['parameters'][role]:,} parameters" in out
    visible = {"setting": "transductive", "signals_on": "all" if data == "cora" else "train"}
    assert summary["visibility"] == visible
    rows = (tmp_path / "run" / "metrics.csv").read_text()
    assert "nan" not in rows.split("\n")[-2].lower()
    assert torch.get_num_threads() == 1
