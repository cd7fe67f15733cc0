"""Generated PATTERN and CLUSTER: communities of stochastic block models, by the recipe of Dwivedi et al. (2023)."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.node_splits import labelled_rows
from gnn_distill.data.assembly.splits import check_fold, check_split_name, to_splits
from gnn_distill.data.packed import PackedGraphs, pointers
from gnn_distill.data.reading.mirror import known_name
from gnn_distill.data.task import Features, GraphTask
from gnn_distill.errors import UserError

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import PathsConfig
    from gnn_distill.config.schema.node_graphs import SBMConfig

SEED = 2503_01888
"""The seed of the data, so that `seed` never changes a graph."""
NAMES = ("PATTERN", "CLUSTER")
SIGNALS = 3
"""PATTERN: number of different features of nodes, which are random."""
OF_PATTERNS = 3
"""The part, next to train, val and test, whose seeds patterns have."""


class Graph(NamedTuple):
    """One graph: adjacency [n, n] of bool, symmetric; feature [n], a number from 0; class [n]."""

    adjacency: np.ndarray
    feature: np.ndarray
    label: np.ndarray


def load(dataset: "SBMConfig", paths: "PathsConfig") -> GraphTask:
    """PATTERN: is a node of the pattern? CLUSTER: which of the communities is a node's?

    A graph has `communities` communities of min_size to max_size nodes; two nodes are joined with probability `inside`
    in one community, `between` in two.
    PATTERN adds one of `patterns` fixed random graphs, also of min_size to max_size nodes, whose pairs and whose edges
    to all other nodes have probability `inside`; features are random, those of a pattern the same wherever it occurs.
    CLUSTER marks one node of each community with its number, the only feature that is not 0.

    The published sets were drawn so with numpy's global generator; here every graph has its own, so that a longer part
    only adds graphs. Measured by balanced accuracy, as published, but over the whole part at once.
    """
    name = known_name(dataset.name, "the stochastic block models", NAMES)
    check_split_name(dataset, "auto")
    check_fold(dataset.fold, 1, name)
    if dataset.min_size > dataset.max_size:
        raise UserError(f"dataset.min_size={dataset.min_size} exceeds dataset.max_size={dataset.max_size}.")
    sizes = [dataset.num_train, dataset.num_val, dataset.num_test]
    draw = pattern_graph if name == "PATTERN" else cluster_graph
    drawn = [draw(dataset, part, index) for part, size in enumerate(sizes) for index in range(size)]
    graphs = pack(drawn, SIGNALS if name == "PATTERN" else dataset.communities + 1)
    splits = to_splits(*np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]), kind="generated")
    return assemble_communities(dataset, graphs, labelled_rows(graphs, splits), name)


def assemble_communities(dataset: "SBMConfig", graphs: PackedGraphs, splits: object, name: str) -> GraphTask:
    """The task of PATTERN, binary, or of CLUSTER, one class per community, measured by balanced accuracy."""
    classes = graphs.x.size(1) - 1
    return assemble(
        *(dataset, graphs, splits),
        kind="binary" if name == "PATTERN" else "multiclass",
        metric="balanced_accuracy",
        target_names=("pattern",) if name == "PATTERN" else tuple(map(str, range(classes))),
        node_features=Features("continuous", (graphs.x.size(1),)),
    )


def pattern_graph(dataset: "SBMConfig", part: int, index: int) -> Graph:
    """Communities and a pattern: number index mod patterns."""
    rng = np.random.default_rng([SEED, dataset.split_seed, part, index])
    of_pattern = np.random.default_rng([SEED, dataset.split_seed, OF_PATTERNS, index % dataset.patterns])
    size = int(of_pattern.integers(dataset.min_size, dataset.max_size + 1))
    pattern = symmetric(of_pattern.random((size, size)) < dataset.inside)
    signals = of_pattern.integers(SIGNALS, size=size)

    community = draw_communities(dataset, rng)
    others = len(community)
    adjacency = np.zeros((others + size, others + size), dtype=bool)
    adjacency[:others, :others] = joined(dataset, community, rng)
    adjacency[others:, others:] = pattern
    adjacency[others:, :others] = rng.random((size, others)) < dataset.inside
    adjacency[:others, others:] = adjacency[others:, :others].T
    feature = np.concatenate([rng.integers(SIGNALS, size=others), signals])
    order = rng.permutation(others + size)
    return Graph(adjacency[order][:, order], feature[order], (order >= others).astype(int))


def cluster_graph(dataset: "SBMConfig", part: int, index: int) -> Graph:
    """Communities of which one node each is marked with its number, from 1."""
    rng = np.random.default_rng([SEED, dataset.split_seed, part, index])
    community = rng.permutation(draw_communities(dataset, rng))
    feature = np.zeros(len(community), dtype=int)
    for number in range(dataset.communities):
        feature[rng.choice(np.flatnonzero(community == number))] = number + 1
    return Graph(joined(dataset, community, rng), feature, community)


def draw_communities(dataset: "SBMConfig", rng: np.random.Generator) -> np.ndarray:
    """The community of every node, ascending."""
    sizes = rng.integers(dataset.min_size, dataset.max_size + 1, size=dataset.communities)
    return np.repeat(np.arange(dataset.communities), sizes)


def joined(dataset: "SBMConfig", community: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The adjacency of a stochastic block model."""
    probability = np.where(community[:, None] == community, dataset.inside, dataset.between)
    return symmetric(rng.random(probability.shape) < probability)


def symmetric(drawn: np.ndarray) -> np.ndarray:
    """The upper triangle of [n, n], mirrored; no node is joined to itself."""
    upper = np.triu(drawn, 1)
    return upper | upper.T


def pack(drawn: list[Graph], features: int) -> PackedGraphs:
    """Flat tensors; features one-hot, edges in both directions, sorted by source and target."""
    ends = [np.stack(graph.adjacency.nonzero()) for graph in drawn]
    feature, label = (np.concatenate([getattr(graph, key) for graph in drawn]) for key in ("feature", "label"))
    return PackedGraphs(
        x=torch.nn.functional.one_hot(torch.from_numpy(feature), features).float(),
        edge_index=torch.from_numpy(np.concatenate(ends, axis=1)),
        edge_attr=None,
        y=torch.from_numpy(label).float()[:, None],
        node_ptr=pointers(torch.tensor([len(graph.label) for graph in drawn])),
        edge_ptr=pointers(torch.tensor([pairs.shape[1] for pairs in ends])),
        level="node",
    )
