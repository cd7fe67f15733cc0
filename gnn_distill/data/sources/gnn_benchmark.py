"""PATTERN and CLUSTER as published (Dwivedi et al. 2023), read by PyG; sbm generates them by the same recipe."""

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch_geometric.datasets import GNNBenchmarkDataset

from gnn_distill.data.assembly.node_splits import labelled_rows
from gnn_distill.data.assembly.splits import check_fold, check_split_name
from gnn_distill.data.packed import PackedGraphs, pointers
from gnn_distill.data.reading.mirror import folder_of, known_name, read
from gnn_distill.data.sources.sbm import NAMES, assemble_communities
from gnn_distill.data.task import GraphTask, Splits

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import GNNBenchmarkConfig, PathsConfig

PARTS = ("train", "val", "test")


def load(dataset: "GNNBenchmarkConfig", paths: "PathsConfig") -> GraphTask:
    """The published graphs on their own split, 10,000 / 2,000 / 2,000 of PATTERN and 10,000 / 1,000 / 1,000 of CLUSTER.

    Features are one-hot; edges are in both directions.
    """
    name = known_name(dataset.name, "GNNBenchmarkDataset", NAMES)
    check_split_name(dataset, "auto", "published")
    check_fold(dataset.fold, 1, name)
    folder, url = folder_of(dataset.source, name), GNNBenchmarkDataset.urls[name]
    files = [url.rpartition("/")[2].replace(".zip", ".pt")]
    parts = [
        read(lambda root, part=part: GNNBenchmarkDataset(root, name, part), folder, files, url, paths) for part in PARTS
    ]
    graphs = concatenate(parts)
    ends = pointers(torch.tensor([len(part) for part in parts])).tolist()
    splits = Splits(*(torch.arange(start, end) for start, end in pairwise(ends)), kind="published")
    return assemble_communities(dataset, graphs, labelled_rows(graphs, splits), name)


def concatenate(parts: list[GNNBenchmarkDataset]) -> PackedGraphs:
    """All graphs of all parts, in order, without a loop over them."""
    data = [part._data for part in parts]
    return PackedGraphs(
        x=torch.cat([part.x for part in data]).float(),
        edge_index=torch.cat([part.edge_index for part in data], dim=1).long(),
        edge_attr=None,
        y=torch.cat([part.y for part in data]).float().view(-1, 1),
        node_ptr=pointers(torch.cat([part.slices["x"].diff() for part in parts])),
        edge_ptr=pointers(torch.cat([part.slices["edge_index"].diff() for part in parts])),
        level="node",
    )
