from itertools import chain

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from gnn_distill.config.schema.data import NodeDatasetConfig
from gnn_distill.data.assembly.node_splits import choose_node_split, mask_split, per_class_split
from gnn_distill.data.task import Splits
from gnn_distill.errors import UserError

CLASSES = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3], [300, 120, 60, 1]))
Y = torch.from_numpy(CLASSES).float()[:, None]
BARE = Data(num_nodes=len(CLASSES))


def parts(splits: Splits) -> list[list[int]]:
    return [ids.tolist() for ids in (splits.train, splits.val, splits.test)]


def joined(lists: list[list[int]]) -> list[int]:
    return sorted(chain.from_iterable(lists))


def choose(data: Data = BARE, **config: object) -> Splits:
    dataset = NodeDatasetConfig(source="none", name="set", **config)
    return choose_node_split(dataset, data, Y, "multiclass")


def masked(*folds: list[list[int]]) -> Data:
    """A graph with the masks of these folds, each a list of train, val and test ids."""
    masks = torch.zeros(3, len(CLASSES), len(folds), dtype=torch.bool)
    for fold, members in enumerate(folds):
        for part, ids in enumerate(members):
            masks[part, ids, fold] = True
    data = Data(num_nodes=len(CLASSES))
    data.train_mask, data.val_mask, data.test_mask = masks.squeeze(2) if len(folds) == 1 else masks
    return data


@pytest.mark.parametrize("split", ["auto", "random"])
def test_without_masks_60_20_20_of_every_class(split: str) -> None:
    splits = choose(split=split)
    assert joined(parts(splits)) == list(range(len(CLASSES)))
    counts = [np.bincount(CLASSES[ids], minlength=4).tolist() for ids in parts(splits)]
    assert counts == [[180, 72, 36, 1], [60, 24, 12, 0], [60, 24, 12, 0]]


@pytest.mark.parametrize("split", ["random", "stratified"])
def test_seed_and_nothing_else_decides(split: str) -> None:
    torch.manual_seed(0)
    first = parts(choose(split=split, split_seed=1))
    torch.manual_seed(1)
    assert parts(choose(split=split, split_seed=1)) == first
    assert parts(choose(split=split, split_seed=2)) != first


def test_stratified_folds_test_every_node_once() -> None:
    tested = [parts(choose(split="stratified", folds=5, fold=fold))[2] for fold in range(5)]
    assert joined(tested) == list(range(len(CLASSES)))


def test_per_class_takes_20_and_30_of_every_class() -> None:
    groups = CLASSES[CLASSES < 3]
    splits = parts(per_class_split(groups, seed=4))
    assert joined(splits) == list(range(len(groups)))
    assert [np.bincount(groups[ids]).tolist() for ids in splits] == [[20] * 3, [30] * 3, [250, 70, 10]]
    assert parts(per_class_split(groups, seed=4)) == splits
    assert parts(per_class_split(groups, seed=5)) != splits


def test_per_class_needs_enough_nodes() -> None:
    with pytest.raises(UserError, match="class 3 has 1 node; 20 for training, 30 for validation"):
        choose(split="per_class")
    with pytest.raises(UserError, match="class 0 has 50 nodes"):
        per_class_split(np.repeat([0, 1], [50, 51]), seed=0)


def test_masks_of_one_split_and_of_folds() -> None:
    one, other = [[4, 1], [2], [7, 5]], [[0], [9], [3]]
    assert parts(mask_split(masked(one), 0, "it")) == [[1, 4], [2], [5, 7]]
    assert parts(choose(masked(one, other), fold=1)) == other
    assert parts(choose(masked(one, other), fold=1, split="published")) == other
    assert len(parts(choose(masked(one, other), split="random"))[0]) == 289


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"fold": 2}, r"dataset\.fold=2: the published split of set has folds 0 to 1"),
        ({"fold": 1, "split": "random"}, "a random split has one fold, 0; dataset.split_seed varies"),
        ({"fold": 1, "split": "per_class"}, "a split per class has one fold"),
        ({"fold": 4, "folds": 3, "split": "stratified"}, "a stratified split with dataset.folds=3 has folds 0 to 2"),
    ],
)
def test_fold_out_of_range(config: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        choose(masked([[0], [1], [2]], [[0], [1], [2]]), **config)
