"""One more node set of PyG's is one line."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch_geometric import datasets
from torch_geometric.data import Data, InMemoryDataset

from gnn_distill.config.node_families import FAMILIES, READER, Family, module_behind, sources
from gnn_distill.config.rules_run import module_choices
from gnn_distill.config.schema.data import NodeDatasetConfig, PathsConfig
from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.reading.mirror import FOLDERS, folder_of
from gnn_distill.errors import UserError


class Rings(InMemoryDataset):
    """As PyG's classes: `<root>/<name>/raw` holds a file, from which the graph is made."""

    url = "https://rings.invalid"

    def __init__(self, root: str, name: str) -> None:
        self.name = name.lower()
        super().__init__(root)
        self.load(self.processed_paths[0])

    raw_dir = property(lambda self: f"{self.root}/{self.name}/raw")
    processed_dir = property(lambda self: f"{self.root}/{self.name}/processed")
    raw_file_names = property(lambda self: [f"{self.name}.txt"])
    processed_file_names = "data.pt"

    def process(self) -> None:
        nodes = int(Path(self.raw_paths[0]).read_text())
        ring = torch.arange(nodes)
        y = ring % 2
        self.save(
            [Data(x=torch.eye(nodes), edge_index=torch.stack([ring, ring.roll(1)]), y=y)], self.processed_paths[0]
        )


@pytest.fixture
def family(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that adds them."""
    monkeypatch.setattr(datasets, "Rings", Rings, raising=False)
    line = Family("Rings", "Rings/{lower}", ("Small", "Large"), ["{lower}.txt"], "{pyg.url}/{name}", published=False)
    monkeypatch.setitem(FAMILIES, "rings", line)
    monkeypatch.setitem(FOLDERS, "rings", line.folder)
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)


@pytest.mark.usefixtures("family")
def test_a_line_makes_a_source(tmp_path: Path) -> None:
    paths = PathsConfig(data=str(tmp_path))
    (tmp_path / "Rings" / "small" / "raw").mkdir(parents=True)
    (tmp_path / "Rings" / "small" / "raw" / "small.txt").write_text("30")
    dataset = NodeDatasetConfig(source="rings", name="SMALL")
    assert "rings" in module_choices("dataset.source")
    assert load_task(dataset, paths).graphs.num_nodes.tolist() == [30]
    with pytest.raises(UserError, match=r"split=published: \w+ offers auto, random"):
        load_task(NodeDatasetConfig(source="rings", name="Small", split="published"), paths)
    with pytest.raises(UserError, match=r"dataset.name=Smal: Rings has no such set. Did you mean 'Small'"):
        load_task(NodeDatasetConfig(source="rings", name="Smal"), paths)
    with pytest.raises(UserError, match=r"Rings/large: .*https://rings.invalid/Large .*large\.txt"):
        load_task(NodeDatasetConfig(source="rings", name="Large"), paths)


def test_the_reader_of_families_is_no_source_itself(gnn_distill: Callable) -> None:
    assert READER not in sources()
    assert {module_behind(source) for source in FAMILIES} == {READER}
    with pytest.raises(UserError, match=r"dataset\.source=pyg_nodes: unknown source"):
        load_task(NodeDatasetConfig(source=READER, name="Cora"), PathsConfig())
    assert folder_of("wikipedia", "squirrel") == "WikipediaNetwork/squirrel/geom_gcn"
    _, _, err = gnn_distill("train", "dataset=cora", "dataset.source=webkbb", "tracker=none")
    assert "Did you mean 'webkb'?" in err
    assert "pyg_nodes" not in err


@pytest.mark.parametrize("source", FAMILIES)
def test_classes_of_a_line_are_there(source: str) -> None:
    family = FAMILIES[source]
    pyg = getattr(datasets, family.pyg)
    assert family.folder.startswith(family.pyg)
    assert family.url.format(pyg=pyg, lower="x", name="X").startswith("https://")
    assert {*family.notes} <= {*family.names}
