"""Generated random graphs whose targets are their numbers of small subgraphs (Chen et al. 2020; Zhao et al. 2022)."""

from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import torch

from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.splits import check_fold, check_split_name, to_splits
from gnn_distill.data.packed import PackedGraphs, pointers
from gnn_distill.data.task import Features, GraphTask
from gnn_distill.errors import UserError

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import PathsConfig
    from gnn_distill.config.schema.structure_data import SubstructuresConfig

SEED = 2503_01888
"""The data's own seed, so that `seed` never changes a graph."""
REGULAR = ((10, 6), (15, 6), (20, 5), (30, 5))
"""Nodes and degree of the random regular graphs, each equally likely."""
NODES, DENSITY = 10, 0.3
"""Nodes of an Erdős–Rényi graph, and the probability of an edge."""
CHUNK = 500
"""Graphs whose matrices are multiplied at once: 3.6 MB per matrix."""


def load(dataset: "SubstructuresConfig", paths: "PathsConfig") -> GraphTask:
    """Random graphs without node features; each target is a count divided by its standard deviation in training.

    family=regular: random regular graphs of 10 to 30 nodes, from each of which as many random edges are removed as it
    has nodes; erdos_renyi: G(10, 0.3). Parts are drawn one by one, so a longer one only adds graphs. Counts are of
    subgraphs, induced or not. Message-passing GNNs can count stars alone.

    Raises:
        UserError: if no target is chosen, or one twice.
    """
    check_split_name(dataset, "auto")
    check_fold(dataset.fold, 1, dataset.name)
    targets = tuple(dataset.targets)
    if not targets or len({*targets}) < len(targets):
        raise UserError(f"dataset.targets={[*targets]}: name one target or more, each once.")
    sizes = [dataset.num_train, dataset.num_val, dataset.num_test]
    parts = [
        generate(size, dataset.family, np.random.default_rng([SEED, dataset.split_seed, part]))
        for part, size in enumerate(sizes)
    ]
    num_nodes, adjacency = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    counts = count(adjacency, targets)
    spread = counts[: dataset.num_train].std(axis=0)
    if not spread.all():
        none = ", ".join(name for name, value in zip(targets, spread, strict=True) if not value)
        raise UserError(f"dataset.targets: all training graphs have the same number ({none}). Choose other targets.")
    return assemble(
        dataset,
        pack(num_nodes, adjacency, counts / spread),
        to_splits(*np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]), kind="generated"),
        kind="regression",
        metric="mae",
        target_names=targets,
        node_features=Features("categorical", (1,)),
    )


def generate(num_graphs: int, family: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sizes [G] and adjacency matrices [G, n, n], padded with zeros; each graph has its own row of random numbers."""
    if family == "erdos_renyi":
        pairs = np.triu(rng.random((num_graphs, NODES, NODES)) < DENSITY, k=1)
        return np.full(num_graphs, NODES), pairs | pairs.transpose(0, 2, 1)
    largest = max(nodes for nodes, _ in REGULAR)
    num_nodes, adjacency = np.empty(num_graphs, dtype=int), np.zeros((num_graphs, largest, largest), dtype=bool)
    draws = rng.random((num_graphs, 2 + largest * max(degree for _, degree in REGULAR)))
    for graph, (kind, seed, *keys) in enumerate(draws):
        nodes, degree = REGULAR[int(kind * len(REGULAR))]
        edges = np.array(nx.random_regular_graph(degree, nodes, seed=int(seed * 2**32)).edges)
        a, b = edges[np.argsort(keys[: len(edges)])[nodes:]].T
        num_nodes[graph] = nodes
        adjacency[graph, a, b] = adjacency[graph, b, a] = True
    return num_nodes, adjacency


def count(adjacency: np.ndarray, targets: tuple[str, ...]) -> np.ndarray:
    """Numbers of subgraphs [G, T] of graphs [G, n, n], induced or not.

    With A_k = A^k, degrees d, closed walks of three steps t_i = (A_3)_ii, and sums over nodes i, pairs ij or traces:

    - triangle Σt/6; tailed_triangle Σt(d − 2)/2; star (of three edges) ΣC(d, 3);
    - chordal_cycle Σ_{edges ij} C((A_2)_ij, 2);
    - cycle_4 (tr A_4 + tr A_2 − 2ΣA_2)/8; cycle_5 (tr A_5 − 5Σt − 5Σt(d − 2))/10;
    - cycle_6 (tr A_6 − 3Σt² + 9Σ_ij A(A_2)² − 6Σ(A_4)_ii d + 6 tr A_4 − 4Σt + 3ΣdAd + 4Σd³ − 12Σd² + 4Σd)/12
      (Harary & Manvel 1971).
    """
    parts = [counts_of(chunk.astype(float)) for chunk in np.array_split(adjacency, -(-len(adjacency) // CHUNK))]
    return np.concatenate([np.stack([part[target] for target in targets], axis=1) for part in parts])


def counts_of(a: np.ndarray) -> dict[str, np.ndarray]:
    """All counts [G] of graphs [G, n, n], by name."""
    a2 = a @ a
    a3 = a2 @ a
    d, t, squares = (np.diagonal(m, axis1=1, axis2=2) for m in (a2, a3, a2 @ a2))
    walks_5, walks_6 = (a2 * a3).sum((1, 2)), (a3 * a3).sum((1, 2))
    joined = np.einsum("gi,gij,gj->g", d, a, d)

    def total(values: np.ndarray) -> np.ndarray:
        return values.sum(axis=1)

    return {
        "triangle": total(t) / 6,
        "tailed_triangle": total(t * (d - 2)) / 2,
        "star": total(d * (d - 1) * (d - 2)) / 6,
        "chordal_cycle": (a * a2 * (a2 - 1)).sum((1, 2)) / 4,
        "cycle_4": (total(squares) + total(d) - 2 * a2.sum((1, 2))) / 8,
        "cycle_5": (walks_5 - 5 * total(t) - 5 * total(t * (d - 2))) / 10,
        "cycle_6": (
            walks_6
            - 3 * total(t**2)
            + 9 * (a * a2**2).sum((1, 2))
            + total(squares * (6 - 6 * d) - 4 * t + 4 * d**3 - 12 * d**2 + 4 * d)
            + 3 * joined
        )
        / 12,
    }


def pack(num_nodes: np.ndarray, adjacency: np.ndarray, y: np.ndarray) -> PackedGraphs:
    """Flat tensors; edges in both directions, sorted by source and target."""
    _, source, target = adjacency.nonzero()
    return PackedGraphs(
        x=torch.zeros(int(num_nodes.sum()), 1, dtype=torch.long),
        edge_index=torch.from_numpy(np.stack([source, target])),
        edge_attr=None,
        y=torch.from_numpy(y).float(),
        node_ptr=pointers(torch.from_numpy(num_nodes)),
        edge_ptr=pointers(torch.from_numpy(adjacency.sum((1, 2)))),
    )
