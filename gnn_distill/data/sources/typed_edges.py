"""Generated graphs whose label depends on their edges."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.splits import check_fold, check_split_name, to_splits
from gnn_distill.data.packed import PackedGraphs, pointers
from gnn_distill.data.task import Features, GraphTask
from gnn_distill.errors import UserError

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import PathsConfig, TypedEdgesConfig

SEED = 2503_01888
"""The seed of the data, so that `seed` never changes a graph."""
REACH = 5
"""Number of preceding nodes to which a node may be joined."""
TREE_DEGREE, CHORD_DEGREE, CHORDS = 3, 4, 4


def load(dataset: "TypedEdgesConfig", paths: "PathsConfig") -> GraphTask:
    """Training, validation and test graphs, each split drawn independently: a larger one only adds graphs.

    The score of a graph is the share of its edges that join types t and t + 1 (mod num_types), minus its
    expectation given the type counts; its label is whether that exceeds the median score of the full training split.
    So a model that ignores edges cannot learn anything, the training split is balanced up to ties, the others up to
    chance, and no label depends on a test graph.
    """
    if dataset.min_nodes > dataset.max_nodes:
        raise UserError(f"dataset.min_nodes={dataset.min_nodes} exceeds dataset.max_nodes={dataset.max_nodes}.")
    check_split_name(dataset, "auto")
    check_fold(dataset.fold, 1, dataset.name)
    sizes = [dataset.num_train, dataset.num_val, dataset.num_test]
    samples = [
        generate(size, np.random.default_rng([SEED, dataset.split_seed, part]), dataset)
        for part, size in enumerate(sizes)
    ]
    num_nodes, types, adjacency = (np.concatenate(arrays) for arrays in zip(*samples, strict=True))
    scores = typed_edge_surplus(num_nodes, types, adjacency, dataset.num_types)
    labels = scores > np.median(scores[: dataset.num_train])
    graphs = pack(num_nodes, types, adjacency, torch.from_numpy(labels).float()[:, None], dataset.num_types)
    splits = to_splits(*np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]), kind="generated")
    features = Features("continuous", (dataset.num_types,))
    return assemble(
        dataset, graphs, splits, kind="binary", metric="accuracy", target_names=("label",), node_features=features
    )


def generate(
    num_graphs: int, rng: np.random.Generator, dataset: "TypedEdgesConfig"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes [G], node types [G, max_nodes] and adjacency [G, max_nodes, max_nodes] of random sparse graphs.

    Node i is joined to one of the five before it (degree at most 3), then up to four chords are added (degree at
    most 4): four random pairs are tried, and dropped if joined already or full.
    Every graph has its own row of random numbers.
    """
    width = dataset.max_nodes
    draws = rng.random((num_graphs, 1 + width + width * REACH + 2 * CHORDS))
    size_draw, type_draw, tree_draw, chord_draw = np.split(draws, np.cumsum([1, width, width * REACH]), axis=1)
    num_nodes = dataset.min_nodes + (size_draw[:, 0] * (width - dataset.min_nodes + 1)).astype(int)
    types = (type_draw * dataset.num_types).astype(int)
    adjacency = np.zeros((num_graphs, width, width), dtype=bool)
    degree = np.zeros((num_graphs, width), dtype=int)

    def join(chosen: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
        rows, a, b = np.flatnonzero(chosen), a[chosen], b[chosen]
        adjacency[rows, a, b] = adjacency[rows, b, a] = True
        degree[rows, a] += 1
        degree[rows, b] += 1

    for node in range(1, width):
        first = max(0, node - REACH)
        keys = tree_draw[:, node * REACH : node * REACH + node - first]
        # The node just before has degree 1 or, as the root, at most that: so a partner always exists.
        partner = first + np.where(degree[:, first:node] < TREE_DEGREE, keys, -1).argmax(axis=1)
        join(node < num_nodes, np.full(num_graphs, node), partner)
    rows = np.arange(num_graphs)
    for chord in range(CHORDS):
        a = (chord_draw[:, 2 * chord] * num_nodes).astype(int)
        b = (a + 1 + (chord_draw[:, 2 * chord + 1] * (num_nodes - 1)).astype(int)) % num_nodes
        full = np.maximum(degree[rows, a], degree[rows, b]) >= CHORD_DEGREE
        join(~full & ~adjacency[rows, a, b], a, b)
    return num_nodes, types, adjacency


def typed_edge_surplus(num_nodes: np.ndarray, types: np.ndarray, adjacency: np.ndarray, num_types: int) -> np.ndarray:
    """Share of each graph's edges that join types t and t + 1 (mod num_types), minus its mean over all placements.

    Edges are independent of types, so the mean given the counts n_t is that share among all pairs of nodes:
    2·Σ_t n_t·n_{t+1} / (n·(n − 1)). [G], [G, n], [G, n, n] -> [G].
    """
    step = (types[:, :, None] - types[:, None, :]) % num_types
    joins = (step == 1) | (step == num_types - 1)
    real = np.arange(types.shape[1]) < num_nodes[:, None]
    pairs = joins & real[:, :, None] & real[:, None, :]
    expected = pairs.sum((1, 2)) / (num_nodes * (num_nodes - 1))
    return (adjacency & joins).sum((1, 2)) / adjacency.sum((1, 2)) - expected


def pack(num_nodes: np.ndarray, types: np.ndarray, adjacency: np.ndarray, y: Tensor, num_types: int) -> PackedGraphs:
    """Flat tensors; edges in both directions, sorted by source and target."""
    real = np.arange(types.shape[1]) < num_nodes[:, None]
    _, source, target = adjacency.nonzero()
    return PackedGraphs(
        x=torch.nn.functional.one_hot(torch.from_numpy(types[real]), num_types).float(),
        edge_index=torch.from_numpy(np.stack([source, target])),
        edge_attr=None,
        y=y,
        node_ptr=pointers(torch.from_numpy(num_nodes)),
        edge_ptr=pointers(torch.from_numpy(adjacency.sum((1, 2)))),
    )
