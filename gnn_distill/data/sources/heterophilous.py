"""The heterophilous graphs of Platonov et al. (2023), whose neighbours are mostly of other classes, read by PyG."""

from typing import TYPE_CHECKING

from torch_geometric.datasets import HeterophilousGraphDataset

from gnn_distill.data.mirror import folder_of, known_name, read
from gnn_distill.data.node_assembly import assemble_nodes
from gnn_distill.data.node_splits import SEEDED
from gnn_distill.data.splits import check_split_name
from gnn_distill.data.task import GraphTask

if TYPE_CHECKING:
    from gnn_distill.schema.data import HeterophilousConfig, PathsConfig

NAMES = ("Roman-empire", "Amazon-ratings", "Minesweeper", "Tolokers", "Questions")


def load(dataset: "HeterophilousConfig", paths: "PathsConfig") -> GraphTask:
    """The set `dataset.name`; split=auto: ten published folds of 50/25/25 percent."""
    check_split_name(dataset, "auto", "published", *SEEDED)
    name = known_name(dataset.name, "HeterophilousGraphDataset", NAMES)
    file = f"{name.lower().replace('-', '_')}.npz"
    source = read(
        lambda root: HeterophilousGraphDataset(root, name),
        folder_of("heterophilous", name),
        [file],
        f"{HeterophilousGraphDataset.url}/{file}",
        paths,
    )
    return assemble_nodes(dataset, source[0])
