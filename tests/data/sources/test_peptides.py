import gzip
import hashlib
import json
from pathlib import Path

import pytest
import torch
from raw_files import AMINO_ACIDS, write_peptides

from gnn_distill.config.schema.data import PathsConfig, PeptidesConfig
from gnn_distill.data.assembly.molecules_ogb import smiles_to_ogb_data
from gnn_distill.data.reading.peptide_files import pack_table
from gnn_distill.data.sources import peptides
from gnn_distill.errors import UserError


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PathsConfig:
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    write_peptides(tmp_path, monkeypatch)
    return PathsConfig(data=str(tmp_path))


def test_graphs_labels_and_split(tiny: PathsConfig, capsys: pytest.CaptureFixture) -> None:
    task = peptides.load(PeptidesConfig(), tiny)
    assert "12 graphs are built once" in capsys.readouterr().out
    again = peptides.load(PeptidesConfig(), tiny)
    assert capsys.readouterr().out == ""
    assert again.fingerprint == task.fingerprint
    assert (task.spec.kind, task.spec.metric, task.spec.num_outputs) == ("multilabel", "average_precision", 10)
    assert task.splits.train.tolist() == [0, 1, 2, 3, 4, 5]
    assert task.splits.test.tolist() == [9, 10, 11]
    assert task.graphs.y[3].tolist() == [1] * 10
    assert task.graphs.y[2].tolist() == [0] * 9 + [1]
    for index in (0, 3, 11):
        graph, data = task.graphs.select(torch.tensor([index])), smiles_to_ogb_data((AMINO_ACIDS * 2)[index])
        for key in ("x", "edge_index", "edge_attr"):
            assert torch.equal(getattr(graph, key), getattr(data, key))


def test_files_that_are_not_the_published_ones(tiny: PathsConfig) -> None:
    table = Path(tiny.data) / "LRGB" / "peptides-func" / "raw" / peptides.SPLIT
    table.write_bytes(table.read_bytes() + b"more")
    with pytest.raises(UserError, match=rf"{peptides.SPLIT}: its MD5 is .* that of the published file"):
        peptides.load(PeptidesConfig(), tiny)


def test_a_molecule_that_rdkit_does_not_read_would_shift_the_split(tiny: PathsConfig, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "table.gz", "wt") as file:
        file.write("smiles,labels\nC,[]\nC(,[]\n")
    with pytest.raises(UserError, match="line 3: this version of RDKit cannot read"):
        pack_table(tmp_path / "table.gz", "Peptides-func", lambda row: json.loads(row["labels"]), 10)


def test_one_split_only(tiny: PathsConfig) -> None:
    with pytest.raises(UserError, match="Peptides-func has one fold"):
        peptides.load(PeptidesConfig(fold=1), tiny)


def test_files_of_the_mirror_are_the_published_ones(mirror: Path) -> None:
    for file, (_, digest) in peptides.PUBLISHED.items():
        assert hashlib.md5((mirror / "LRGB/peptides-func" / file).read_bytes()).hexdigest() == digest


@pytest.mark.slow
def test_published_counts(mirror: Path, tmp_path: Path) -> None:
    task = peptides.load(PeptidesConfig(), PathsConfig(data=str(tmp_path), mirror=str(mirror)))
    graphs = task.graphs
    assert (len(graphs), graphs.x.size(0), graphs.edge_index.size(1)) == (15_535, 2_344_859, 4_773_974)
    parts = (task.splits.train, task.splits.val, task.splits.test)
    assert [len(ids) for ids in parts] == [10_873, 2_331, 2_331]
    assert torch.cat(parts).sort().values.tolist() == list(range(15_535))
    assert (graphs.x < torch.tensor(task.spec.node_features.sizes)).all()
    assert (graphs.edge_attr < torch.tensor(task.spec.edge_features.sizes)).all()
    assert int(graphs.num_nodes.max()) == 444
