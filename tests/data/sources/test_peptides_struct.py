from pathlib import Path

import pytest
import torch
from raw_files import AMINO_ACIDS, write_peptides_struct

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.structure_data import PeptidesStructConfig
from gnn_distill.data.assembly.molecules_ogb import smiles_to_ogb_data
from gnn_distill.data.sources import peptides, peptides_struct
from gnn_distill.errors import UserError
from gnn_distill.training.metrics import Metrics


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PathsConfig:
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    write_peptides_struct(tmp_path, monkeypatch)
    return PathsConfig(data=str(tmp_path))


def test_graphs_targets_and_split(tiny: PathsConfig, capsys: pytest.CaptureFixture) -> None:
    task = peptides_struct.load(PeptidesStructConfig(), tiny)
    assert "Peptides-struct: 12 graphs are built once" in capsys.readouterr().out
    assert peptides_struct.load(PeptidesStructConfig(), tiny).fingerprint == task.fingerprint
    assert (task.spec.kind, task.spec.metric, task.spec.num_outputs) == ("regression", "mae", 11)
    assert task.splits.train.tolist() == [0, 1, 2, 3, 4, 5]
    expected = torch.arange(12.0)[:, None] - torch.arange(11) / 10
    torch.testing.assert_close(task.graphs.y, expected)
    graph, data = task.graphs.select(torch.tensor([3])), smiles_to_ogb_data(AMINO_ACIDS[3])
    for key in ("x", "edge_index", "edge_attr"):
        assert torch.equal(getattr(graph, key), getattr(data, key))


def test_mae_is_the_mean_over_the_targets_in_their_published_units(tiny: PathsConfig) -> None:
    task = peptides_struct.load(PeptidesStructConfig(), tiny)
    metrics, y = Metrics(task.spec), task.graphs.y
    metrics.update(torch.zeros(12, 11), y)  # standardised zeros: the means of the training part
    expected = (y - y[task.splits.train].mean(dim=0)).abs().mean()
    assert metrics.compute()["mae"] == pytest.approx(float(expected), rel=1e-5)


def test_the_split_is_that_of_peptides_func() -> None:
    digests = [source.PUBLISHED[source.SPLIT][1] for source in (peptides, peptides_struct)]
    assert digests[0] == digests[1]


def test_files_that_are_not_the_published_ones(tiny: PathsConfig) -> None:
    table = Path(tiny.data) / "LRGB" / "peptides-struct" / "raw" / peptides_struct.MOLECULES
    table.write_bytes(table.read_bytes() + b"more")
    with pytest.raises(UserError, match=rf"{peptides_struct.MOLECULES}: its MD5 is .* that of the published file"):
        peptides_struct.load(PeptidesStructConfig(), tiny)
