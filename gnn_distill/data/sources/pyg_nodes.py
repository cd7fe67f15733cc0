"""Node sets that differ only in a PyG class, a folder and a split, as listed in `config.node_families`."""

from typing import TYPE_CHECKING

from torch_geometric import datasets

from gnn_distill.config.node_families import FAMILIES
from gnn_distill.data.assembly.node_splits import SEEDED
from gnn_distill.data.assembly.nodes import assemble_nodes
from gnn_distill.data.assembly.splits import check_split_name
from gnn_distill.data.reading.mirror import folder_of, known_name, read, spelled
from gnn_distill.data.task import GraphTask

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import NodeDatasetConfig, PathsConfig


def load(dataset: "NodeDatasetConfig", paths: "PathsConfig") -> GraphTask:
    """The set `dataset.name` of the family `dataset.source`; split=auto: its published folds, or a random split."""
    family = FAMILIES[dataset.source]
    check_split_name(dataset, "auto", *(["published"] if family.published else []), *SEEDED)
    name = known_name(dataset.name, family.pyg, family.names)
    pyg, forms = getattr(datasets, family.pyg), spelled(name)
    source = read(
        pyg if len(family.names) == 1 else lambda root: pyg(root, name),
        folder_of(dataset.source, name),
        [file.format(**forms) for file in family.files],
        family.url.format(pyg=pyg, **forms),
        paths,
    )
    return assemble_nodes(dataset, source[0], note=family.notes.get(name, ""))
