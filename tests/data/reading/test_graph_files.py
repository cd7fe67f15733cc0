"""Graphs of a folder in TU format are those that PyG reads, and saved lists are read without running code."""

import os
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.io import read_tu_data

from gnn_distill.data.assembly.inputs import Unfit
from gnn_distill.data.reading.graph_files import read_saved_graphs, read_tu_folder
from gnn_distill.data.reading.tu_files import TUCoding
from gnn_distill.errors import UserError

FILES = {
    "A": "1, 2\n2, 1\n2, 3\n3, 2\n3, 3\n5, 4\n4, 5\n2, 3\n",
    "graph_indicator": "1\n1\n1\n2\n2\n3\n",
    "node_labels": "3\n1\n2\n2\n3\n1\n",
    "node_attributes": "0.5\n1\n2\n3\n4\n5\n",
    "edge_labels": "0\n0\n1\n1\n1\n0\n0\n1\n",
}


def write(folder: Path, name: str = "T", **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, text in (FILES | files).items():
        (folder / f"{name}_{part}.txt").write_text(text)
    return folder


def test_graphs_are_those_that_pyg_reads(tmp_path: Path) -> None:
    theirs, *_ = read_tu_data(str(write(tmp_path)), "T")
    graphs = read_tu_folder(tmp_path)
    assert [graph.num_nodes for graph in graphs] == [3, 2, 1]
    assert torch.equal(torch.cat([graph.x for graph in graphs]), theirs.x)
    assert torch.equal(torch.cat([graph.edge_attr for graph in graphs]), theirs.edge_attr)
    assert torch.equal(torch.cat([graph.edge_index for graph in graphs], dim=1), theirs.edge_index)
    assert [graph.edge_index.size(1) for graph in graphs] == [4, 2, 0]
    assert read_tu_folder(write(tmp_path / "set" / "raw").parent)[1].x.tolist() == graphs[1].x.tolist()


def test_labels_mean_what_they_meant_in_training(tmp_path: Path) -> None:
    coding = TUCoding(node_labels=[[0, 2]], edge_labels=[[0, 3]], node_attr=False)
    first, second, third = read_tu_folder(write(tmp_path), coding)
    assert isinstance(first, Unfit)
    assert first.why == "node label 3 is not among those of the training files, 0 to 2"
    assert isinstance(second, Unfit)
    assert third.x.tolist() == [[0, 1, 0]]
    wide = TUCoding(node_labels=[[0, 5]], edge_labels=[[0, 3]])
    first, *_ = read_tu_folder(tmp_path, wide)
    assert first.x[0].tolist() == [0.5, 0, 0, 0, 1, 0, 0]
    assert first.edge_attr.size(1) == 4


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"A": "1, 2\n2, 9\n"}, "line 2: only nodes 1 to 6 exist"),
        ({"node_labels": "3\n"}, "T_node_labels.txt has 1 line for 6 nodes"),
        ({"node_attributes": "x\n1\n1\n1\n1\n1\n"}, "'x' is not a finite number"),
    ],
)
def test_files_that_do_not_match_are_named(files: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        read_tu_folder(write(tmp_path, **files))


def test_folders_without_a_set_or_with_two_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no files of a graph set are here"):
        read_tu_folder(tmp_path)
    write(tmp_path)
    write(tmp_path, "U")
    with pytest.raises(UserError, match="several sets, T, U"):
        read_tu_folder(tmp_path)
    (write(tmp_path / "lone") / "T_graph_indicator.txt").unlink()
    with pytest.raises(UserError, match=r"T_graph_indicator\.txt is missing"):
        read_tu_folder(tmp_path / "lone")


def test_saved_graphs_come_back(tmp_path: Path) -> None:
    graphs = [Data(torch.rand(3, 2), torch.tensor([[0, 1], [1, 0]]), torch.rand(2, 1), y=torch.tensor([1.0]))] * 2
    for saved in (graphs, tuple(graphs), graphs[0]):
        torch.save(saved, tmp_path / "g.pt")
        found = read_saved_graphs(tmp_path / "g.pt")
        assert len(found) == (1 if isinstance(saved, Data) else 2)
        assert torch.equal(found[-1].x, graphs[0].x)
        assert torch.equal(found[-1].edge_attr, graphs[0].edge_attr)


class Intruder:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("intruded",)


GRAPH = Data(torch.rand(2, 2), torch.tensor([[0], [1]]))
REFUSED = {
    "code": [Intruder()],
    "a batch": Batch.from_data_list([GRAPH]),
    "nothing": [],
    "weights": OrderedDict(a=torch.ones(1)),
    "a tensor": torch.ones(2),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_saved_things_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(REFUSED[name], tmp_path / "g.pt")
    with pytest.raises(UserError, match=r"g\.pt: .*Save a .*list of PyG Data"):
        read_saved_graphs(tmp_path / "g.pt")
    assert not (tmp_path / "intruded").exists()
    for text in ("hello", "junk"):
        (tmp_path / "g.pt").write_text(text)
        with pytest.raises(UserError, match="cannot be read as tensors"):
            read_saved_graphs(tmp_path / "g.pt")
