"""CSL: circular skip-link graphs, ten classes that the 1-WL test cannot distinguish (Murphy et al. 2019)."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import coo_matrix
from torch_geometric.data import Data, download_url, extract_zip
from torch_geometric.datasets import GNNBenchmarkDataset

from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.splits import check_fold, check_split_name, choose_split, to_splits
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.reading.mirror import folder_of, read
from gnn_distill.data.reading.pickles import matrices, read_pickle
from gnn_distill.data.task import Features, GraphTask

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import CSLConfig, PathsConfig

GRAPHS, LABELS = "graphs_Kary_Deterministic_Graphs.pkl", "y_Kary_Deterministic_Graphs.pt"
FOLDS = ("CSL_train.index", "CSL_val.index", "CSL_test.index")
FOLDS_URL = "https://raw.githubusercontent.com/graphdeeplearning/benchmarking-gnns/master/data/CSL"
URL = GNNBenchmarkDataset.urls["CSL"]
SKIPS = (2, 3, 4, 5, 6, 9, 11, 12, 13, 16)
DEGREE = 4
"""Degree of every node: constant as a feature, so that only structure carries information."""
PIPELINE = InputPipeline(drop_loops=True, merge_edges=True, max_degree=DEGREE)


def load(dataset: "CSLConfig", paths: "PathsConfig") -> GraphTask:
    """150 graphs of 41 nodes and 82 edges; split=auto are the five folds of Dwivedi et al. (2023).

    Node i is joined to i ± 1 and i ± s (mod 41); the class is the skip s. The feature of a node is its degree, 4.
    """
    check_split_name(dataset, "auto", "published", "stratified", "random")
    files = [GRAPHS, LABELS, *FOLDS]
    graphs, raw = read(lambda root: build(Path(root) / "CSL" / "raw"), folder_of("csl", "CSL"), files, URL, paths)
    if dataset.split in ("auto", "published"):
        folds = [[line.split(",") for line in (raw / file).read_text().splitlines()] for file in FOLDS]
        check_fold(dataset.fold, len(folds[0]), "the published split of CSL")
        parts = (np.array(lines[dataset.fold], dtype=int) for lines in folds)
        splits, notices = to_splits(*parts, kind="published"), []
    else:
        splits, notices = choose_split(dataset, paths, graphs.y, "multiclass")
    return assemble(
        dataset,
        graphs,
        splits,
        kind="multiclass",
        metric="accuracy",
        target_names=tuple(f"skip {skip}" for skip in SKIPS),
        node_features=Features("categorical", (DEGREE + 1,)),
        notices=notices,
        degree_features=True,
        pipeline=PIPELINE,
    )


def build(raw: Path) -> tuple[PackedGraphs, Path]:
    """The graphs of the raw files, downloaded if missing, and their folder."""
    if not (raw / GRAPHS).is_file():
        archive = download_url(URL, str(raw), log=False, filename="CSL.zip")
        extract_zip(archive, str(raw), log=False)
        Path(archive).unlink()
        for file in FOLDS:
            download_url(f"{FOLDS_URL}/{file}", str(raw), log=False)
    graphs = read_pickle(raw / GRAPHS, matrices())
    labels = torch.load(raw / LABELS, weights_only=True)
    packed = PackedGraphs.from_data_list([as_data(*pair) for pair in zip(graphs, labels, strict=True)], num_targets=1)
    return PIPELINE.apply(packed), raw


def as_data(matrix: coo_matrix, label: torch.Tensor) -> Data:
    """A graph without features."""
    edges = np.stack([matrix.row, matrix.col]).astype(np.int64)
    return Data(x=torch.empty(matrix.shape[0], 0), edge_index=torch.from_numpy(edges), y=label)
