from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.datasets import TUDataset

from gnn_distill.config.schema.data import PathsConfig, TUDatasetConfig
from gnn_distill.data.assembly.input_pipeline import with_reverses
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.sources.tudataset import load
from gnn_distill.errors import UserError

# Graphs, nodes and undirected edges a graph, node features, edge features, graphs by class: the published counts.
COUNTS = {
    "MUTAG": (188, 17.93, 19.79, 7, 4, [63, 125]),
    "PTC_MR": (344, 14.29, 14.69, 18, 4, [192, 152]),
    "PROTEINS": (1113, 39.06, 72.82, 4, 0, [663, 450]),
    "NCI1": (4110, 29.87, 32.30, 37, 0, [2053, 2057]),
    "Mutagenicity": (4337, 30.32, 30.77, 14, 3, [2401, 1936]),
    "AIDS": (2000, 15.69, 16.20, 42, 3, [400, 1600]),
    "BZR": (405, 35.75, 38.36, 56, 0, [319, 86]),
    "COX2": (467, 41.22, 43.45, 38, 0, [365, 102]),
    "DHFR": (756, 42.43, 44.54, 56, 0, [295, 461]),
    "IMDB-BINARY": (1000, 19.77, 96.53, 0, 0, [500, 500]),
    "IMDB-MULTI": (1500, 13.00, 65.94, 0, 0, [500, 500, 500]),
}


@pytest.fixture(scope="module")
def paths(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> PathsConfig:
    return PathsConfig(data=str(tmp_path_factory.mktemp("data")), mirror=str(mirror))


@pytest.mark.parametrize("name", COUNTS)
def test_published_counts(paths: PathsConfig, name: str) -> None:
    task = load(TUDatasetConfig(name=name), paths)
    size, nodes, edges, node_features, edge_features, classes = COUNTS[name]
    graphs, spec = task.graphs, task.spec
    assert len(graphs) == size
    assert graphs.num_nodes.double().mean().item() == pytest.approx(nodes, abs=0.0051)
    assert graphs.num_edges.double().mean().item() / 2 == pytest.approx(edges, abs=0.0051)
    assert graphs.y[:, 0].long().bincount().tolist() == classes
    assert spec.kind == ("binary" if len(classes) == 2 else "multiclass")
    assert spec.num_outputs == len(spec.target_names) == (1 if len(classes) == 2 else len(classes))
    assert spec.degree_features == (node_features == 0)
    if node_features:
        assert spec.node_features.sizes == (graphs.x.size(1),) == (node_features,)
    assert (spec.edge_features.sizes[0] if spec.edge_features else 0) == edge_features
    parts = torch.cat([task.splits.train, task.splits.val, task.splits.test])
    assert parts.sort().values.tolist() == list(range(size))


# Of fold 0: test graphs, those that stand in the training split too, those of them with another label there.
SHARED = {"IMDB-BINARY": (100, 54, 28), "IMDB-MULTI": (150, 119, 109), "NCI1": (412, 10, 1), "MUTAG": (19, 0, 0)}


@pytest.mark.parametrize("name", SHARED)
def test_graphs_in_train_and_test_are_announced(paths: PathsConfig, name: str) -> None:
    task = load(TUDatasetConfig(name=name), paths)
    size, graphs, other_label = SHARED[name]
    assert len(task.splits.test) == size
    assert task.shared_graphs["train_test"] == {"graphs": graphs, "other_label": other_label}
    told = f"{graphs} of {size} test graphs also in train ({other_label} with another label)"
    assert any(told in notice for notice in task.notices) == (graphs > 0)


@pytest.mark.parametrize("name", ["MUTAG", "IMDB-BINARY"])
def test_packing_equals_pygs_graphs(paths: PathsConfig, name: str) -> None:
    task = load(TUDatasetConfig(name=name, max_degree=20), paths)
    theirs = list(TUDataset(f"{paths.data}/TUDataset", name, use_node_attr=True, use_edge_attr=True))
    for data in theirs:
        if data.x is None:
            degree = torch.bincount(data.edge_index[1], minlength=data.num_nodes)
            data.x = degree.clamp(max=20)[:, None]
    packed = PackedGraphs.from_data_list(theirs, num_targets=1)
    for key in ("x", "edge_index", "edge_attr", "y", "node_ptr", "edge_ptr"):
        ours, other = getattr(task.graphs, key), getattr(packed, key)
        assert (ours is None and other is None) or torch.equal(ours, other)


@pytest.mark.parametrize(("name", "attributes"), [("PROTEINS", 1), ("BZR", 3), ("AIDS", 4)])
def test_attributes_are_standardised_by_the_training_nodes(paths: PathsConfig, name: str, attributes: int) -> None:
    task = load(TUDatasetConfig(name=name, train_fraction=0.5), paths)
    features, x = task.spec.node_features, task.graphs.select(task.splits.train).x.double()
    scaled = (x - torch.tensor(features.mean, dtype=torch.double)) / torch.tensor(features.std, dtype=torch.double)
    constant = x[:, :attributes].std(dim=0) == 0
    assert scaled[:, :attributes].mean(dim=0).abs().max() < 1e-9
    assert torch.allclose(scaled[:, :attributes].std(dim=0, correction=0), (~constant).double(), atol=1e-9)
    assert torch.equal(scaled[:, attributes:], x[:, attributes:])
    assert task.graphs.x.abs().max() > 2  # the graphs themselves stay as they are
    assert load(TUDatasetConfig(name=name, standardise=False), paths).spec.node_features.std == ()


@pytest.mark.parametrize("name", ["MUTAG", "IMDB-BINARY"])
def test_labels_and_degrees_are_not_standardised(paths: PathsConfig, name: str) -> None:
    assert load(TUDatasetConfig(name=name), paths).spec.node_features.std == ()


def test_attributes_can_be_left_out(paths: PathsConfig) -> None:
    task = load(TUDatasetConfig(name="PROTEINS", use_node_attr=False), paths)
    assert set(task.graphs.x.unique().tolist()) == {0, 1}
    assert task.spec.node_features.sizes == (3,)


def test_seeded_split_is_stratified(paths: PathsConfig) -> None:
    task = load(TUDatasetConfig(name="MUTAG", fold=4), paths)
    positive = [task.graphs.y[ids].mean().item() for ids in (task.splits.train, task.splits.val, task.splits.test)]
    assert positive == pytest.approx([125 / 188] * 3, abs=0.05)
    assert task.notices == ["Labels -1, 1 of MUTAG_graph_labels.txt are classes 0, 1."]


def write_raw(root: Path, name: str, **files: list) -> None:
    raw = root / "TUDataset" / name / "raw"
    raw.mkdir(parents=True)
    for key, rows in files.items():
        lines = [", ".join(map(str, np.atleast_1d(row))) for row in rows]
        (raw / f"{name}_{key}.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PathsConfig:
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    return PathsConfig(data=str(tmp_path))


def path_graphs(count: int) -> dict[str, list]:
    pairs = [(2 * g + 1, 2 * g + 2) for g in range(count)]
    return {"A": [*pairs, *[(b, a) for a, b in pairs]], "graph_indicator": np.repeat(np.arange(count) + 1, 2).tolist()}


def test_graph_attributes_make_a_regression(tiny: PathsConfig) -> None:
    write_raw(Path(tiny.data), "REG", **path_graphs(40), graph_attributes=[i / 4 for i in range(40)])
    task = load(TUDatasetConfig(name="REG"), tiny)
    assert (task.spec.kind, task.spec.metric) == ("regression", "mae")
    assert task.graphs.y[:, 0].tolist() == [i / 4 for i in range(40)]


def test_nan_attributes_and_missing_labels_are_errors(tiny: PathsConfig) -> None:
    attributes = [0.5] * 79 + ["nan"]
    write_raw(Path(tiny.data), "BAD", **path_graphs(40), node_attributes=attributes, graph_labels=[1, 2] * 20)
    with pytest.raises(UserError, match=r"BAD_node_attributes\.txt, line 80: 'nan' is not a finite number"):
        load(TUDatasetConfig(name="BAD"), tiny)
    write_raw(Path(tiny.data), "BARE", **path_graphs(40))
    with pytest.raises(UserError, match=r"BARE_graph_labels\.txt is not in"):
        load(TUDatasetConfig(name="BARE"), tiny)


def test_classes_are_called_as_in_the_files(paths: PathsConfig) -> None:
    assert load(TUDatasetConfig(name="MUTAG"), paths).spec.classes == ("-1", "1")


LABELS = [1, 2] * 20


def test_reverses_that_are_not_there_are_added(tiny: PathsConfig) -> None:
    both = path_graphs(40) | {"graph_labels": LABELS}
    one_way = both | {"A": both["A"][:40]}
    for name, files in {"BOTH": both, "ONE": one_way}.items():
        write_raw(Path(tiny.data), name, **files, edge_labels=list(range(40)) * (len(files["A"]) // 40))
    expected, added = (load(TUDatasetConfig(name=name), tiny) for name in ("BOTH", "ONE"))
    for key in ("edge_index", "edge_attr", "edge_ptr", "x"):
        assert torch.equal(getattr(expected.graphs, key), getattr(added.graphs, key))
    assert (
        "The reverses of 40 edges are not in ONE_A.txt: they are added (dataset.add_reverses=false leaves the graphs "
        "directed)."
    ) in added.notices
    assert not any("reverses" in notice for notice in expected.notices)
    directed = load(TUDatasetConfig(name="ONE", add_reverses=False), tiny)
    assert directed.graphs.num_edges.tolist() == [1] * 40
    assert (
        "The reverses of 40 edges are not in ONE_A.txt: the graphs stay directed (dataset.add_reverses=false)."
    ) in directed.notices


def test_reverses_where_some_are_there() -> None:
    graphs = PackedGraphs(
        x=torch.zeros(5, 1),
        edge_index=torch.tensor([[0, 1, 1, 1], [1, 0, 2, 0]]),
        edge_attr=torch.tensor([[1], [2], [3], [4]]),
        y=torch.zeros(2, 1),
        node_ptr=torch.tensor([0, 3, 5]),
        edge_ptr=torch.tensor([0, 3, 4]),
    )
    both = with_reverses(graphs)
    assert both.edge_index.tolist() == [[0, 1, 1, 2, 0, 1], [1, 0, 2, 1, 1, 0]]
    assert both.edge_attr[:, 0].tolist() == [1, 2, 3, 3, 4, 4]
    assert both.edge_ptr.tolist() == [0, 4, 6]


def test_what_reading_changes_is_counted(tiny: PathsConfig) -> None:
    files = path_graphs(40) | {"graph_labels": [3, 7, 1, 7] * 10}
    files["A"] = [*files["A"], (1, 1), (5, 5), (1, 2), (1, 2), (4, 3)]
    write_raw(Path(tiny.data), "ODD", **files)
    for _ in range(2):  # read, and found
        notices = load(TUDatasetConfig(name="ODD"), tiny).notices
        assert notices[:3] == [
            "2 of 85 lines of ODD_A.txt are self-loops: PyG leaves them out.",
            "3 of 85 lines of ODD_A.txt repeat an edge: it is kept once, with its labels and attributes summed.",
            "Labels 1, 3, 7 of ODD_graph_labels.txt are classes 0, 1, 2.",
        ]


def test_a_graph_attribute_may_be_missing(tiny: PathsConfig) -> None:
    write_raw(Path(tiny.data), "GAP", **path_graphs(40), graph_attributes=["nan", *(i / 4 for i in range(39))])
    task = load(TUDatasetConfig(name="GAP"), tiny)
    assert "1 of 40 labels are missing (NaN): losses and metrics leave them out." in task.notices
