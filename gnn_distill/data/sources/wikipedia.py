"""chameleon and squirrel: Wikipedia articles by their traffic (Rozemberczki et al. 2021; Pei et al. 2020)."""

from typing import TYPE_CHECKING

from torch_geometric.datasets import WikipediaNetwork

from gnn_distill.data.mirror import folder_of, known_name, read
from gnn_distill.data.node_assembly import assemble_nodes
from gnn_distill.data.node_splits import GEOM_GCN_GRAPH, SEEDED, geom_gcn_files
from gnn_distill.data.splits import check_split_name
from gnn_distill.data.task import GraphTask

if TYPE_CHECKING:
    from gnn_distill.schema.data import PathsConfig, WikipediaConfig

NAMES = ("chameleon", "squirrel")
NOTE = "duplicate nodes leak from the training to the test part (Platonov et al. 2023)"


def load(dataset: "WikipediaConfig", paths: "PathsConfig") -> GraphTask:
    """The set `dataset.name`, as Pei et al. prepared it and PyG reads it; split=auto: ten published folds."""
    check_split_name(dataset, "auto", "published", *SEEDED)
    name = known_name(dataset.name, "WikipediaNetwork", NAMES)
    source = read(
        lambda root: WikipediaNetwork(root, name),
        folder_of("wikipedia", name),
        [*GEOM_GCN_GRAPH, *geom_gcn_files(name)],
        f"{WikipediaNetwork.processed_url}/new_data/{name}/{GEOM_GCN_GRAPH[0]}",
        paths,
    )
    return assemble_nodes(dataset, source[0], note=NOTE)
