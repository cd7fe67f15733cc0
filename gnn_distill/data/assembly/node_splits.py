"""Splits of nodes: the masks of a data set, and seeded splits."""

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor
from torch_geometric.data import Data

from gnn_distill.data.assembly.splits import check_fold, random_split, shuffle, strata, stratified_split, to_splits
from gnn_distill.data.task import Splits
from gnn_distill.errors import UserError

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
            f"dataset.split=per_class: class {groups[size.argmin()]} has {size.min()} nodes; {TRAIN_PER_CLASS} for "
            f"training, {VAL_PER_CLASS} for validation and at least one for test are needed. Choose random."
        )
    train, test = place < TRAIN_PER_CLASS, place >= taken
    return to_splits(*(np.flatnonzero(part) for part in (train, ~train & ~test, test)), kind="per_class")
