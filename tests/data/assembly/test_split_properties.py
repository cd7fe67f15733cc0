"""Any labels: the parts of a split are disjoint and complete, as large as promised, and a matter of the seed alone."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gnn_distill.data.assembly.node_splits import TRAIN_PER_CLASS, VAL_PER_CLASS, per_class_split
from gnn_distill.data.assembly.splits import TEST_SHARE, VAL_SHARE, keep_fraction, random_split, stratified_split
from gnn_distill.data.task import Splits

LABELS = st.lists(st.integers(0, 4), min_size=2, max_size=60).map(np.array)
SEEDS = st.integers(0, 2**32 - 1)
FOLDS = 2  # as many as the fewest graphs
SPLITS: dict[str, Callable[[np.ndarray, int], Splits]] = {
    "stratified": lambda groups, seed: stratified_split(groups, seed % FOLDS, FOLDS, seed),
    "random": random_split,
    "random, of nodes": lambda groups, seed: random_split(groups, seed, 0.2, 0.2),
    "per class": lambda groups, seed: per_class_split(np.repeat(groups, TRAIN_PER_CLASS + VAL_PER_CLASS + 1), seed),
}


def parts(splits: Splits) -> list[np.ndarray]:
    return [splits.train.numpy(), splits.val.numpy(), splits.test.numpy()]


def share_of(size: int, share: float) -> int:
    """Of a class: rounded half up, one at least, but never all of it."""
    return min(max(1, int(size * share + 0.5)), size - 1)


@pytest.mark.parametrize("name", SPLITS)
@given(groups=LABELS, seed=SEEDS)
def test_parts_are_disjoint_and_complete_and_come_again(name: str, groups: np.ndarray, seed: int) -> None:
    first = parts(SPLITS[name](groups, seed))
    np.random.seed(seed % 7)
    torch.manual_seed(seed % 7)
    assert all(map(np.array_equal, first, parts(SPLITS[name](groups, seed))))
    total = len(groups) * (TRAIN_PER_CLASS + VAL_PER_CLASS + 1 if name == "per class" else 1)
    assert np.array_equal(np.sort(np.concatenate(first)), np.arange(total))
    assert len(first[0])


@given(groups=LABELS, seed=SEEDS)
def test_shares_of_every_class(groups: np.ndarray, seed: int) -> None:
    train, val, test = parts(random_split(groups, seed))
    for group in np.unique(groups):
        size = int((groups == group).sum())
        tested = share_of(size, TEST_SHARE)
        validated = share_of(size - tested, VAL_SHARE / (1 - TEST_SHARE))
        counts = [int((groups[ids] == group).sum()) for ids in (train, val, test)]
        assert counts == [size - tested - validated, validated, tested]


@given(groups=LABELS, folds=st.integers(2, 10), seed=SEEDS)
def test_every_graph_is_tested_in_one_fold(groups: np.ndarray, folds: int, seed: int) -> None:
    folds = min(folds, len(groups))
    tests = [stratified_split(groups, fold, folds, seed).test for fold in range(folds)]
    assert np.array_equal(torch.cat(tests).sort().values, np.arange(len(groups)))
    assert {len(test) for test in tests} <= {len(groups) // folds, -(-len(groups) // folds)}


@given(groups=LABELS, fractions=st.tuples(*[st.floats(0.01, 1)] * 2).map(sorted), seed=SEEDS)
def test_fewer_training_graphs_are_some_of_the_more(groups: np.ndarray, fractions: list[float], seed: int) -> None:
    splits, y = random_split(groups, seed), torch.from_numpy(groups).float()[:, None]
    few, more = (keep_fraction(splits, y, "multiclass", fraction, seed) for fraction in fractions)
    assert set(few.train.tolist()) <= set(more.train.tolist()) <= set(splits.train.tolist())
    assert np.array_equal(np.unique(groups[few.train.numpy()]), np.unique(groups[splits.train.numpy()]))
    assert torch.equal(few.val, splits.val)
    assert torch.equal(few.test, splits.test)
