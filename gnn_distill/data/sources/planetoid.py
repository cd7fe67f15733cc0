"""Cora, CiteSeer and PubMed: citation graphs (Sen et al. 2008; Yang et al. 2016), read by PyG."""

from pathlib import Path
from typing import TYPE_CHECKING

from torch_geometric.datasets import Planetoid

from gnn_distill.config.node_families import geom_gcn_files
from gnn_distill.data.assembly.node_splits import SEEDED
from gnn_distill.data.assembly.nodes import assemble_nodes
from gnn_distill.data.assembly.splits import check_split_name
from gnn_distill.data.reading.mirror import folder_of, known_name, read
from gnn_distill.data.reading.pickles import matrices, read_pickle
from gnn_distill.data.task import GraphTask

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import PathsConfig, PlanetoidConfig

NAMES = ("Cora", "CiteSeer", "PubMed")
PARTS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")


class CheckedPlanetoid(Planetoid):
    """Planetoid whose pickles are checked before PyG reads them, which would run any code in them."""

    def process(self) -> None:
        """As in PyG, after checking that every pickle contains only numbers."""
        for path in map(Path, self.raw_paths):
            if path.suffix != ".index":
                read_pickle(path, matrices(), encoding="latin1")
        super().process()


def load(dataset: "PlanetoidConfig", paths: "PathsConfig") -> GraphTask:
    """The set `dataset.name`; split=auto is the public split: 20 training nodes per class, 500 and 1,000 nodes.

    split=geom-gcn: the ten folds of Pei et al. (2020), with their own files.
    """
    check_split_name(dataset, "auto", "published", "geom-gcn", *SEEDED)
    name = known_name(dataset.name, "Planetoid", NAMES)
    files, folder = [f"ind.{name.lower()}.{part}" for part in PARTS], folder_of("planetoid", name)
    split = "public"
    if dataset.split == "geom-gcn":
        split, folder = "geom-gcn", f"{folder}/geom-gcn"
        files += geom_gcn_files(name.lower())
    source = read(
        lambda root: CheckedPlanetoid(root, name, split=split),
        folder,
        files,
        f"{Planetoid.url}/{files[0]}",
        paths,
    )
    return assemble_nodes(dataset, source[0])
