"""Generated binary trees whose root must find the leaf with its key: Tree-NeighborsMatch (Alon & Yahav 2021)."""

from itertools import permutations
from math import factorial
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import torch

from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.node_splits import labelled_rows
from gnn_distill.data.assembly.splits import check_fold, check_split_name, to_splits
from gnn_distill.data.sources.graph_families import pack
from gnn_distill.data.task import Features, GraphTask
from gnn_distill.errors import UserError

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import PathsConfig
    from gnn_distill.config.schema.node_graphs import TreeMatchConfig

SEED = 2503_01888
"""The seed of the data, so that `seed` never changes a tree."""
ENUMERATED = 3
"""Depth up to which all permutations are listed: 8! are 40,320."""


def load(dataset: "TreeMatchConfig", paths: "PathsConfig") -> GraphTask:
    """Trees whose leaves have a key each and the values of a permutation, and whose root has a key.

    The root's label is the value of the leaf with its key, one of 2^depth. Edges lead to the root, so what it needs
    must pass through two nodes: a GNN of fewer than `depth` layers scores 1 / 2^depth, and so does one whose states are
    too narrow for all leaves (over-squashing). Categories: key and value from 1, 0 where a node has none.

    Every permutation is shown with all keys, and in one part only: published are scores on the training trees. Without
    self-loops, which are theirs: convolutions here keep a node's own state.

    Raises UserError where there are too few permutations.
    """
    check_split_name(dataset, "auto")
    check_fold(dataset.fold, 1, dataset.name)
    leaves, sizes = 2**dataset.depth, [dataset.num_train, dataset.num_val, dataset.num_test]
    values = np.concatenate(draw_values(dataset, leaves, sizes))
    keys = np.concatenate([np.arange(size) % leaves for size in sizes])
    network = nx.balanced_tree(2, dataset.depth, create_using=nx.DiGraph).reverse()
    nodes, trees = len(network), len(keys)
    x = np.zeros((trees, nodes, 2), dtype=int)
    x[:, 0, 0] = keys + 1
    x[:, nodes - leaves :, 0] = np.arange(leaves) + 1
    x[:, nodes - leaves :, 1] = values + 1
    y = torch.full((trees, nodes), torch.nan)
    y[:, 0] = torch.from_numpy(values[np.arange(trees), keys]).float()
    graphs = pack([network] * trees, torch.from_numpy(x).flatten(0, 1), y.flatten()[:, None], "node")
    splits = to_splits(*np.split(np.arange(trees), np.cumsum(sizes)[:-1]), kind="generated")
    return assemble(
        *(dataset, graphs, labelled_rows(graphs, splits)),
        **{"kind": "multiclass", "metric": "accuracy", "node_features": Features("categorical", (leaves + 1,) * 2)},
        target_names=tuple(map(str, range(leaves))),
    )


def draw_values(dataset: "TreeMatchConfig", leaves: int, sizes: list[int]) -> list[np.ndarray]:
    """Values of the leaves of every tree, by part: [trees, leaves]; `leaves` trees share a permutation.

    The permutations of test and validation are drawn first, so that more training trees only add some.
    """
    needed = [-(-size // leaves) for size in sizes]
    rng = np.random.default_rng([SEED, dataset.split_seed])
    if (total := factorial(leaves)) < sum(needed):
        raise UserError(
            f"dataset.depth={dataset.depth}: {leaves} values have {total} permutations, of {leaves} trees each, and "
            f"{sum(sizes)} trees are asked for. Choose another depth, or lower dataset.num_train, dataset.num_val and "
            f"dataset.num_test: together they need {sum(needed)} permutations."
        )
    if dataset.depth <= ENUMERATED:
        every = np.array(list(permutations(range(leaves))))
        drawn = every[rng.permutation(total)[: sum(needed)]]
    else:
        drawn = np.array(distinct(sum(needed), leaves, rng))
    test, val, train = np.split(drawn, np.cumsum(needed[::-1])[:-1])
    return [part.repeat(leaves, axis=0)[:size] for part, size in zip((train, val, test), sizes, strict=True)]


def distinct(count: int, leaves: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """`count` different permutations, in the order in which they are drawn."""
    found: dict[tuple[int, ...], None] = {}
    while len(found) < count:
        found[tuple(rng.permutation(leaves).tolist())] = None
    return list(found)
