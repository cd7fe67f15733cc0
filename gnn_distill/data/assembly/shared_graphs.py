"""Graphs that stand in more than one part of a split, and equal graphs whose labels contradict each other."""

from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from gnn_distill.data.encodings.colours import graph_hashes
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import Splits

PARTS = ("train", "val", "test")
EQUAL = "(by Weisfeiler-Leman hash, features included)"


def find_shared_graphs(graphs: PackedGraphs, splits: Splits) -> dict[str, Any]:
    """By pair of parts, such as train_test, how many graphs of the second have an equal one in the first.

    Each as {graphs, other_label}: of how many an equal one has another label (a difference where both are known); and
    `contradicting`, how many of the graphs of all parts have an equal one with another label. Equal are graphs of one
    Weisfeiler-Leman hash.
    """
    ids = {part: getattr(splits, part) for part in PARTS}
    twins = _twins(graphs, torch.cat(list(ids.values())).sort().values)
    held = {part: places[twins[places] >= 0] for part, places in ids.items()}
    pairs = {f"{one}_{other}": _count(twins, graphs.y, held[one], held[other]) for one, other in combinations(PARTS, 2)}
    everywhere = torch.cat(list(held.values()))
    return pairs | {"contradicting": _count(twins, graphs.y, everywhere, everywhere)["other_label"]}


def notices_on(shared: dict[str, Any], splits: Splits, molecules: bool) -> list[str]:
    """What to announce of `find_shared_graphs`; which molecules are shared SMILES tell better, so not that of them."""
    sizes = {part: len(getattr(splits, part)) for part in PARTS}
    notices, told = [], []
    for pair, counts in shared.items():
        if pair != "contradicting" and counts["graphs"] and not molecules:
            one, other = pair.split("_")
            labels = f" ({counts['other_label']} with another label)" if counts["other_label"] else ""
            told.append(f"{counts['graphs']} of {sizes[other]} {other} graphs also in {one}{labels}")
    if told:
        notices.append(f"Equal graphs {EQUAL} stand in more than one part: {', '.join(told)}. Scores may be too good.")
    if shared["contradicting"]:
        count = f"{shared['contradicting']} of {sum(sizes.values())} graphs"
        notices.append(f"{count} have an equal one with another label {EQUAL}: no GNN can be right on both.")
    return notices


def _twins(graphs: PackedGraphs, ids: Tensor) -> Tensor:
    """For every graph a number that equal ones share, or -1 where none of the graphs `ids` equals it: [G]."""
    result = torch.full((len(graphs),), -1)
    for rounds in ({"rounds": 0}, {}):  # features alone tell most graphs apart, at a tenth of the cost
        hashes = graph_hashes(graphs if len(ids) == len(graphs) else graphs.select(ids), **rounds)
        _, number, count = hashes.unique(return_inverse=True, return_counts=True)
        repeated = count[number] > 1
        ids, number = ids[repeated], number[repeated]
    result[ids] = number
    return result


def _count(twins: Tensor, y: Tensor, ones: Tensor, others: Tensor) -> dict[str, int]:
    """How many of the graphs `others` have a twin among `ones`, and how many of them one with another label."""
    if not len(ones) or not len(others):
        return {"graphs": 0, "other_label": 0}
    size = (int(twins.max()) + 1, y.size(1))
    low, high = (torch.full(size, bound, dtype=y.dtype) for bound in (torch.inf, -torch.inf))
    index = twins[ones][:, None].expand(-1, y.size(1))
    low.scatter_reduce_(0, index, y[ones].nan_to_num(nan=torch.inf), "amin")
    high.scatter_reduce_(0, index, y[ones].nan_to_num(nan=-torch.inf), "amax")
    there = torch.zeros(size[0], dtype=torch.bool).index_fill_(0, twins[ones], True)
    of, label = twins[others], y[others]
    differs = ((low[of] < label) | (high[of] > label)).any(dim=1)  # of a missing label neither holds
    return {"graphs": int(there[of].sum()), "other_label": int(differs.sum())}
