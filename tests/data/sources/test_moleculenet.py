from pathlib import Path

import pytest
import torch
from torch_geometric.datasets import MoleculeNet

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.molecules import MoleculeNetConfig
from gnn_distill.data.assembly.molecules import murcko_scaffold, smiles_to_data
from gnn_distill.data.assembly.molecules_ogb import ATOM_FEATURES, smiles_to_ogb_data
from gnn_distill.data.sources.moleculenet import key_of, load
from gnn_distill.errors import UserError


@pytest.fixture(scope="module")
def paths(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> PathsConfig:
    return PathsConfig(data=str(tmp_path_factory.mktemp("data")), mirror=str(mirror))


def test_bace_with_its_scaffold_split(paths: PathsConfig, mirror: Path) -> None:
    task = load(MoleculeNetConfig(name="BACE"), paths)
    graphs, spec = task.graphs, task.spec
    assert task.fingerprint.startswith("06bc6dbe34a931cf")
    assert len(graphs) == 1513
    assert graphs.num_nodes.double().mean().item() == pytest.approx(34.09, abs=0.005)
    assert graphs.num_edges.double().mean().item() == pytest.approx(73.72, abs=0.005)
    assert (spec.kind, spec.metric, spec.target_names, spec.molecules) == ("binary", "roc_auc", ("Class",), True)
    smiles = [line.split(",")[0] for line in (mirror / "MoleculeNet/bace/raw/bace.csv").read_text().split("\n")[1:-1]]
    parts = [task.splits.train, task.splits.val, task.splits.test]
    scaffolds = [{murcko_scaffold(smiles[i]) for i in ids.tolist()} for ids in parts]
    assert not scaffolds[0] & scaffolds[1]
    assert not (scaffolds[0] | scaffolds[1]) & scaffolds[2]
    assert [len(ids) for ids in parts] == [1210, 151, 152]
    for index in (0, 700, 1512):  # the features that predict() makes from SMILES
        graph, data = graphs.select(torch.tensor([index])), smiles_to_data(smiles[index])
        assert torch.equal(graph.x, data.x)
        assert torch.equal(graph.edge_index, data.edge_index)
        assert torch.equal(graph.edge_attr, data.edge_attr)


def test_invalid_smiles_are_announced_or_refused(paths: PathsConfig) -> None:
    task = load(MoleculeNetConfig(name="ClinTox"), paths)
    assert len(task.graphs) == 1480
    assert (task.spec.kind, task.spec.target_names) == ("multilabel", ("FDA_APPROVED", "CT_TOX"))
    assert task.notices[0].startswith("4 of 1,484 SMILES cannot be read (first three: line 9: '[NH4][Pt]([NH4])(Cl)Cl'")
    with pytest.raises(UserError, match="4 of 1,484 SMILES cannot be read"):
        load(MoleculeNetConfig(name="ClinTox", on_invalid="error"), paths)


def test_every_name_that_is_told_is_known() -> None:
    names = {key: own for key, (own, *_) in MoleculeNet.names.items()}
    assert {own: key_of(own) for own in names.values()} == {own: key for key, own in names.items()}
    assert [key_of(key.upper()) for key in names] == list(names)
    with pytest.raises(UserError, match=r"no such set\. Did you mean 'Lipophilicity'"):
        key_of("Lipophilic")


def test_random_split_instead(paths: PathsConfig) -> None:
    task = load(MoleculeNetConfig(name="BACE", split="random"), paths)
    shares = [task.graphs.y[ids].mean().item() for ids in (task.splits.train, task.splits.val, task.splits.test)]
    assert shares == pytest.approx([691 / 1513] * 3, abs=0.01)


def test_names_have_quoted_commas_in_headers(paths: PathsConfig) -> None:
    task = load(MoleculeNetConfig(name="SIDER"), paths)
    assert task.graphs.y.shape == (1427, 27)
    assert "Neoplasms benign, malignant and unspecified (incl cysts and polyps)" in task.spec.target_names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Tox22"}, "MoleculeNet has no such set. Did you mean 'Tox21'"),
        ({"fold": 3, "folds": 3}, "a scaffold split with dataset.folds=3 has folds 0 to 2"),
        ({"split": "published"}, "BACE offers auto, scaffold, scaffold_balanced, random, strat"),
    ],
)
def test_wrong_keys(paths: PathsConfig, change: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(MoleculeNetConfig(**{"name": "BACE", **change}), paths)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "labels", "kind", "metric"),
    [
        ("ESOL", 1128, 1128, "regression", "rmse"),
        ("Lipo", 4200, 4200, "regression", "rmse"),
        ("Tox21", 7823, 77864, "multilabel", "roc_auc"),
        ("HIV", 41120, 41120, "binary", "roc_auc"),
    ],
)
def test_published_counts(paths: PathsConfig, name: str, size: int, labels: int, kind: str, metric: str) -> None:
    task = load(MoleculeNetConfig(name=name), paths)
    assert task.graphs.y.isfinite().sum() == labels
    assert (len(task.graphs), task.spec.kind, task.spec.metric) == (size, kind, metric)


def test_titles_are_names_too() -> None:
    assert key_of("Lipophilicity") == key_of("lipo") == "lipo"


def test_the_coding_of_ogb(paths: PathsConfig, mirror: Path) -> None:
    task = load(MoleculeNetConfig(name="BACE", features="ogb", split="random"), paths)
    smiles = (mirror / "MoleculeNet/bace/raw/bace.csv").read_text().split("\n")[1].split(",")[0]
    graph, data = task.graphs.select(torch.tensor([0])), smiles_to_ogb_data(smiles)
    assert task.spec.node_features == ATOM_FEATURES
    assert torch.equal(graph.x, data.x)
    assert torch.equal(graph.edge_attr, data.edge_attr)
