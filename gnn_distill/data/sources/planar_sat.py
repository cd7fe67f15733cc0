"""EXP and CEXP: pairs of graphs of propositional formulas, of which one can be satisfied (Abboud et al. 2021)."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch_geometric.data import download_url

from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.splits import check_fold, check_split_name, to_splits
from gnn_distill.data.packed import PackedGraphs, pointers
from gnn_distill.data.reading.mirror import folder_of, known_name, read
from gnn_distill.data.task import Features, GraphTask, Splits

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import PathsConfig
    from gnn_distill.config.schema.structure_data import PlanarSATConfig

FILE = "GRAPHSAT.txt"
URL = "https://raw.githubusercontent.com/ralphabb/GNN-RNI/43c69c06462d3a165ba2b532d76cbc045fc767d7/Data"
NAMES = ("EXP", "CEXP")
TAGS = Features("categorical", (2,))
"""The tag of a node in the files, 0 or 1."""
FOLDS = 10


def load(dataset: "PlanarSATConfig", paths: "PathsConfig") -> GraphTask:
    """The 600 pairs on the ten folds of the authors' code: 486, 54 and 60 pairs for training, validation and test.

    Both graphs of a pair, one of each class, stand next to each other in the file and are always in the same part. In
    EXP the 1-WL test tells no pair apart, so a message-passing GNN scores 50 % at most; in CEXP it tells every second
    pair apart: 75 %.
    """
    name = known_name(dataset.name, "EXP/CEXP", NAMES)
    check_split_name(dataset, "auto", "published")
    check_fold(dataset.fold, FOLDS, f"the published split of {name}")
    url = f"{URL}/{name}/{FILE}"
    graphs = read(lambda root: build(Path(root) / name / "raw", url), folder_of("planar_sat", name), [FILE], url, paths)
    return assemble(
        *(dataset, graphs, split_pairs(len(graphs), dataset.fold)),
        **{"kind": "binary", "metric": "accuracy", "target_names": ("satisfiable",), "node_features": TAGS},
    )


def build(raw: Path, url: str) -> PackedGraphs:
    """The graphs of the raw file, downloaded if missing."""
    if not (raw / FILE).is_file():
        download_url(url, str(raw), log=False)
    return parse((raw / FILE).read_text())


def parse(text: str) -> PackedGraphs:
    """Graphs of a text: their number; then of each `nodes label`, and a line `tag degree neighbour ...` for each node.

    Raises ValueError if the numbers do not add up.
    """
    lines = iter(text.split("\n"))
    sizes, labels, tags, degrees, targets = [], [], [], [], []
    for _ in range(int(next(lines))):
        size, label = map(int, next(lines).split())
        sizes.append(size)
        labels.append(label)
        for _ in range(size):
            tag, degree, *neighbours = map(int, next(lines).split())
            if degree != len(neighbours) or not all(0 <= node < size for node in neighbours):
                raise ValueError(f"a node of degree {degree} in a graph of {size} nodes has neighbours {neighbours}")
            tags.append(tag)
            degrees.append(degree)
            targets += neighbours
    if any(line.strip() for line in lines):
        raise ValueError(f"there is more text after {len(sizes)} graphs")
    local = np.concatenate([np.arange(size) for size in sizes])
    edge_ptr = np.concatenate([[0], np.cumsum(degrees)])[np.concatenate([[0], np.cumsum(sizes)])]
    return PackedGraphs(
        x=torch.tensor(tags)[:, None],
        edge_index=torch.from_numpy(np.stack([np.repeat(local, degrees), np.array(targets, dtype=np.int64)])),
        edge_attr=None,
        y=torch.tensor(labels, dtype=torch.float)[:, None],
        node_ptr=pointers(torch.tensor(sizes)),
        edge_ptr=torch.from_numpy(edge_ptr),
    )


def split_pairs(num_graphs: int, fold: int) -> Splits:
    """Fold `fold` of ten, as in the authors' code, without a seed: the test part is the fold-th tenth of all pairs in
    their order, the validation part the fold-th tenth of the others."""
    pairs = np.arange(num_graphs // 2)
    test, rest = tenth(pairs, fold)
    val, train = tenth(rest, fold)
    return to_splits(*(np.concatenate([2 * part, 2 * part + 1]) for part in (train, val, test)), kind="published")


def tenth(items: np.ndarray, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """The fold-th tenth of the items, in their order, and all others."""
    size = len(items) // FOLDS
    chosen = slice(fold * size, (fold + 1) * size)
    return items[chosen], np.delete(items, chosen)
