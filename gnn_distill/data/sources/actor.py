"""Actor: actors who share Wikipedia pages, five kinds (Tang et al. 2009; Pei et al. 2020), read by PyG."""

from typing import TYPE_CHECKING

from torch_geometric.datasets import Actor

from gnn_distill.data.mirror import folder_of, known_name, read
from gnn_distill.data.node_assembly import assemble_nodes
from gnn_distill.data.node_splits import GEOM_GCN_GRAPH, SEEDED, geom_gcn_files
from gnn_distill.data.splits import check_split_name
from gnn_distill.data.task import GraphTask

if TYPE_CHECKING:
    from gnn_distill.schema.data import ActorConfig, PathsConfig


def load(dataset: "ActorConfig", paths: "PathsConfig") -> GraphTask:
    """The one set there is; split=auto: ten published folds."""
    check_split_name(dataset, "auto", "published", *SEEDED)
    source = read(
        Actor,
        folder_of("actor", known_name(dataset.name, "Actor", ["Actor"])),
        [*GEOM_GCN_GRAPH, *geom_gcn_files("film")],
        f"{Actor.url}/new_data/film/{GEOM_GCN_GRAPH[0]}",
        paths,
    )
    return assemble_nodes(dataset, source[0])
