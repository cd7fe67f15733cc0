"""CS and Physics: co-authorship graphs, authors by field (Shchur et al. 2018), read by PyG."""

from typing import TYPE_CHECKING

from torch_geometric.datasets import Coauthor
from torch_geometric.io import read_npz

from gnn_distill.data.assembly.node_splits import SEEDED
from gnn_distill.data.assembly.nodes import assemble_nodes
from gnn_distill.data.assembly.splits import check_split_name
from gnn_distill.data.reading.mirror import folder_of, known_name, read
from gnn_distill.data.task import GraphTask

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import CoauthorConfig, PathsConfig

NAMES = ("CS", "Physics")


class SparseCoauthor(Coauthor):
    """Coauthor with sparse features in its own processed file: 25 MB for Physics instead of 1.2 GB."""

    processed_file_names = "gnn_distill.pt"

    def process(self) -> None:
        """As in PyG, except for the format of the features."""
        data = read_npz(self.raw_paths[0], to_undirected=True)
        data.x = data.x.to_sparse()
        self.save([data], self.processed_paths[0])


def load(dataset: "CoauthorConfig", paths: "PathsConfig") -> GraphTask:
    """The set `dataset.name`; without a published split: auto is a seeded random split of 60/20/20."""
    check_split_name(dataset, "auto", *SEEDED)
    name = known_name(dataset.name, "Coauthor", NAMES)
    file = f"ms_academic_{name[:3].lower()}.npz"
    source = read(
        lambda root: SparseCoauthor(root, name), folder_of("coauthor", name), [file], f"{Coauthor.url}{file}", paths
    )
    data = source[0]
    data.x = data.x.to_dense()
    return assemble_nodes(dataset, data)
