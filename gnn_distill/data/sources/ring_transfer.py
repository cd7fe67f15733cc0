"""Generated graphs whose target node must learn the class of a source many hops away (Bodnar et al. 2021)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import torch

from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.node_splits import labelled_rows
from gnn_distill.data.assembly.splits import check_fold, check_split_name, to_splits
from gnn_distill.data.sources.graph_families import pack
from gnn_distill.data.task import Features, GraphTask

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import PathsConfig
    from gnn_distill.config.schema.node_graphs import RingTransferConfig

SEED = 2503_01888
"""The seed of the data, so that `seed` never changes a graph."""


def load(dataset: "RingTransferConfig", paths: "PathsConfig") -> GraphTask:
    """Training, validation and test graphs, each part drawn on its own: a longer one only adds graphs.

    All nodes have one feature of noise, uniform in [0, 1]; the source also has its class as one-hot columns, the target
    a mark. Only the target has a label: the class of the source, `distance` hops away in any topology. So a GNN of
    fewer layers scores 1 / classes. The published sets have neither noise nor parts of their own: every class is one
    graph, which training and test share.
    """
    check_split_name(dataset, "auto")
    check_fold(dataset.fold, 1, dataset.name)
    sizes = [dataset.num_train, dataset.num_val, dataset.num_test]
    parts = [
        generate(size, np.random.default_rng([SEED, dataset.split_seed, part]), dataset)
        for part, size in enumerate(sizes)
    ]
    networks = [network for part in parts for network in part[0]]
    x, y = (torch.from_numpy(np.concatenate([part[place] for part in parts])).float() for place in (1, 2))
    graphs = pack(networks, x.flatten(0, 1), y.flatten()[:, None], "node")
    splits = to_splits(*np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]), kind="generated")
    return assemble(
        *(dataset, graphs, labelled_rows(graphs, splits)),
        **{"kind": "multiclass", "metric": "accuracy", "node_features": Features("continuous", (x.size(2),))},
        target_names=tuple(map(str, range(dataset.classes))),
    )


def generate(
    num_graphs: int, rng: np.random.Generator, dataset: "RingTransferConfig"
) -> tuple[list[nx.Graph], np.ndarray, np.ndarray]:
    """Graphs with nodes in random order, features [G, n, 2 + classes] and labels [G, n], NaN but at the target.

    Every graph has its own row of random numbers.
    """
    network, source, target = TOPOLOGIES[dataset.topology](dataset.distance)
    nodes = len(network)
    draws = rng.random((num_graphs, 1 + 2 * nodes))
    classes = (draws[:, 0] * dataset.classes).astype(int)
    place = draws[:, 1 : 1 + nodes].argsort(axis=1)
    every = np.arange(num_graphs)
    x = np.zeros((num_graphs, nodes, 2 + dataset.classes))
    x[:, :, 0] = draws[:, 1 + nodes :]
    x[every, place[:, source], 1 + classes] = 1
    x[every, place[:, target], -1] = 1
    y = np.full((num_graphs, nodes), np.nan)
    y[every, place[:, target]] = classes
    return [renamed(network, order) for order in place.tolist()], x, y


def renamed(network: nx.Graph, place: list[int]) -> nx.Graph:
    """The graph with node i named place[i]."""
    result = nx.empty_graph(len(network), create_using=type(network))
    result.add_edges_from((place[a], place[b]) for a, b in network.edges)
    return result


def ring(distance: int) -> tuple[nx.Graph, int, int]:
    """A ring with source and target opposite each other."""
    return nx.cycle_graph(2 * distance), 0, distance


def crossed_ring(distance: int) -> tuple[nx.Graph, int, int]:
    """The ring with chords i — n − 1 − i, which shorten no path from source to target."""
    network, source, target = ring(distance)
    network.add_edges_from((node, 2 * distance - 1 - node) for node in range(distance))
    return network, source, target


def clique_path(distance: int) -> tuple[nx.Graph, int, int]:
    """A clique of `distance` nodes, the source among them, and a path that leads from another one to the target."""
    return nx.lollipop_graph(distance, distance - 1), 0, 2 * distance - 2


def line(distance: int) -> tuple[nx.Graph, int, int]:
    """A path from source to target."""
    return nx.path_graph(distance + 1), 0, distance


TOPOLOGIES: dict[str, Callable[[int], tuple[nx.Graph, int, int]]] = {
    topology.__name__: topology for topology in (ring, crossed_ring, clique_path, line)
}
"""By dataset.topology: the graph, its source and its target."""
