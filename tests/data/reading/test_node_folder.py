"""Node folders: what is written is what was given, in whatever pieces; what cannot be learned is refused."""

import gzip
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import coalesce, to_undirected

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.node_graphs import NodeFolderConfig, OGBNConfig
from gnn_distill.data.assembly.nodes import assemble_nodes
from gnn_distill.data.reading import node_folder
from gnn_distill.data.reading.node_folder import NodeArrays, open_node_folder, whole_chunks, write_node_folder
from gnn_distill.data.reading.node_inputs import read_node_input
from gnn_distill.data.sources import node_folder as source_of_folders
from gnn_distill.data.sources import ogbn
from gnn_distill.errors import UserError
from gnn_distill.storage.provenance import file_hash


def drawn(nodes: int = 30, seed: int = 0) -> Data:
    """A directed graph with loops and parallel edges; nodes 0 to 4 have no label."""
    random = torch.Generator().manual_seed(seed)
    y = torch.arange(nodes) % 3
    y[:5] = -1
    part = torch.randint(0, 4, (nodes,), generator=random)
    part[:5] = 3
    part[5:11] = torch.tensor([0, 0, 0, 1, 2, 2])
    masks = {f"{name}_mask": part == number for number, name in enumerate(("train", "val", "test"))}
    edges = torch.randint(nodes - 1, (2, 90), generator=random)
    return Data(x=torch.randn(nodes, 4, generator=random), edge_index=edges, y=y, **masks)


def arrays(data: Data) -> NodeArrays:
    part = torch.full((len(data.y), 1), -1)
    for number, mask in enumerate((data.train_mask, data.val_mask, data.test_mask)):
        part[mask] = number
    return NodeArrays(data.x.numpy(), whole_chunks(data.edge_index.numpy()), data.y.numpy(), part.numpy())


@pytest.mark.parametrize("undirected", [True, False])
def test_a_folder_gives_the_task_of_the_same_graph_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undirected: bool
):
    for name, few in {"ROWS": 7, "RANGE": 25, "BLOCK": 11}.items():
        monkeypatch.setattr(node_folder, name, few)
    data = drawn()
    write_node_folder(tmp_path / "nodes", arrays(data), "drawn", undirected)
    assert [path.name for path in tmp_path.iterdir()] == ["nodes"]
    config = NodeFolderConfig(path=str(tmp_path / "nodes"), undirected=undirected)
    task = source_of_folders.load(config, PathsConfig())
    expected = assemble_nodes(replace(config, name="nodes"), data.clone())
    assert torch.equal(task.graphs.x, expected.graphs.x)
    right = to_undirected(data.edge_index) if undirected else coalesce(data.edge_index)
    assert torch.equal(coalesce(task.graphs.edge_index), right)
    for part in ("train", "val", "test"):
        assert torch.equal(getattr(task.splits, part), getattr(expected.splits, part))
    assert asdict(task.spec) == asdict(expected.spec)
    known = expected.graphs.y >= 0
    assert torch.equal(task.graphs.y[known], expected.graphs.y[known])
    assert task.graphs.y[~known].isnan().all()
    assert "edges from a node to itself" in task.graphs.kinds


def test_content_counts_and_nothing_else(tmp_path: Path):
    fingerprints = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_node_folder(tmp_path / name, arrays(drawn(seed=seed)), "drawn")
        task = source_of_folders.load(NodeFolderConfig(path=str(tmp_path / name)), PathsConfig())
        fingerprints.append((task.fingerprint, file_hash(str(tmp_path / name))))
    assert fingerprints[0] == fingerprints[1]
    assert fingerprints[0][0] != fingerprints[2][0]
    assert fingerprints[0][1] != fingerprints[2][1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"x": np.full((30, 2), np.nan)}, "NaN or infinite"),
        ({"x": np.zeros((29, 2))}, "one row per label"),
        ({"y": np.arange(30) % 2 * 2}, "no node is of class 1"),
        ({"y": np.zeros(30, dtype=int)}, "all nodes are of class 0"),
        ({"edges": whole_chunks(np.array([[0], [30]]))}, "beyond the 30"),
        ({"part": np.zeros((30, 1), dtype=int)}, "without a label are in the split"),
    ],
)
def test_what_cannot_be_learned_is_refused_and_leaves_nothing(tmp_path: Path, wrong: dict, message: str):
    with pytest.raises(UserError, match=message):
        write_node_folder(tmp_path / "nodes", replace(arrays(drawn()), **wrong), "drawn")
    assert not list(tmp_path.iterdir())


def test_settings_that_a_folder_cannot_follow_are_refused(tmp_path: Path):
    write_node_folder(tmp_path / "nodes", arrays(drawn()), "drawn")
    config = NodeFolderConfig(path=str(tmp_path / "nodes"))
    for key, value in {
        "undirected": False,
        "normalize_features": True,
        "label_fraction": 0.5,
        "split": "scaffold",
    }.items():
        with pytest.raises(UserError, match=f"dataset.{key}"):
            source_of_folders.load(replace(config, **{key: value}), PathsConfig())


def test_a_damaged_folder_is_refused(tmp_path: Path):
    write_node_folder(tmp_path / "nodes", arrays(drawn()), "drawn")
    np.save(tmp_path / "nodes" / "y.npy", np.zeros(3, dtype=np.int32))
    with pytest.raises(UserError, match="Convert it again"):
        open_node_folder(tmp_path / "nodes", "dataset.path")
    with pytest.raises(UserError, match=r"nodes\.json is missing"):
        open_node_folder(tmp_path, "dataset.path")


def test_all_inputs_of_convert_give_the_same_arrays(tmp_path: Path):
    data = drawn()
    torch.save(data, tmp_path / "graph.pt")
    np.savez(tmp_path / "graph.npz", **{name: data[name].numpy() for name in data.keys()})  # noqa: SIM118
    write_ogb(tmp_path / "ogb", data)
    expected = arrays(data)
    for name in ("graph.pt", "graph.npz", "ogb"):
        found = read_node_input(tmp_path / name, tmp_path)
        np.testing.assert_allclose(found.x, expected.x, rtol=1e-6)
        assert np.array_equal(np.concatenate([*found.edges()], axis=1), data.edge_index)
        assert np.array_equal(found.y, expected.y)
        assert np.array_equal(found.part, expected.part)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": np.zeros((3, 2)), "y": np.arange(3)}, "edge_index is missing"),
        ({"x": np.zeros((3, 2)), "y": np.arange(3), "edges": np.zeros((2, 0))}, "unknown array edges"),
        ({"x": np.zeros((3, 2)), "y": np.arange(3) / 2, "edge_index": np.zeros((2, 1), int)}, "whole numbers"),
    ],
)
def test_archives_that_are_no_graph_are_refused(tmp_path: Path, content: dict, message: str):
    np.savez(tmp_path / "graph.npz", **content)
    with pytest.raises(UserError, match=message):
        read_node_input(tmp_path / "graph.npz", tmp_path)


def write_ogb(folder: Path, data: Data, scheme: str = "time") -> None:
    """The files of OGB's layout."""
    labels = ["nan" if label < 0 else str(label) for label in data.y.tolist()]
    tables = {
        "raw/edge": [",".join(map(str, pair)) for pair in data.edge_index.T.tolist()],
        "raw/node-feat": [",".join(f"{value:.9g}" for value in row) for row in data.x.tolist()],
        "raw/node-label": labels,
        "raw/num-node-list": [str(len(labels))],
        "raw/num-edge-list": [str(data.edge_index.size(1))],
    }
    for name, mask in (("train", data.train_mask), ("valid", data.val_mask), ("test", data.test_mask)):
        tables[f"split/{scheme}/{name}"] = [str(node) for node in mask.nonzero().flatten().tolist()]
    for name, lines in tables.items():
        file = folder / f"{name}.csv.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(file, "wt") as out:
            out.write("\n".join(lines) + "\n")


def test_ogb_sets_are_found_by_name_with_their_own_split(tmp_path: Path):
    data = drawn()
    write_ogb(tmp_path / "mirror/OGB/ogbn_arxiv", data)
    paths = PathsConfig(data=str(tmp_path / "data"), mirror=str(tmp_path / "mirror"))
    tasks = [ogbn.load(OGBNConfig(name="ogbn-arxiv"), paths) for _ in range(2)]
    assert tasks[0].fingerprint == tasks[1].fingerprint
    assert tasks[0].spec.name == "ogbn-arxiv"
    assert torch.equal(tasks[0].splits.val, data.val_mask.nonzero().flatten())
    assert torch.equal(coalesce(tasks[0].graphs.edge_index), to_undirected(data.edge_index))
    with pytest.raises(UserError, match="OGB/ogbn_products of the mirror"):
        ogbn.load(OGBNConfig(name="ogbn-products"), paths)
    with pytest.raises(UserError, match="Choose ogbn-arxiv, ogbn-products"):
        ogbn.load(OGBNConfig(name="ogbn-mag"), paths)
