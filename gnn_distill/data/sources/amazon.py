"""Computers and Photo: products of Amazon bought together (McAuley et al. 2015; Shchur et al. 2018), read by PyG."""

from typing import TYPE_CHECKING

from torch_geometric.datasets import Amazon

from gnn_distill.data.mirror import folder_of, known_name, read
from gnn_distill.data.node_assembly import assemble_nodes
from gnn_distill.data.node_splits import SEEDED
from gnn_distill.data.splits import check_split_name
from gnn_distill.data.task import GraphTask

if TYPE_CHECKING:
    from gnn_distill.schema.data import AmazonConfig, PathsConfig

NAMES = ("Computers", "Photo")


def load(dataset: "AmazonConfig", paths: "PathsConfig") -> GraphTask:
    """The set `dataset.name`; no split was published: auto is a seeded random one of 60/20/20."""
    check_split_name(dataset, "auto", *SEEDED)
    name = known_name(dataset.name, "Amazon", NAMES)
    file = f"amazon_electronics_{name.lower()}.npz"
    source = read(lambda root: Amazon(root, name), folder_of("amazon", name), [file], f"{Amazon.url}{file}", paths)
    return assemble_nodes(dataset, source[0])
