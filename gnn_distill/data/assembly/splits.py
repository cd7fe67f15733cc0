"""Splits: seeded stratified folds, seeded random splits, published folds, and a fraction of the training split."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from gnn_distill.data.packed import PackedGraphs, gather_ranges
from gnn_distill.data.reading.mirror import data_root, find
from gnn_distill.data.task import Splits
from gnn_distill.errors import UserError

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import DatasetConfig, PathsConfig

PUBLISHED_FOLDER = "splits/gnn-comparison"
PUBLISHED = {
    "NCI1": "NCI1_splits.json",
    "PROTEINS": "PROTEINS_full_splits.json",
    "IMDB-BINARY": "IMDB-BINARY_splits.json",
    "IMDB-MULTI": "IMDB-MULTI_splits.json",
}
VAL_SHARE = TEST_SHARE = 0.1


def strata(y: Tensor, kind: str) -> np.ndarray:
    """The stratum of each graph or node: its class, -1 without a label; a single one if there are no classes.

    y: [N, T] -> [N].
    """
    if kind in ("binary", "multiclass"):
        return y[:, 0].nan_to_num(nan=-1).numpy().astype(int)
    return np.zeros(len(y), dtype=int)


def take(groups: np.ndarray, share: float, rng: np.random.Generator, leave: int = 0) -> np.ndarray:
    """A random `share` of every group, at least one of each, but the last `leave` of a group are never taken.

    With equal seeds, smaller shares are subsets of larger ones.
    groups: [N] stratum of each item -> [N] bool.
    """
    place, size = shuffle(groups, rng)
    return place < np.minimum(np.maximum(1, np.floor(size * share + 0.5)), size - leave)


def shuffle(groups: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The place of each item in a random order of its group, from 0, and the size of that group.

    groups: [N] -> [N], [N].
    """
    order = rng.permutation(len(groups))
    order = order[np.argsort(groups[order], kind="stable")]
    _, start, count = np.unique(groups[order], return_index=True, return_counts=True)
    place, size = np.empty_like(order), np.empty_like(order)
    place[order] = np.arange(len(groups)) - np.repeat(start, count)
    size[order] = np.repeat(count, count)
    return place, size


def stratified_folds(groups: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """The fold of each item; folds differ by at most one in size, and by at most one in each group.

    groups: [N] -> [N].
    """
    order = rng.permutation(len(groups))
    order = order[np.argsort(groups[order], kind="stable")]
    fold = np.empty(len(groups), dtype=int)
    fold[order] = np.arange(len(groups)) % folds
    return fold


def stratified_split(groups: np.ndarray, fold: int, folds: int, seed: int) -> Splits:
    """Fold `fold` is the test split, a stratified tenth of the rest the validation split.

    Raises UserError if `fold` is out of range or there are more folds than graphs.
    """
    check_fold(fold, folds, f"a stratified split with dataset.folds={folds}")
    if folds > len(groups):
        raise UserError(f"dataset.folds={folds}: there are only {len(groups)} graphs or nodes. Choose fewer folds.")
    test = stratified_folds(groups, folds, np.random.default_rng(seed)) == fold
    rest = np.flatnonzero(~test)
    # Folds of one seed share their shuffle, but each draws its own validation split.
    val = rest[take(groups[rest], VAL_SHARE, np.random.default_rng([seed, fold]), leave=1)]
    return to_splits(np.setdiff1d(rest, val), val, np.flatnonzero(test), kind="stratified")


def random_split(groups: np.ndarray, seed: int, val: float = VAL_SHARE, test: float = TEST_SHARE) -> Splits:
    """A seeded split, stratified if there are classes; training gets the rest after the shares `val` and `test`."""
    rng = np.random.default_rng(seed)
    tested = take(groups, test, rng, leave=1)
    rest = np.flatnonzero(~tested)
    chosen = rest[take(groups[rest], val / (1 - test), rng, leave=1)]
    return to_splits(np.setdiff1d(rest, chosen), chosen, np.flatnonzero(tested), kind="random")


def published_split(name: str, fold: int, num_graphs: int, paths: "PathsConfig") -> Splits | None:
    """A fold of Errica et al. (2020, "A Fair Comparison of Graph Neural Networks for Graph Classification").

    None if there are no index files for `name`, in the data folder or in the mirror. Raises UserError if they do
    not match the graphs, or `fold` is out of range.
    """
    path = find(paths, f"{PUBLISHED_FOLDER}/{PUBLISHED[name]}") if name in PUBLISHED else None
    if path is None:
        return None
    outer = json.loads(path.read_text())
    check_fold(fold, len(outer), f"the published split of {name}")
    inner = outer[fold]["model_selection"][0]
    parts = [np.array(ids, dtype=int) for ids in (inner["train"], inner["validation"], outer[fold]["test"])]
    if not np.array_equal(np.sort(np.concatenate(parts)), np.arange(num_graphs)):
        raise UserError(f"{path}: fold {fold} does not partition the {num_graphs} graphs of {name}. Restore the file.")
    return to_splits(*parts, kind="published")


def choose_split(dataset: "DatasetConfig", paths: "PathsConfig", y: Tensor, kind: str) -> tuple[Splits, list[str]]:
    """The split named by `dataset.split` (auto, published, stratified or random), and notices of it."""
    notices = []
    if dataset.split in ("auto", "published"):
        splits = published_split(dataset.name, dataset.fold, len(y), paths)
        if splits is not None:
            return splits, []
        name, file = dataset.name, f"{PUBLISHED_FOLDER}/{PUBLISHED.get(dataset.name)}"
        where = f"Put {file} into {data_root(paths)} (paths.data) or the mirror."
        if dataset.split == "published":
            unknown = (
                f"dataset.split=published: {name} has no published split; those that have: {', '.join(PUBLISHED)}."
            )
            missing = f"dataset.split=published: the index file of {name} was not found. {where}"
            raise UserError((missing if name in PUBLISHED else unknown) + " Or choose dataset.split=stratified.")
        if name in PUBLISHED:
            notices = [f"The published folds of {name} were not found: using a seeded stratified split. {where}"]
    if dataset.split == "random":
        check_fold(dataset.fold, 1, "a random split")
        return random_split(strata(y, kind), dataset.split_seed), notices
    return stratified_split(strata(y, kind), dataset.fold, dataset.folds, dataset.split_seed), notices


def keep_fraction(splits: Splits, y: Tensor, kind: str, fraction: float, seed: int) -> Splits:
    """The split with a stratified `fraction` of its training split, at least one graph of each class."""
    if fraction == 1:
        return splits
    ids = splits.train.numpy()
    kept = take(strata(y[splits.train], kind), fraction, np.random.default_rng(seed))
    return replace(splits, train=torch.from_numpy(ids[kept]))


def hide_labels(graphs: PackedGraphs, splits: Splits, labelled: Tensor) -> tuple[PackedGraphs, Splits]:
    """The training examples `labelled` as training split, and all others as `unlabelled`, with labels that are NaN.

    At node level the labels of whole graphs are hidden: those without a node in `labelled`.
    """
    hidden = splits.train[~torch.isin(splits.train, labelled)]
    if not len(hidden):
        return graphs, splits
    rows = hidden if graphs.level == "graph" else gather_ranges(graphs.node_ptr, graphs.graphs_of(hidden))
    without = replace(graphs, y=graphs.y.index_fill(0, rows, torch.nan))
    return without, replace(splits, train=labelled, unlabelled=hidden)


def check_fold(fold: int, folds: int, what: str) -> None:
    """Raise UserError unless 0 <= fold < folds."""
    if not 0 <= fold < folds:
        choices = f"folds 0 to {folds - 1}" if folds > 1 else "one fold, 0; dataset.split_seed varies a seeded split"
        raise UserError(f"dataset.fold={fold}: {what} has {choices}.")


def check_split_name(dataset: "DatasetConfig", *choices: str) -> None:
    """Raise UserError unless `dataset.split` is one of `choices`."""
    if dataset.split not in choices:
        raise UserError(f"dataset.split={dataset.split}: {dataset.name} offers {', '.join(choices)}.")


def to_splits(train: np.ndarray, val: np.ndarray, test: np.ndarray, kind: str = "") -> Splits:
    """Sorted LongTensors."""
    return Splits(*(torch.from_numpy(np.sort(ids).astype(np.int64)) for ids in (train, val, test)), kind=kind)
