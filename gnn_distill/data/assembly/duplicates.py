"""Rows of one molecule: found however it is written, merged, and counted."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill.data.assembly.molecule_overlap import PARTS, canonical, composition, disagree
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import Splits
from gnn_distill.errors import shorten
from gnn_distill.formatting import counted


def number_molecules(graphs: PackedGraphs, smiles: Sequence[str]) -> Int[np.ndarray, " rows"]:
    """The number of each row's molecule, in the order of their first rows: equal where canonical SMILES are.

    Only rows whose atoms and bonds are those of another row are canonicalised.
    """
    alike: dict[int, list[int]] = defaultdict(list)
    for row, key in enumerate(composition(graphs).tolist()):
        alike[key].append(row)
    first = np.arange(len(smiles))
    for rows in alike.values():
        known: dict[str, int] = {}
        for row in rows if len(rows) > 1 else ():
            first[row] = known.setdefault(canonical(smiles[row]), row)
    return np.unique(first, return_inverse=True)[1]


def merged(
    y: Float[Tensor, "rows targets"], molecule: Int[np.ndarray, " rows"], kind: str, how: str
) -> tuple[Int[np.ndarray, " kept"], Float[Tensor, "kept targets"]]:
    """The first rows of the molecules that are kept, ascending, and their labels.

    how: keep: every row as it is. mean: of each molecule the mean of its numbers, or the most frequent class, for
    every target over the rows that have it; a tie of classes is a missing label. drop: one row, with the labels that
    its rows have, but none of a molecule whose rows disagree. A molecule without any label left is left out.
    """
    if how == "keep":
        return np.arange(len(y)), y
    rows = _rows_of(molecule)
    labels = torch.stack([_merge(y[own], kind, how) if len(own) > 1 else y[own[0]] for own in rows])
    kept = ~labels.isnan().all(dim=1)
    return np.array([own[0] for own in rows])[kept.numpy()], labels[kept]


def _rows_of(molecule: Int[np.ndarray, " rows"]) -> list[list[int]]:
    """The rows of each molecule."""
    rows: list[list[int]] = [[] for _ in range(molecule.max() + 1)]
    for row, number in enumerate(molecule.tolist()):
        rows[number].append(row)
    return rows


def _merge(y: Float[Tensor, "rows targets"], kind: str, how: str) -> Float[Tensor, " targets"]:
    """One row of labels for those of one molecule."""
    if how == "drop":
        return torch.full_like(y[0], torch.nan) if disagree(y) else y.nanmean(dim=0)
    if kind == "regression":
        return y.nanmean(dim=0)
    return torch.stack([_majority(column[~column.isnan()]) for column in y.unbind(1)])


def _majority(labels: Float[Tensor, " known"]) -> Float[Tensor, ""]:
    """The most frequent class; NaN if two are, or if there is none."""
    values, counts = labels.unique(return_counts=True)
    most = values[counts == counts.max()] if len(values) else values
    return most[0] if len(most) == 1 else labels.new_tensor(torch.nan)


def describe_duplicates(
    y: Float[Tensor, "rows targets"],
    molecule: Int[np.ndarray, " rows"],
    lines: Sequence[int],
    smiles: Sequence[str],
    how: str,
) -> list[str]:
    """A notice of molecules with several rows, of those whose labels differ, and of what became of them."""
    several = [rows for rows in _rows_of(molecule) if len(rows) > 1]
    if not several:
        return []
    differing = [rows for rows in several if disagree(y[rows])]
    rows = (differing or several)[0]
    done = {
        "keep": "all rows are kept, those of a molecule in one part of the split"
        + ("; dataset.duplicates=mean or drop leaves one row" if differing else ""),
        "mean": "each is one row now, with the mean of its numbers or its most frequent class",
        "drop": "each is one row now" + (f", and the {len(differing)} are left out" if differing else ""),
    }
    return [
        f"{counted(len(several), 'molecule occurs', 'molecules occur')} more than once "
        f"({sum(map(len, several)):,} rows), {len(differing):,} of them with different labels "
        f"(first: '{shorten(smiles[rows[0]])}', {', '.join(f'line {lines[row]}' for row in rows[:3])}): {done[how]}."
    ]


def count_shared(splits: Splits, molecule: Int[np.ndarray, " rows"]) -> dict[str, int]:
    """By pair of parts, such as train_test, the number of molecules in both."""
    parts = {part: np.unique(molecule[getattr(splits, part).numpy()]) for part in PARTS}
    return {f"{one}_{other}": len(np.intersect1d(parts[one], parts[other])) for one, other in combinations(PARTS, 2)}
