"""Families of node data sets that differ only in a PyG class, a folder and a split; read without torch."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from gnn_distill.config.plugins import names_of_modules

READER = "pyg_nodes"
"""The module of data.sources that reads them all."""
HELPERS = {READER, "graph_families"}
"""The modules of data.sources that several sources share, and that are none by themselves."""
GEOM_GCN_GRAPH = ["out1_node_feature_label.txt", "out1_graph_edges.txt"]
SHARED_LABELS = "Cornell and Texas were published with one file of features and labels"
NO_NOTES: Mapping[str, str] = MappingProxyType({})
LEAK = "duplicate nodes leak from the training to the test part (Platonov et al. 2023)"


def geom_gcn_files(name: str) -> list[str]:
    """The files of the ten folds that Pei et al. (2020, Geom-GCN) published: 48/32/20 percent, whatever their name."""
    return [f"{name}_split_0.6_0.2_{fold}.npz" for fold in range(10)]


class Family(NamedTuple):
    """Data sets that one PyG class reads; {name} stands for a set's name, {lower} for it in lower case with _ for -.

    A class with a single set takes no name.
    """

    pyg: str
    """The class of torch_geometric.datasets."""
    folder: str
    """Folder of a set below the data folder, as the class names it."""
    names: tuple[str, ...]
    files: list[str]
    """Raw files that it requires."""
    url: str
    """Address of the first of these files; {pyg.url} stands for the class's own address."""
    published: bool = True
    """Whether it has ten published folds, which split=auto uses; without, split=auto is a seeded random 60/20/20."""
    notes: Mapping[str, str] = NO_NOTES
    """Known defects, by name of the set."""


def _geom_gcn(
    pyg: str,
    folder: str,
    names: tuple[str, ...],
    url: str,
    prefix: str = "{lower}",
    notes: Mapping[str, str] = NO_NOTES,
) -> Family:
    """A family that Pei et al. (2020) prepared."""
    files = [*GEOM_GCN_GRAPH, *geom_gcn_files(prefix)]
    return Family(pyg, folder, names, files, f"{url}/new_data/{prefix}/{files[0]}", notes=notes)


HETEROPHILOUS = ("Roman-empire", "Amazon-ratings", "Minesweeper", "Tolokers", "Questions")
AMAZON = ["amazon_electronics_{lower}.npz"]
FAMILIES = {
    # Actors who share Wikipedia pages, five kinds (Tang et al. 2009; Pei et al. 2020).
    "actor": _geom_gcn("Actor", "Actor", ("Actor",), "{pyg.url}", prefix="film"),
    # Web pages of universities that link to each other (Pei et al. 2020).
    "webkb": _geom_gcn(
        *("WebKB", "WebKB/{lower}", ("Cornell", "Texas", "Wisconsin"), "{pyg.url}"),
        notes=dict.fromkeys(("Cornell", "Texas"), SHARED_LABELS),
    ),
    # Wikipedia articles by their traffic (Rozemberczki et al. 2021), as Pei et al. (2020) prepared them.
    "wikipedia": _geom_gcn(
        *("WikipediaNetwork", "WikipediaNetwork/{lower}/geom_gcn", ("chameleon", "squirrel"), "{pyg.processed_url}"),
        notes=dict.fromkeys(("chameleon", "squirrel"), LEAK),
    ),
    # Graphs whose neighbours are mostly of other classes (Platonov et al. 2023).
    "heterophilous": Family(
        *("HeterophilousGraphDataset", "HeterophilousGraphDataset/{lower}", HETEROPHILOUS),
        *(["{lower}.npz"], "{pyg.url}/{lower}.npz"),
    ),
    # Amazon products that are bought together (McAuley et al. 2015; Shchur et al. 2018).
    "amazon": Family(
        *("Amazon", "Amazon/{name}", ("Computers", "Photo"), AMAZON, "{pyg.url}" + AMAZON[0]), published=False
    ),
}
"""By dataset.source."""


def module_behind(source: str) -> str:
    """The module of data.sources that reads a `dataset.source`."""
    return READER if source in FAMILIES else source


def sources() -> list[str]:
    """Every `dataset.source` of the package: a module of data.sources, or a family."""
    return sorted({*names_of_modules("dataset.source")} - HELPERS | FAMILIES.keys())
