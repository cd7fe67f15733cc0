from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch_geometric.datasets import Coauthor
from torch_geometric.utils import is_undirected

from gnn_distill.config.schema import SCHEMAS
from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError

# Source; nodes, directed edges of the files, and features; nodes by class; sizes of the parts.
COUNTS = {
    "Cora": ("planetoid", 2708, 10556, 1433, [351, 217, 418, 818, 426, 298, 180], [140, 500, 1000]),
    "Cornell": ("webkb", 183, 298, 1703, [33, 1, 18, 101, 30], [87, 59, 37]),
    "Texas": ("webkb", 183, 325, 1703, [33, 1, 18, 101, 30], [87, 59, 37]),
    "Wisconsin": ("webkb", 251, 515, 1703, [10, 70, 118, 32, 21], [120, 80, 51]),
    "Actor": ("actor", 7600, 30019, 932, [853, 1337, 1630, 1815, 1965], [3648, 2432, 1520]),
    "chameleon": ("wikipedia", 2277, 36101, 2325, [456, 460, 453, 521, 387], [1092, 729, 456]),
    "squirrel": ("wikipedia", 5201, 217073, 2089, [1042, 1040, 1039, 1040, 1040], [2496, 1664, 1041]),
    "Tolokers": ("heterophilous", 11758, 1038000, 10, [9192, 2566], [5879, 2939, 2940]),
    "Computers": (
        *("amazon", 13752, 491722, 767),
        [436, 2142, 1414, 542, 5158, 308, 487, 818, 2156, 291],
        [8249, 2753, 2750],
    ),
    "Photo": ("amazon", 7650, 238162, 745, [369, 1686, 703, 915, 882, 823, 1941, 331], [4589, 1531, 1530]),
    "CS": (
        *("coauthor", 18333, 163788, 6805),
        [708, 462, 2050, 429, 1394, 2193, 371, 924, 775, 118, 1444, 2033, 420, 4136, 876],
        [10996, 3669, 3668],
    ),
    "Physics": ("coauthor", 34493, 495924, 8415, [5750, 5045, 17426, 2753, 3519], [20695, 6899, 6899]),
}
SLOW = {"squirrel", "CS", "Physics"}


@pytest.fixture(scope="module")
def paths(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> PathsConfig:
    return PathsConfig(data=str(tmp_path_factory.mktemp("data")), mirror=str(mirror))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PathsConfig:
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    return PathsConfig(data=str(tmp_path))


def load(paths: PathsConfig, source: str, name: str, **config: object) -> GraphTask:
    return load_task(SCHEMAS[f"dataset/{source}"](name=name, **config), paths)


def parts(task: GraphTask) -> list[torch.Tensor]:
    return [task.splits.train, task.splits.val, task.splits.test]


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in COUNTS])
def test_published_counts(paths: PathsConfig, name: str) -> None:
    source, nodes, edges, features, classes, sizes = COUNTS[name]
    as_published = load(paths, source, name, undirected=False).graphs
    assert (as_published.num_nodes.tolist(), as_published.num_edges.tolist()) == ([nodes], [edges])
    del as_published  # Physics takes 1.2 GB
    bag_of_words = source != "heterophilous"
    task = load(paths, source, name, normalize_features=bag_of_words)
    assert task.graphs.x.shape == (nodes, features)
    assert is_undirected(task.graphs.edge_index, num_nodes=nodes)
    assert task.graphs.y[:, 0].long().bincount().tolist() == classes
    assert task.spec.num_outputs == (1 if len(classes) == 2 else len(classes))
    assert task.spec.metric == ("roc_auc" if name == "Tolokers" else "accuracy")
    assert [len(ids) for ids in parts(task)] == sizes
    assert len(torch.cat(parts(task)).unique()) == sum(sizes)
    sums = task.graphs.x.sum(dim=1)
    assert torch.allclose(sums, (sums > 0).float()) == bag_of_words


@pytest.mark.parametrize(("source", "name", "file"), [("webkb", "texas", "texas"), ("actor", "Actor", "film")])
def test_folds_are_those_of_the_files(paths: PathsConfig, mirror: Path, source: str, name: str, file: str) -> None:
    folder = {"webkb": "WebKB/texas/raw", "actor": "Actor/raw"}[source]
    for fold in (0, 7):
        task = load(paths, source, name, fold=fold)
        masks = np.load(mirror / folder / f"{file}_split_0.6_0.2_{fold}.npz")
        for part, ids in zip(("train", "val", "test"), parts(task), strict=True):
            assert ids.tolist() == np.flatnonzero(masks[f"{part}_mask"]).tolist()


def test_public_and_geom_gcn_splits_of_cora_lie_side_by_side(mirror: Path, tmp_path: Path) -> None:
    paths = PathsConfig(data=str(tmp_path), mirror=str(mirror))
    first, last = (load(paths, "planetoid", "cora", split="geom-gcn", fold=fold) for fold in (0, 9))
    public = load(paths, "planetoid", "Cora", split="published")
    assert [path.name for path in tmp_path.glob("Planetoid/*")] == ["Cora"]
    assert sorted(path.name for path in tmp_path.glob("Planetoid/Cora/*")) == ["geom-gcn", "processed", "raw"]
    assert [len(ids) for ids in parts(first)] == [len(ids) for ids in parts(last)] == [1192, 796, 497]
    assert not torch.equal(first.splits.test, last.splits.test)
    assert torch.equal(first.graphs.x, public.graphs.x)
    assert public.splits.train.tolist() == list(range(140))
    assert public.graphs.y[:140, 0].long().bincount().tolist() == [20] * 7


def test_what_is_known_of_a_set_is_said(paths: PathsConfig) -> None:
    assert "(Platonov et al. 2023)" in load(paths, "wikipedia", "chameleon").spec.note
    assert "one file of features and labels" in load(paths, "webkb", "cornell").spec.note
    notices = load(paths, "webkb", "Texas").notices
    assert notices[0].startswith("The 325 directed edges of Texas became 574 with their reverses added.")
    assert "Class 1 is absent from the training split: it cannot be learned." in notices


def test_other_splits_features_and_settings(paths: PathsConfig) -> None:
    photo = load(paths, "amazon", "photo", split="per_class", normalize_features=False)
    assert [len(ids) for ids in parts(photo)] == [160, 240, 7250]
    assert photo.graphs.x.unique().tolist() == [0, 1]
    inductive = load(paths, "planetoid", "Cora", setting="inductive")
    assert inductive.graphs.num_nodes.tolist() == [2708, 1208, 1708]
    assert inductive.splits.train.tolist() == list(range(2708, 2708 + 140))
    assert inductive.splits.val.tolist() == list(range(3916 + 140, 3916 + 640))


@pytest.mark.parametrize(
    ("source", "name", "config", "message"),
    [
        ("planetoid", "Coraa", {}, "Planetoid has no such set. Did you mean 'Cora'? Choose Cora, CiteSeer, PubMed"),
        ("webkb", "Wisconson", {}, "WebKB has no such set. Did you mean 'Wisconsin'"),
        ("actor", "film", {}, "Actor has no such set. Choose Actor"),
        ("wikipedia", "crocodile", {}, "WikipediaNetwork has no such set. Choose chameleon, squirrel"),
        ("heterophilous", "roman_empire", {}, "Did you mean 'Roman-empire'"),
        ("amazon", "Foto", {}, "Did you mean 'Photo'"),
        ("coauthor", "Physiks", {}, "Did you mean 'Physics'"),
        ("planetoid", "Cora", {"split": "scaffold"}, "Cora offers auto, published, geom-gcn, random, per_class, strat"),
        ("webkb", "Texas", {"split": "geom-gcn"}, "Texas offers auto, published, random, per_class, stratified"),
        ("coauthor", "CS", {"split": "published"}, "CS offers auto, random, per_class, stratified"),
        ("planetoid", "Cora", {"fold": 1}, "the published split of Cora has one fold, 0"),
        ("webkb", "Texas", {"fold": 10, "folds": 20}, "the published split of Texas has folds 0 to 9"),
        ("amazon", "Photo", {"fold": 1}, "a random split has one fold, 0"),
        ("webkb", "Texas", {"split": "per_class"}, "class 1 has 1 node;"),
    ],
)
def test_wrong_keys(paths: PathsConfig, source: str, name: str, config: dict, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load(paths, source, name, **config)
    assert message in str(caught.value)


@pytest.mark.parametrize(("name", "classes"), [("Roman-empire", 18), ("Minesweeper", 2)])
def test_heterophilous_file_of_your_own(own: PathsConfig, name: str, classes: int) -> None:
    raw = Path(own.data, "HeterophilousGraphDataset", name.lower().replace("-", "_"), "raw")
    raw.mkdir(parents=True)
    masks = np.zeros((10, 90), dtype=bool)
    arrays = {f"{part}_masks": masks.copy() for part in ("train", "val", "test")}
    arrays["train_masks"][:, :50], arrays["val_masks"][:, 50:70], arrays["test_masks"][:, 70:] = True, True, True
    edges = np.stack([np.arange(89), np.arange(1, 90)], axis=1)
    features = np.random.default_rng(0).normal(size=(90, 3)).astype(np.float32)
    labels = np.arange(90) % classes
    np.savez(raw / f"{raw.parent.name}.npz", node_features=features, node_labels=labels, edges=edges, **arrays)
    task = load(own, "heterophilous", name, fold=9)
    assert task.spec.kind == ("binary" if classes == 2 else "multiclass")
    assert task.spec.metric == ("roc_auc" if classes == 2 else "accuracy")
    assert task.graphs.num_edges.tolist() == [178]
    assert np.array_equal(task.graphs.x.numpy(), features)


def test_coauthor_is_what_pyg_makes_of_it(own: PathsConfig) -> None:
    raw = Path(own.data, "Coauthor", "CS", "raw")
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    attr, adj = sp.random(300, 40, 0.2, "csr", rng=random), sp.random(300, 300, 0.02, "csr", rng=random)
    arrays = {
        f"{key}_{field}": getattr(matrix, field)
        for key, matrix in (("attr", attr.astype(np.float32)), ("adj", adj.astype(np.float32)))
        for field in ("data", "indices", "indptr", "shape")
    }
    np.savez(raw / "ms_academic_cs.npz", labels=np.arange(300) % 4, **arrays)
    task = load(own, "coauthor", "CS", normalize_features=False, undirected=False)
    theirs = Coauthor(f"{own.data}/Coauthor", "CS")[0]
    assert torch.equal(task.graphs.x, theirs.x)
    assert torch.equal(task.graphs.edge_index, theirs.edge_index)
    assert torch.equal(task.graphs.y[:, 0].long(), theirs.y)
    assert (raw.parent / "processed" / "gnn_distill.pt").is_file()
