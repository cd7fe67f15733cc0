"""A saved student says of raw input what it said in training: for every source of data, prepared as the source does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from raw_files import AMINO_ACIDS, write_communities, write_peptides, write_peptides_struct, write_zinc
from small_tasks import awaken, encode, preset
from torch_geometric.data import Data
from torch_geometric.datasets import (
    ZINC,
    Actor,
    Amazon,
    Coauthor,
    GNNBenchmarkDataset,
    HeterophilousGraphDataset,
    Planetoid,
    TUDataset,
    WebKB,
    WikipediaNetwork,
)

from gnn_distill.config.node_families import sources
from gnn_distill.config.schema import SCHEMAS
from gnn_distill.config.schema.data import DatasetConfig, PathsConfig
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.molecules_ogb import smiles_to_ogb_data
from gnn_distill.data.assembly.seen import Seen
from gnn_distill.data.assembly.splits import to_splits
from gnn_distill.data.loaders import make_loader
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.reading.graph_files import read_tu_folder
from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.reading.node_folder import NodeArrays, whole_chunks, write_node_folder
from gnn_distill.data.reading.tu_files import TUCoding
from gnn_distill.data.task import Features, GraphTask
from gnn_distill.errors import UserError
from gnn_distill.models import build_student
from gnn_distill.models.predictor import Predictor
from gnn_distill.predict import load, save_student
from gnn_distill.training.metrics import Metrics

pytestmark = pytest.mark.filterwarnings("ignore:Predictions for values that no training")


def saved(task: GraphTask, folder: Path) -> Predictor:
    """A student with random weights that reads all that there is, saved as a run leaves it, and loaded."""
    name, encoding = ("graphormer", "graphormer") if task.spec.level == "graph" else ("sgformer", "none")
    config = TrainConfig(
        dataset=DatasetConfig(),
        teacher=TeacherConfig(name="none"),
        student=preset("student", name, hidden_channels=8, num_layers=2, num_heads=2),
        encoding=preset("encoding", encoding),
    )
    student = awaken(build_student(config.student, config.encoding, task.spec))
    save_student(folder, student, task.spec, config, task.pipeline, Seen.in_training(task))
    return load(folder)


def in_training(task: GraphTask, predictor: Predictor) -> torch.Tensor:
    """What the student says of the test split, in its order, by way of the batches of training."""
    loader = make_loader(task, encode(task.graphs, predictor.encoding), batch_size=16, max_pairs=10**6, seed=0)
    logits, units = [], []
    with torch.no_grad():
        for batch in loader.eval_batches("test"):
            logits.append(predictor.student(batch).logits)
            units.append(batch.wanted(batch.node_rows) if task.spec.level == "node" else batch.graph_ids)
    return torch.cat(logits)[torch.cat(units).argsort()]


def assert_agrees(task: GraphTask, raw: Any, folder: Path, spread: float = 1e-4) -> Predictor:
    """Raw input gives what training gave for the test split, whose outputs differ by `spread` at least."""
    predictor, ids = saved(task, folder), task.splits.test
    said = predictor.logits(raw)[ids] if task.spec.level == "node" else predictor.logits([raw[i] for i in ids.tolist()])
    torch.testing.assert_close(said, in_training(task, predictor), rtol=1e-4, atol=1e-5)
    assert said.std(dim=0).min() > spread
    return predictor


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PathsConfig:
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    return PathsConfig(data=str(tmp_path / "data"))


@pytest.fixture(scope="module")
def mirrored(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> PathsConfig:
    return PathsConfig(data=str(tmp_path_factory.mktemp("data")), mirror=str(mirror))


def task_of(source: str, paths: PathsConfig, **config: Any) -> GraphTask:
    return load_task(SCHEMAS[f"dataset/{source}"](**config), paths)


NODE_SETS = {
    "Cora": ("planetoid", lambda root: Planetoid(f"{root}/Planetoid", "Cora")),
    "Cornell": ("webkb", lambda root: WebKB(f"{root}/WebKB", "Cornell")),
    "chameleon": ("wikipedia", lambda root: WikipediaNetwork(f"{root}/WikipediaNetwork", "chameleon")),
    "Actor": ("actor", lambda root: Actor(f"{root}/Actor")),
    "Photo": ("amazon", lambda root: Amazon(f"{root}/Amazon", "Photo")),
}


@pytest.mark.parametrize("config", [{}, {"normalize_features": True, "undirected": False, "setting": "inductive"}])
@pytest.mark.parametrize("name", NODE_SETS)
def test_sets_of_nodes(name: str, config: dict, mirrored: PathsConfig, tmp_path: Path) -> None:
    source, theirs = NODE_SETS[name]
    task = task_of(source, mirrored, name=name, **config)
    dataset = theirs(mirrored.data)
    before = dataset[0].x.clone()
    predictor = assert_agrees(task, dataset, tmp_path)
    assert predictor.pipeline.undirected == (not config)
    assert torch.equal(dataset[0].x, before)  # the user's own graph stays as it is


def test_heterophilous_and_coauthor_files(own: PathsConfig, tmp_path: Path) -> None:
    random, edges = np.random.default_rng(0), np.array(nx.gnp_random_graph(90, 0.05, seed=0).edges)
    for folder in ("HeterophilousGraphDataset/roman_empire/raw", "Coauthor/CS/raw"):
        Path(own.data, folder).mkdir(parents=True)
    masks = {f"{part}_masks": np.zeros((10, 90), dtype=bool) for part in ("train", "val", "test")}
    for part, rows in (("train", slice(50)), ("val", slice(50, 70)), ("test", slice(70, 90))):
        masks[f"{part}_masks"][:, rows] = True
    features = random.random((90, 5), dtype=np.float32)
    path = Path(own.data, "HeterophilousGraphDataset/roman_empire/raw/roman_empire.npz")
    np.savez(path, node_features=features, node_labels=np.arange(90) % 3, edges=edges, **masks)
    task = task_of("heterophilous", own, name="Roman-empire")
    theirs = HeterophilousGraphDataset(f"{own.data}/HeterophilousGraphDataset", "Roman-empire")
    (tmp_path / "first").mkdir()
    assert_agrees(task, theirs, tmp_path / "first")

    from scipy.sparse import csr_matrix

    adjacency = csr_matrix((np.ones(len(edges)), edges.T), shape=(90, 90))
    arrays = {
        f"{key}_{field}": getattr(matrix, field)
        for key, matrix in (("attr", csr_matrix(features)), ("adj", adjacency))
        for field in ("data", "indices", "indptr", "shape")
    }
    np.savez(Path(own.data, "Coauthor/CS/raw/ms_academic_cs.npz"), labels=np.arange(90) % 4, **arrays)
    task = task_of("coauthor", own, name="CS", normalize_features=True)
    assert_agrees(task, Coauthor(f"{own.data}/Coauthor", "CS")[0], tmp_path)


@pytest.mark.parametrize("name", ["MUTAG", "PTC_MR", "BZR", "IMDB-BINARY"])
def test_tu_sets(name: str, mirrored: PathsConfig, tmp_path: Path) -> None:
    task = task_of("tudataset", mirrored, name=name, max_degree=30, split="random")
    theirs = TUDataset(f"{mirrored.data}/TUDataset", name, use_node_attr=True, use_edge_attr=True)
    predictor = assert_agrees(task, theirs, tmp_path)
    files = read_tu_folder(Path(mirrored.data, "TUDataset", name), TUCoding(**predictor.pipeline.tu_files))
    torch.testing.assert_close(predictor.logits(files), predictor.logits(theirs), rtol=1e-5, atol=1e-6)
    some = [theirs[i] for i in range(10)]
    twice = [data.clone() for data in some]
    for data in twice:
        data.edge_index = data.edge_index.repeat(1, 2)
        data.edge_attr = None if data.edge_attr is None else data.edge_attr.repeat(2, 1)
    torch.testing.assert_close(predictor.logits(twice), predictor.logits(some), rtol=1e-5, atol=1e-6)


def test_attributes_that_pyg_left_out_are_asked_for(mirrored: PathsConfig, tmp_path: Path) -> None:
    predictor = saved(task_of("tudataset", mirrored, name="BZR"), tmp_path)
    with pytest.raises(UserError, match=r"53 node features; .* BZR have 56, as TUDataset\(use_node_attr=True, "):
        predictor.predict(Data(torch.zeros(2, 53), torch.tensor([[0], [1]])))


def test_csl_whose_files_have_loops(mirrored: PathsConfig, tmp_path: Path) -> None:
    task = task_of("csl", mirrored)
    theirs = GNNBenchmarkDataset(f"{mirrored.data}/GNNBenchmarkDataset", "CSL")
    predictor = assert_agrees(task, theirs, tmp_path, spread=0.0)
    some = [theirs[i] for i in range(5)]
    loops = torch.arange(41).repeat(2, 1)
    looped = [Data(edge_index=torch.cat([data.edge_index, loops], dim=1), num_nodes=41) for data in some]
    torch.testing.assert_close(predictor.logits(looped), predictor.logits(some), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["EXP", "CEXP"])
def test_pairs_of_formulas(name: str, mirrored: PathsConfig, tmp_path: Path) -> None:
    task = task_of("planar_sat", mirrored, name=name)
    assert_agrees(task, unpacked(task.graphs), tmp_path)


def test_zinc(own: PathsConfig, tmp_path: Path) -> None:
    write_zinc(Path(own.data))
    task = task_of("zinc", own)
    parts = [ZINC(f"{own.data}/ZINC", subset=True, split=part) for part in ("train", "val", "test")]
    assert_agrees(task, [data for part in parts for data in part], tmp_path)


def test_peptides_from_smiles_and_from_graphs_in_ogbs_code(
    own: PathsConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_peptides(Path(own.data), monkeypatch)
    task = task_of("peptides", own)
    predictor = assert_agrees(task, AMINO_ACIDS * 2, tmp_path)
    graphs = list(map(smiles_to_ogb_data, AMINO_ACIDS))
    assert torch.equal(predictor.predict(graphs), predictor.predict(AMINO_ACIDS))


def test_peptides_whose_shape_is_predicted(own: PathsConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_peptides_struct(Path(own.data), monkeypatch)
    assert_agrees(task_of("peptides_struct", own), AMINO_ACIDS * 2, tmp_path)


RINGS = ("c1ccccc1", "C1CCCC1", "O", "N(C)C", "[C@@H](F)Cl")
MOLECULES = ["C" * (i % 7) + RINGS[i % 5] for i in range(30)]


def test_moleculenet(own: PathsConfig, tmp_path: Path) -> None:
    raw = Path(own.data, "MoleculeNet/esol/raw")
    raw.mkdir(parents=True)
    lines = [f"name,0,1,2,3,4,5,6,{len(smiles) / 7:.2f},{smiles}" for smiles in MOLECULES]
    (raw / "delaney-processed.csv").write_text("\n".join([",".join("abcdefgh") + ",solubility,smiles", *lines, ""]))
    assert_agrees(task_of("moleculenet", own, name="ESOL", split="random"), MOLECULES, tmp_path)


def unpacked(graphs: PackedGraphs) -> list[Data]:
    each = [graphs.select(torch.tensor([graph])) for graph in range(len(graphs))]
    return [Data(one.x, one.edge_index) for one in each]


@pytest.mark.parametrize("name", ["PATTERN", "CLUSTER"])
def test_communities(name: str, own: PathsConfig, tmp_path: Path) -> None:
    write_communities(Path(own.data), name)
    theirs = [GNNBenchmarkDataset(f"{own.data}/GNNBenchmarkDataset", name, part) for part in ("train", "val", "test")]
    assert_agrees(task_of("gnn_benchmark", own, name=name), [data for part in theirs for data in part], tmp_path)
    few = {"num_train": 12, "num_val": 10, "num_test": 10, "max_size": 8, "communities": 5 + (name == "CLUSTER")}
    task = task_of("sbm", own, name=name, **few)
    (tmp_path / "generated").mkdir()
    predictor = assert_agrees(task, unpacked(task.graphs), tmp_path / "generated")
    assert torch.equal(predictor.predict(theirs[0]), predictor.predict(list(theirs[0])))  # one student reads both


@pytest.mark.parametrize("source", ["ring_transfer", "tree_match", "graph_properties"])
def test_generated_graphs_with_labels_on_nodes(source: str, own: PathsConfig, tmp_path: Path) -> None:
    task = task_of(source, own, num_train=20, num_val=10, num_test=10)
    assert_agrees(task, unpacked(task.graphs), tmp_path, spread=0.0)


@pytest.mark.parametrize("source", ["typed_edges", "far_motif", "substructures"])
def test_generated_graphs(source: str, own: PathsConfig, tmp_path: Path) -> None:
    task = task_of(source, own, num_train=20, num_val=10, num_test=10)
    assert_agrees(task, unpacked(task.graphs), tmp_path)


def test_a_source_of_ones_own_that_prepares_its_graphs(own: PathsConfig, tmp_path: Path) -> None:
    graphs = task_of("typed_edges", own, num_train=20, num_val=10, num_test=10).graphs
    raw = unpacked(graphs)
    pipeline = InputPipeline(drop_loops=True, undirected=True, normalize_features=True)
    for data in raw:
        data.edge_index = data.edge_index[:, data.edge_index[0] <= data.edge_index[1]]
        data.edge_index = torch.cat([data.edge_index, torch.arange(len(data.x)).repeat(2, 1)], dim=1)
        data.x, data.y = data.x * 3 + torch.rand(data.x.shape, generator=torch.Generator().manual_seed(0)), graphs.y[:1]
    prepared = pipeline.apply(PackedGraphs.from_data_list(raw, num_targets=1))
    prepared.y = graphs.y
    task = assemble(
        DatasetConfig(name="prepared"),
        prepared,
        to_splits(*np.split(np.arange(40), [20, 30])),
        kind="binary",
        metric="accuracy",
        target_names=("label",),
        node_features=Features("continuous", (5,)),
        pipeline=pipeline,
    )
    assert task.graphs.num_edges.tolist() == graphs.num_edges.tolist()
    assert_agrees(task, raw, tmp_path)


@pytest.mark.parametrize("source", ["node_folder", "ogbn"])
def test_graphs_on_disk(source: str, own: PathsConfig, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    edges = np.array(nx.gnp_random_graph(90, 0.05, seed=0).edges).T
    x, part = random.random((90, 5), dtype=np.float32), np.repeat([[0], [1], [2]], [50, 20, 20], axis=0)
    folder = tmp_path / "nodes" if source == "node_folder" else Path(own.data, "OGB/ogbn_arxiv/nodes")
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_node_folder(folder, NodeArrays(x, whole_chunks(edges), np.arange(90) % 3, part), "ogbn-arxiv")
    task = task_of(source, own, **({"path": str(folder)} if source == "node_folder" else {"name": "ogbn-arxiv"}))
    raw = Data(x=torch.from_numpy(x), edge_index=torch.from_numpy(edges))
    assert_agrees(task, raw, tmp_path)


def test_every_source_is_here() -> None:
    text = Path(__file__).read_text()
    assert {source for source in sources() if f'"{source}"' not in text} == set()


QUICK = ("teacher=none", "student.hidden_channels=8", "trainer.max_epochs=2", "trainer.threads=1", "tracker=none")


@pytest.mark.parametrize("name", ["cornell", "imdb_binary"])
def test_the_summary_says_what_predict_says(name: str, gnn_distill: Callable, mirror: Path, tmp_path: Path) -> None:
    words = [f"dataset={name}", f"paths.mirror={mirror}", *QUICK, "hydra.run.dir=run", "student.num_layers=1"]
    more = (
        ["student=sgformer", "trainer.max_epochs=15", "optim.lr=0.01"]
        if name == "cornell"
        else ["student=transformer", "dataset.train_fraction=0.1"]
    )
    status, _, err = gnn_distill("train", *words, *more)
    assert (status, err) == (0, "")
    summary = json.loads(Path("run/summary.json").read_text())
    if name == "cornell":
        raw, source = WebKB("data/WebKB", "Cornell"), "webkb"
    else:
        raw, source = TUDataset("data/TUDataset", "IMDB-BINARY"), "tudataset"
    task = task_of(source, PathsConfig(data="data", mirror=str(mirror)), name=summary["dataset"])
    metrics = Metrics(task.spec)
    metrics.update(load("run").logits(raw)[task.splits.test], task.graphs.y[task.splits.test])
    assert metrics.compute()["accuracy"] == pytest.approx(summary["student"]["test"]["accuracy"], abs=1e-9)


def test_the_summary_of_a_table_of_molecules(gnn_distill: Callable) -> None:
    table = pd.DataFrame({"smiles": MOLECULES, "y": [len(smiles) / 3 for smiles in MOLECULES]})
    table.to_csv("molecules.csv", index=False)
    words = ["dataset=smiles", "dataset.path=molecules.csv", "student=transformer", "student.num_layers=1"]
    status, _, err = gnn_distill("train", *words, *QUICK, "hydra.run.dir=run")
    assert (status, err) == (0, "")
    said = load("run").predict(table["smiles"])[:, 0].double()
    task = task_of("smiles", PathsConfig(), path="molecules.csv")
    error = (said - torch.tensor(table["y"]))[task.splits.test]
    summary = json.loads(Path("run/summary.json").read_text())
    assert float(error.square().mean().sqrt()) == pytest.approx(summary["student"]["test"]["rmse"], rel=1e-5)
