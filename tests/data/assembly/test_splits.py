import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gnn_distill.config.schema.data import PathsConfig, TUDatasetConfig
from gnn_distill.data.assembly.splits import (
    PUBLISHED,
    choose_split,
    keep_fraction,
    published_split,
    random_split,
    stratified_folds,
    stratified_split,
    take,
)
from gnn_distill.data.task import Splits
from gnn_distill.errors import UserError

GROUPS = np.repeat([0, 1, 2], [203, 59, 31])


def parts(splits: Splits) -> list[np.ndarray]:
    return [splits.train.numpy(), splits.val.numpy(), splits.test.numpy()]


def assert_partition(splits: Splits, total: int) -> None:
    assert np.array_equal(np.sort(np.concatenate(parts(splits))), np.arange(total))
    assert all(np.array_equal(ids, np.sort(ids)) for ids in parts(splits))


@given(st.lists(st.integers(0, 4), min_size=10, max_size=80), st.integers(2, 10), st.integers(0, 5))
def test_folds_are_even_in_size_and_in_classes(groups: list[int], folds: int, seed: int) -> None:
    groups = np.array(groups)
    fold = stratified_folds(groups, folds, np.random.default_rng(seed))
    for members in (np.ones(len(groups), dtype=bool), *(groups == group for group in set(groups))):
        sizes = np.bincount(fold[members], minlength=folds)
        assert sizes.max() - sizes.min() <= 1


def test_stratified_folds_cover_all_graphs_once_as_test() -> None:
    splits = [stratified_split(GROUPS, fold, 10, seed=3) for fold in range(10)]
    for split in splits:
        assert_partition(split, len(GROUPS))
        for ids in parts(split):
            share = np.bincount(GROUPS[ids]) / len(ids)
            assert np.abs(share - np.bincount(GROUPS) / len(GROUPS)).max() < 0.05
    assert np.array_equal(np.sort(np.concatenate([split.test for split in splits])), np.arange(len(GROUPS)))


def test_split_depends_on_its_seed_only() -> None:
    torch.manual_seed(0)
    first = stratified_split(GROUPS, 2, 10, seed=1)
    torch.manual_seed(1)
    np.random.seed(5)
    again, other = stratified_split(GROUPS, 2, 10, seed=1), stratified_split(GROUPS, 2, 10, seed=2)
    assert torch.equal(first.test, again.test)
    assert torch.equal(first.val, again.val)
    assert not torch.equal(first.test, other.test)


def test_random_split_is_80_10_10_and_stratified() -> None:
    split = random_split(GROUPS, seed=0)
    assert_partition(split, len(GROUPS))
    assert [np.bincount(GROUPS[ids]).tolist() for ids in parts(split)] == [[163, 47, 25], [20, 6, 3], [20, 6, 3]]


def test_random_split_of_few_graphs_gives_each_part_every_class() -> None:
    groups = np.array([0] * 14 + [1] * 4)
    for seed in range(20):
        assert all(set(groups[ids]) == {0, 1} for ids in parts(random_split(groups, seed)))


def test_single_member_of_a_class_is_trained_on() -> None:
    groups = np.array([0] * 20 + [1])
    assert 20 in random_split(groups, 0).train
    assert 20 in [i for fold in range(3) for i in stratified_split(groups, fold, 3, 0).train.tolist()]


def test_take_is_nested_and_keeps_each_class() -> None:
    masks = [take(GROUPS, share, np.random.default_rng(4)) for share in (0.001, 0.1, 0.5, 1.0)]
    for small, large in pairwise(masks):
        assert not (small & ~large).any()
    assert np.bincount(GROUPS[masks[0]]).tolist() == [1, 1, 1]
    assert np.bincount(GROUPS[masks[2]]).tolist() == [102, 30, 16]
    assert masks[3].all()


def test_train_fraction_thins_training_only() -> None:
    y = torch.from_numpy(GROUPS).float()[:, None]
    full = stratified_split(GROUPS, 0, 10, seed=0)
    few = keep_fraction(full, y, "multiclass", 0.25, seed=0)
    assert set(few.train.tolist()) < set(full.train.tolist())
    kept, all_of_them = (np.bincount(GROUPS[ids]) for ids in (few.train, full.train))
    assert np.abs(kept - all_of_them / 4).max() <= 0.5
    assert torch.equal(few.val, full.val)
    assert torch.equal(few.test, full.test)


@pytest.mark.parametrize("fold", [10, 99])
def test_fold_out_of_range(fold: int) -> None:
    with pytest.raises(UserError, match=f"dataset.fold={fold}.*folds 0 to 9"):
        stratified_split(GROUPS, fold, 10, seed=0)


def test_more_folds_than_graphs() -> None:
    with pytest.raises(UserError, match="only 3 graphs"):
        stratified_split(np.array([0, 1, 0]), 0, 10, seed=0)


def write_published(root: Path, outer: list[dict]) -> None:
    folder = root / "splits" / "gnn-comparison"
    folder.mkdir(parents=True)
    (folder / PUBLISHED["PROTEINS"]).write_text(json.dumps(outer))


FOLDS = [
    {"test": [0], "model_selection": [{"train": [2, 3], "validation": [1]}]},
    {"test": [1], "model_selection": [{"train": [0, 3], "validation": [2]}]},
]


def test_published_fold_from_the_data_folder_or_the_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    write_published(tmp_path / "there", FOLDS)
    for paths in (
        PathsConfig(data=str(tmp_path / "there")),
        PathsConfig(data=str(tmp_path / "empty"), mirror=str(tmp_path / "there")),
    ):
        assert [ids.tolist() for ids in parts(published_split("PROTEINS", 1, 4, paths))] == [[0, 3], [2], [1]]
        assert published_split("PROTEINS", 0, 4, paths).kind == "published"
        with pytest.raises(UserError, match="folds 0 to 1"):
            published_split("PROTEINS", 2, 4, paths)
        with pytest.raises(UserError, match="does not partition the 5 graphs"):
            published_split("PROTEINS", 0, 5, paths)


def test_missing_published_split_is_announced_or_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    paths, y = PathsConfig(data=str(tmp_path)), torch.tensor([0.0, 1.0] * 20)[:, None]
    splits, notices = choose_split(TUDatasetConfig(name="NCI1"), paths, y, "binary")
    assert_partition(splits, 40)
    assert "using a seeded stratified split" in notices[0]
    assert splits.kind == "stratified"
    assert keep_fraction(splits, y, "binary", 0.5, seed=0).kind == "stratified"
    assert choose_split(TUDatasetConfig(name="MUTAG"), paths, y, "binary")[1] == []
    for name, message in (("NCI1", "index file of NCI1 was not found"), ("MUTAG", "has no published split")):
        with pytest.raises(UserError, match=message):
            choose_split(TUDatasetConfig(name=name, split="published"), paths, y, "binary")


@pytest.mark.parametrize(
    ("name", "total"), [("NCI1", 4110), ("PROTEINS", 1113), ("IMDB-BINARY", 1000), ("IMDB-MULTI", 1500)]
)
def test_published_folds_are_whole(mirror: Path, tmp_path: Path, name: str, total: int) -> None:
    paths = PathsConfig(data=str(tmp_path), mirror=str(mirror))
    splits = [published_split(name, fold, total, paths) for fold in range(10)]
    assert sorted(i for split in splits for i in split.test.tolist()) == list(range(total))
