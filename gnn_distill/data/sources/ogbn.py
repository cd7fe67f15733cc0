"""ogbn-arxiv and ogbn-products (Hu et al. 2020), from the files of the Open Graph Benchmark, with its own splits.

The benchmark measures both by accuracy, as here.
"""

from typing import TYPE_CHECKING

from filelock import FileLock

from gnn_distill.data.assembly.mapped_nodes import assemble_mapped
from gnn_distill.data.assembly.node_splits import SEEDED
from gnn_distill.data.assembly.splits import check_split_name
from gnn_distill.data.reading.mirror import data_root, find, folder_of, known_name
from gnn_distill.data.reading.node_folder import DESCRIPTION, open_node_folder, write_node_folder
from gnn_distill.data.reading.ogb_files import EDGES, read_ogb
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError
from gnn_distill.storage.files import writing

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import OGBNConfig, PathsConfig

NAMES = ("ogbn-arxiv", "ogbn-products")
URL = "https://ogb.stanford.edu/docs/nodeprop/"


def load(dataset: "OGBNConfig", paths: "PathsConfig") -> GraphTask:
    """The set `dataset.name`; split=auto: by year (arxiv) or by sales rank (products).

    Its files are converted once, to a node folder below paths.data; that of another choice of `undirected` is another.
    Raises UserError where the files are neither there nor in the mirror.
    """
    check_split_name(dataset, "auto", "published", *SEEDED)
    name = known_name(dataset.name, "OGB", NAMES)
    home = folder_of("ogbn", name)
    folder = data_root(paths) / home / f"nodes{'' if dataset.undirected else '_directed'}"
    if not (folder / DESCRIPTION).is_file():
        raw = find(paths, f"{home}/raw/{EDGES}")
        if raw is None:
            raise UserError(
                f"dataset.name={name}: its files were not found. Download the set from {URL}, and put its folders raw "
                f"and split into {data_root(paths) / home} (paths.data), or into {home} of the mirror."
            )
        with writing(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder.with_suffix(".lock")).acquire()
        with lock:
            if not (folder / DESCRIPTION).is_file():  # another run may have made it meanwhile
                write_node_folder(folder, read_ogb(raw.parents[1], folder.parent), name, dataset.undirected)
    return assemble_mapped(dataset, open_node_folder(folder, str(folder)))
