"""Cornell, Texas and Wisconsin: web pages of universities that link to each other (Pei et al. 2020), read by PyG."""

from typing import TYPE_CHECKING

from torch_geometric.datasets import WebKB

from gnn_distill.data.mirror import folder_of, known_name, read
from gnn_distill.data.node_assembly import assemble_nodes
from gnn_distill.data.node_splits import GEOM_GCN_GRAPH, SEEDED, geom_gcn_files
from gnn_distill.data.splits import check_split_name
from gnn_distill.data.task import GraphTask

if TYPE_CHECKING:
    from gnn_distill.schema.data import PathsConfig, WebKBConfig

NAMES = ("Cornell", "Texas", "Wisconsin")
NOTES = dict.fromkeys(NAMES[:2], "Cornell and Texas were published with one file of features and labels")


def load(dataset: "WebKBConfig", paths: "PathsConfig") -> GraphTask:
    """The set `dataset.name`; split=auto: ten published folds."""
    check_split_name(dataset, "auto", "published", *SEEDED)
    name = known_name(dataset.name, "WebKB", NAMES)
    source = read(
        lambda root: WebKB(root, name),
        folder_of("webkb", name),
        [*GEOM_GCN_GRAPH, *geom_gcn_files(name.lower())],
        f"{WebKB.url}/new_data/{name.lower()}/{GEOM_GCN_GRAPH[0]}",
        paths,
    )
    return assemble_nodes(dataset, source[0], note=NOTES.get(name, ""))
