"""Splits of examples that belong together: whole groups are dealt to the parts, or everything by time."""

import warnings
from collections.abc import Hashable, Iterable

import numpy as np
from jaxtyping import Int, Num
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from gnn_distill.data.assembly.splits import check_fold, to_splits
from gnn_distill.data.task import Splits
from gnn_distill.errors import UserError
from gnn_distill.formatting import counted

VAL_PARTS = 10
"""A tenth of what is not tested is for validation, as in a stratified split."""
SMALLEST = 3
"""Fewest groups or times: one for each part."""


def numbered(names: Iterable[Hashable]) -> Int[np.ndarray, " names"]:
    """Equal names as equal numbers, in the order in which they first occur."""
    names = list(names)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=int)


def joined(groups: Int[np.ndarray, " examples"], others: Int[np.ndarray, " examples"]) -> Int[np.ndarray, " examples"]:
    """Groups such that examples which share a group, or one of `others`, directly or over further ones, share one."""
    size = int(groups.max()) + 1
    links = coo_matrix((np.ones(len(groups)), (groups, size + others)), shape=2 * (size + int(others.max()) + 1,))
    return connected_components(links, directed=False)[1][groups]


def group_split(
    groups: Int[np.ndarray, " examples"],
    strata: Int[np.ndarray, " examples"],
    fold: int,
    folds: int,
    seed: int,
    kind: str = "group",
) -> Splits:
    """Fold `fold` is the test part, a tenth of the rest the validation part; no group is in two parts.

    Folds are balanced in size and classes as far as whole groups can be (scikit-learn's StratifiedGroupKFold).

    Raises:
        UserError: if the fold does not exist, or groups are too few.
    """
    check_fold(fold, folds, f"dataset.split={kind} with dataset.folds={folds}")
    count = len(np.unique(groups))
    if count < max(folds, SMALLEST):
        raise UserError(
            f"dataset.split={kind}: {counted(count, 'group is', 'groups are')} too few for dataset.folds={folds} and a "
            "validation part. Choose fewer folds, or another split."
        )
    test = _group_folds(groups, strata, folds, seed) == fold
    rest = np.flatnonzero(~test)
    own_seed = int(np.random.default_rng([seed, fold]).integers(2**31))
    parts = min(VAL_PARTS, len(np.unique(groups[rest])))
    part = _group_folds(groups[rest], strata[rest], parts, own_seed)
    sizes = np.bincount(part, minlength=parts)
    nearest = np.argmin(np.abs(sizes - len(rest) / VAL_PARTS))
    val = part == nearest
    return to_splits(rest[~val], rest[val], np.flatnonzero(test), kind=kind)


def _group_folds(groups: np.ndarray, strata: np.ndarray, folds: int, seed: int) -> Int[np.ndarray, " examples"]:
    from sklearn.model_selection import StratifiedGroupKFold  # a second to import, for splits by group alone

    fold = np.empty(len(groups), dtype=int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes with fewer members than folds: checked with the targets
        strata = strata if np.bincount(strata - strata.min()).max() >= folds else np.zeros_like(strata)
        dealt = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(groups, strata, groups)
        for number, (_, test) in enumerate(dealt):
            fold[test] = number
    return fold


def time_split(times: Num[np.ndarray, " examples"], fold: int, folds: int) -> Splits:
    """The f-th latest of folds + 1 equal stretches is the test part, all before it training and, its last tenth,
    validation: fold 0 is tested on the latest examples, and each fold learns from earlier ones alone.

    Examples of one time are in one part. Raises UserError if the fold does not exist, or times are too few.
    """
    check_fold(fold, folds, f"dataset.split=time with dataset.folds={folds}")
    _, place, count = np.unique(times, return_inverse=True, return_counts=True)
    before = (np.cumsum(count) - count)[place]  # number of examples of earlier times
    stretch = before * (folds + 1) // len(times)
    test, earlier = stretch == folds - fold, stretch < folds - fold
    val = earlier & (before * VAL_PARTS >= earlier.sum() * (VAL_PARTS - 1))
    parts = [np.flatnonzero(part) for part in (earlier & ~val, val, test)]
    if not all(map(len, parts)):
        raise UserError(
            f"dataset.split=time: {len(count)} times leave a part empty (train/val/test "
            f"{'/'.join(str(len(part)) for part in parts)}). Choose fewer dataset.folds, or another split."
        )
    return to_splits(*parts, kind="time")
