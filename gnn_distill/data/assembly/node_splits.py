"""Splits of nodes: the masks of a data set, seeded splits, and those of the graphs that nodes belong to."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from gnn_distill.data.assembly.splits import (
    check_fold,
    keep_fraction,
    random_split,
    shuffle,
    strata,
    stratified_split,
    to_splits,
)
from gnn_distill.data.packed import PackedGraphs, gather_ranges
from gnn_distill.data.task import Splits
from gnn_distill.errors import UserError
from gnn_distill.formatting import counted

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import NodeDatasetConfig

SEEDED = ("random", "per_class", "stratified")
"""The choices of `dataset.split` that every node-level set has."""
VAL_SHARE = TEST_SHARE = 0.2
TRAIN_PER_CLASS, VAL_PER_CLASS = 20, 30


def choose_node_split(dataset: "NodeDatasetConfig", data: Data, y: Tensor, kind: str) -> Splits:
    """The split named by `dataset.split`: a seeded one, or the masks of `data`.

    auto: the masks if there are any, else random: 60/20/20, stratified. Polynormer (Deng et al. 2024) and "Classic
    GNNs are Strong Baselines" (Luo et al. 2024) use these shares for sets without masks, not stratified.
    y: [N, T].
    """
    groups, seed = strata(y, kind), dataset.split_seed
    if dataset.split == "stratified":
        return stratified_split(groups, dataset.fold, dataset.folds, seed)
    if dataset.split == "per_class":
        check_fold(dataset.fold, 1, "a split per class")
        return per_class_split(groups, seed)
    if dataset.split == "random" or "train_mask" not in data:
        check_fold(dataset.fold, 1, "a random split")
        return random_split(groups, seed, VAL_SHARE, TEST_SHARE)
    return mask_split(data, dataset.fold, f"the published split of {dataset.name}")


def mask_split(data: Data, fold: int, what: str) -> Splits:
    """The masks of a PyG graph, [N], or [N, folds]; nodes may be in none of them."""
    masks = [mask.view(data.num_nodes, -1) for mask in (data.train_mask, data.val_mask, data.test_mask)]
    check_fold(fold, masks[0].size(1), what)
    return Splits(*(mask[:, fold].nonzero().flatten() for mask in masks), kind="published")


def per_class_split(groups: np.ndarray, seed: int) -> Splits:
    """20 nodes per class for training, 30 for validation, all others for test (Shchur et al. 2018).

    Raises UserError if a class has too few nodes for all three splits.
    """
    place, size = shuffle(groups, np.random.default_rng(seed))
    taken = TRAIN_PER_CLASS + VAL_PER_CLASS
    if size.min() <= taken:
        raise UserError(
            f"dataset.split=per_class: class {groups[size.argmin()]} has {counted(int(size.min()), 'node')}; "
            f"{TRAIN_PER_CLASS} for training, {VAL_PER_CLASS} for validation and at least one for test are needed. "
            "Choose random."
        )
    train, test = place < TRAIN_PER_CLASS, place >= taken
    return to_splits(*(np.flatnonzero(part) for part in (train, ~train & ~test, test)), kind="per_class")


def labelled_rows(graphs: PackedGraphs, parts: Splits) -> Splits:
    """Of splits of graphs, the rows of their nodes with a label: one that is not NaN, of any target."""
    labelled = ~graphs.y.isnan().all(dim=1)
    rows = (gather_ranges(graphs.node_ptr, ids) for ids in (parts.train, parts.val, parts.test))
    return Splits(*(nodes[labelled[nodes]] for nodes in rows), kind=parts.kind)


def graph_splits(graphs: PackedGraphs, splits: Splits) -> Splits:
    """The graphs that contain the nodes of each part."""
    return Splits(*(graphs.graphs_of(rows) for rows in (splits.train, splits.val, splits.test)), kind=splits.kind)


def separates_graphs(graphs: PackedGraphs, splits: Splits) -> bool:
    """Whether there are several graphs with nodes in the splits, and none has nodes in more than one of them."""
    parts = graph_splits(graphs, splits)
    ids = torch.cat([parts.train, parts.val, parts.test])
    return len(graphs) > 1 and len(ids.unique()) == len(ids)


def keep_fraction_of_graphs(splits: Splits, graphs: PackedGraphs, fraction: float, seed: int) -> Splits:
    """The split with the nodes of a random `fraction` of the training graphs, all nodes of each."""
    if fraction == 1:
        return splits
    parts = graph_splits(graphs, splits)
    kept = keep_fraction(parts, torch.zeros(len(graphs), 1), "regression", fraction, seed).train
    return replace(splits, train=splits.train[torch.isin(graphs.node_graph[splits.train], kept)])
