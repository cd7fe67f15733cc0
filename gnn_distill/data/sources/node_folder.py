"""Your own large graph, as a folder of memory maps that `gnn-distill convert` has written."""

from pathlib import Path
from typing import TYPE_CHECKING

from gnn_distill.data.assembly.mapped_nodes import assemble_mapped
from gnn_distill.data.assembly.node_splits import SEEDED
from gnn_distill.data.assembly.splits import check_split_name
from gnn_distill.data.reading.node_folder import open_node_folder
from gnn_distill.data.task import GraphTask

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import NodeFolderConfig, PathsConfig


def load(dataset: "NodeFolderConfig", paths: "PathsConfig") -> GraphTask:
    """The node folder `dataset.path`; split=auto: its own split, or a random one where it has none."""
    found = open_node_folder(Path(dataset.path).expanduser(), f"dataset.path={dataset.path}")
    check_split_name(dataset, "auto", *(["published"] if found.about["split"] else []), *SEEDED)
    return assemble_mapped(dataset, found)
