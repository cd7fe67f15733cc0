"""dataset.unlabelled: files of graphs without labels, and what of them is refused, left out or announced."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_tasks import make_node_task, make_task
from torch_geometric.data import Data

from gnn_distill.config.schema.data import DatasetConfig, PathsConfig
from gnn_distill.config.schema.molecules import SmilesConfig
from gnn_distill.data.assembly.further import with_further_graphs
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.task import GraphTask, taught_graphs
from gnn_distill.errors import UserError

OWN = ["C" * carbons + "N" * nitrogens for carbons in range(1, 7) for nitrogens in range(1, 6)]
NEW = ["CCCO", "C1CC", "CC(C)O", "c1ccccc1Br"]


@pytest.fixture
def molecules(tmp_path: Path) -> SmilesConfig:
    rows = [f"{smiles},{row / 3}" for row, smiles in enumerate(OWN)]
    (tmp_path / "mine.csv").write_text("\n".join(["smiles,y", *rows]))
    return SmilesConfig(path=str(tmp_path / "mine.csv"))


def load(dataset: SmilesConfig, file: Path, **changes: object) -> GraphTask:
    return load_task(replace(dataset, unlabelled=str(file), **changes), PathsConfig())


def lists(graphs: PackedGraphs) -> list[Data]:
    """The graphs as PyG's."""
    found = []
    for one in range(len(graphs)):
        graph = graphs.select(torch.tensor([one]))
        found.append(Data(x=graph.x, edge_index=graph.edge_index, edge_attr=graph.edge_attr, y=graph.y))
    return found


def test_molecules_of_a_file_are_read_like_the_sets_own(molecules: SmilesConfig, tmp_path: Path) -> None:
    own = load_task(molecules, PathsConfig())
    test, val = OWN[int(own.splits.test[0])], OWN[int(own.splits.val[0])]
    file = tmp_path / "more.csv"
    file.write_text(
        "\n".join(["id,smiles,y", *(f"{i},{smiles},9" for i, smiles in enumerate([*NEW, test[::-1], val]))])
    )
    task = load(molecules, file)
    assert torch.equal(task.splits.unlabelled, torch.arange(30, 33))
    assert task.graphs.y[30:].isnan().all()  # whatever the file says
    assert task.spec == own.spec
    for part in ("train", "val", "test"):
        assert torch.equal(getattr(task.splits, part), getattr(own.splits, part))
    assert torch.equal(task.own_graphs.x, own.graphs.x)
    assert [task.called(graph) for graph in (0, 30, 31)] == [
        "graph 0 (line 2)", "line 2 of dataset.unlabelled", "line 4 of dataset.unlabelled"
    ]  # fmt: skip
    said = " ".join(task.notices[len(own.notices) :])
    assert "1 of 6 SMILES cannot be read (line 3: 'C1CC'): skipped." in said
    assert "stereo left out) are left out: 1 in validation, 1 in test." in said
    assert "values that no training graph with a label has (number of graphs): element O (2), element Br (1)" in said
    assert taught_graphs(task, "all").tolist() == [*own.splits.train.tolist(), 30, 31, 32]
    assert task.fingerprint != own.fingerprint


def test_one_smiles_per_line_and_hidden_labels_go_together(molecules: SmilesConfig, tmp_path: Path) -> None:
    file = tmp_path / "more.smi"
    file.write_text("CCCO propanol\n\nCC(C)O\tisopropanol\n")
    task = load(molecules, file, label_fraction=0.5)
    assert task.called(31) == "line 3 of dataset.unlabelled"
    assert task.splits.unlabelled.tolist()[-2:] == [30, 31]
    assert len(task.splits.unlabelled) == 2 + 12
    assert torch.equal(task.splits.unlabelled, task.splits.unlabelled.sort().values)


def test_smiles_that_cannot_be_read_stop_a_run_that_wants_none(molecules: SmilesConfig, tmp_path: Path) -> None:
    (tmp_path / "more.smi").write_text("\n".join(NEW))
    with pytest.raises(UserError, match=r"dataset\.unlabelled=.*more\.smi: 1 of 4 SMILES cannot be read"):
        load(molecules, tmp_path / "more.smi", on_invalid="error")


@pytest.mark.parametrize("kind", ["regression", "binary"])
@pytest.mark.parametrize("edges", [None, "continuous"])
def test_saved_graphs_are_read_and_those_of_held_out_parts_left_out(
    kind: str, edges: str | None, tmp_path: Path
) -> None:
    task, more = make_task(kind, edges=edges), make_task(kind, count=10, edges=edges).graphs
    more.x += 1
    given = [*lists(more), *lists(task.graphs.select(torch.cat([task.splits.test[:2], task.splits.val[:1]])))]
    torch.save(given, tmp_path / "more.pt")
    safe = set(torch.serialization.get_safe_globals())
    made = with_further_graphs(task, DatasetConfig(source="none", name="s", unlabelled=str(tmp_path / "more.pt")))
    assert set(torch.serialization.get_safe_globals()) == safe  # PyG's own files stay readable
    assert made.splits.unlabelled.tolist() == list(range(24, 34))
    assert torch.equal(made.graphs.select(made.splits.unlabelled).x, more.x)
    assert made.graphs.y[24:].isnan().all()
    assert made.notices[-1].endswith("are left out: 1 in validation, 2 in test.")
    assert made.called(25) == "graph 1 of dataset.unlabelled"


class Malicious:
    def __reduce__(self) -> tuple:
        return (print, ("run",))


def wide(task: GraphTask) -> list[Data]:
    return [Data(x=torch.zeros(2, 4), edge_index=torch.empty(2, 0, dtype=torch.long))]


WRONG = {
    "another width": (wide, r"1 of 1 graph cannot be used\. Input 0: 4 node features; graphs of small have 3\."),
    "no list": (lambda task: {"a": 1}, r"holds a dict\. Save a list of PyG Data"),
    "a list of tensors": (lambda task: [torch.ones(1)], r"1 of 1 graph cannot be used\. Input 0 .*: not a PyG graph"),
    "nothing": (lambda task: [], "holds an empty list"),
    "code": (lambda task: [Malicious()], r"cannot be read as tensors and PyG graphs alone .*print"),
    "only held-out graphs": (lambda task: lists(task.graphs.select(task.splits.test)), "no graph is left"),
}


@pytest.mark.parametrize("name", WRONG)
def test_files_that_cannot_be_used_are_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    make_content, message = WRONG[name]
    task, file = make_task(), tmp_path / "more.pt"
    torch.save(make_content(task), file)
    with pytest.raises(UserError, match=r"dataset\.unlabelled=.*more\.pt: " + message):
        with_further_graphs(task, DatasetConfig(source="none", name="s", unlabelled=str(file)))
    assert capsys.readouterr().out == ""  # the code was not run


def test_other_files_and_other_sets_are_refused(tmp_path: Path) -> None:
    dataset = DatasetConfig(source="none", name="s", unlabelled=str(tmp_path / "more.pt"))
    (tmp_path / "more.pt").write_bytes(b"no graphs")
    with pytest.raises(UserError, match=r"dataset\.unlabelled=.*more\.pt: cannot be read .* torch\.save"):
        with_further_graphs(make_task(), dataset)
    with pytest.raises(UserError, match=r"small nodes is one graph, .* Set dataset\.unlabelled=null\."):
        with_further_graphs(make_node_task(), dataset)
    with pytest.raises(UserError, match=r"small is not read from SMILES\. Give a list of PyG graphs \(\.pt\)\."):
        with_further_graphs(make_task(), replace(dataset, unlabelled=str(tmp_path / "more.smi")))
