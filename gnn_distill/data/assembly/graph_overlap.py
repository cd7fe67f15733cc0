"""Graphs that occur in more than one split, and equal graphs whose labels contradict each other."""

from dataclasses import replace
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
    """By pair of splits, such as train_test, the number of graphs of the second that have an equal one in the first.

    Each as {graphs, other_label}: the latter counts those with an equal graph of another (known) label; and
    `contradicting`, the number of graphs of all splits that have an equal one with another label. Graphs are equal if
    their Weisfeiler-Leman hashes are. At node level a graph's label is that of its nodes, where these stand.
    """
    ids, y = graph_parts(graphs, splits), graphs.y if graphs.level == "graph" else labels_of_nodes(graphs)
    twins = _twins(graphs, torch.cat(list(ids.values())).sort().values)
    held = {part: places[twins[places] >= 0] for part, places in ids.items()}
    pairs = {f"{one}_{other}": _count(twins, y, held[one], held[other]) for one, other in combinations(PARTS, 2)}
    everywhere = torch.cat(list(held.values()))
    return pairs | {"contradicting": _count(twins, y, everywhere, everywhere)["other_label"]}


def held_out_twins(graphs: PackedGraphs, splits: Splits, others: PackedGraphs) -> dict[str, Tensor]:
    """By part, val and test, which of the graphs `others` equal one of that part: masks [others]."""
    ids = graph_parts(graphs, splits)
    held = {part: ids[part] for part in ("val", "test")}
    together = graphs.select(torch.cat(list(held.values()))).followed_by(others)
    *twins, new = _twins(together, torch.arange(len(together))).split([*map(len, held.values()), len(others)])
    return {part: (new >= 0) & torch.isin(new, twin) for part, twin in zip(held, twins, strict=True)}


def notices_on(shared: dict[str, Any], graphs: PackedGraphs, splits: Splits, molecules: bool) -> list[str]:
    """Notices of `find_shared_graphs`; for molecules, SMILES show better which ones are shared, so that is left out."""
    sizes = {part: len(ids) for part, ids in graph_parts(graphs, splits).items()}
    notices, found = [], []
    for pair, counts in shared.items():
        if pair != "contradicting" and counts["graphs"] and not molecules:
            one, other = pair.split("_")
            labels = f" ({counts['other_label']} with another label)" if counts["other_label"] else ""
            found.append(f"{counts['graphs']} of {sizes[other]} {other} graphs also in {one}{labels}")
    if found:
        notices.append(
            f"Equal graphs {EQUAL} occur in more than one split: {', '.join(found)}. Scores may be too optimistic."
        )
    if shared["contradicting"]:
        count = f"{shared['contradicting']} of {sum(sizes.values())} graphs"
        notices.append(f"{count} have an equal graph with another label {EQUAL}: no GNN can predict both.")
    return notices


def graph_parts(graphs: PackedGraphs, splits: Splits) -> dict[str, Tensor]:
    """The ids of the graphs in each part."""
    ids = {part: getattr(splits, part) for part in PARTS}
    return ids if graphs.level == "graph" else {part: graphs.graphs_of(rows) for part, rows in ids.items()}


def labels_of_nodes(graphs: PackedGraphs) -> Tensor:
    """One number for all labels of a graph's nodes and their places, equal where both are: [G, 1]."""
    labels = graphs.y.float().nan_to_num(nan=torch.inf).view(torch.int32)
    features = graphs.x.float().view(torch.int32) if graphs.x.is_floating_point() else graphs.x
    labelled = replace(graphs, x=torch.cat([features.long(), labels.long()], dim=1))
    _, number = graph_hashes(labelled).unique(return_inverse=True)
    return number[:, None].float()


def _twins(graphs: PackedGraphs, ids: Tensor) -> Tensor:
    """For every graph a number that equal ones share, or -1 if it equals none of the graphs `ids`: [G]."""
    result = torch.full((len(graphs),), -1)
    for rounds in ({"rounds": 0}, {}):  # features alone distinguish most graphs, at a tenth of the cost
        hashes = graph_hashes(graphs if len(ids) == len(graphs) else graphs.select(ids), **rounds)
        _, number, count = hashes.unique(return_inverse=True, return_counts=True)
        repeated = count[number] > 1
        ids, number = ids[repeated], number[repeated]
    result[ids] = number
    return result


def _count(twins: Tensor, y: Tensor, ones: Tensor, others: Tensor) -> dict[str, int]:
    """The number of graphs `others` with a twin among `ones`, and with one of another label."""
    if not len(ones) or not len(others):
        return {"graphs": 0, "other_label": 0}
    size = (int(twins.max()) + 1, y.size(1))
    low, high = (torch.full(size, bound, dtype=y.dtype) for bound in (torch.inf, -torch.inf))
    index = twins[ones][:, None].expand(-1, y.size(1))
    low.scatter_reduce_(0, index, y[ones].nan_to_num(nan=torch.inf), "amin")
    high.scatter_reduce_(0, index, y[ones].nan_to_num(nan=-torch.inf), "amax")
    found = torch.zeros(size[0], dtype=torch.bool).index_fill_(0, twins[ones], True)
    of, label = twins[others], y[others]
    differs = ((low[of] < label) | (high[of] > label)).any(dim=1)  # neither is true for a missing label
    return {"graphs": int(found[of].sum()), "other_label": int(differs.sum())}
