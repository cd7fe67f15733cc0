"""Connected random graphs of many families, whose distances are targets: no data set by itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isqrt

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from gnn_distill.data.packed import PackedGraphs, pointers

Family = Callable[[int, np.random.Generator], nx.Graph]
DELETED = 0.2
"""Share of the edges that a grid with holes lacks."""
TRIES = 20
"""Times that edges of a graph are toggled before another one is drawn: the slowest family takes 8 ms a graph."""


@dataclass(frozen=True)
class Mixture:
    """Families with their probabilities, and the share of edges that is replaced by random ones."""

    shares: dict[str, float]
    toggled: float = 0.0


def draw_graphs(count: int, mixture: str, nodes: Sequence[int], seed: Sequence[int]) -> list[nx.Graph]:
    """`count` connected graphs of `nodes[0]` to `nodes[1]` nodes, 0 … n − 1 in random order; `family` is an attribute.

    mixture: a key of MIXTURES. seed: of numpy's; every graph draws from its own generator, so that a larger count only
    adds graphs. A graph that is not connected is drawn again, of the same family and size.
    """
    return [draw_graph(MIXTURES[mixture], nodes, np.random.default_rng([*seed, index])) for index in range(count)]


def draw_graph(mixture: Mixture, nodes: Sequence[int], rng: np.random.Generator) -> nx.Graph:
    """One connected graph of a mixture, its nodes in random order."""
    family = list(mixture.shares)[rng.choice(len(mixture.shares), p=list(mixture.shares.values()))]
    size = int(rng.integers(nodes[0], nodes[1] + 1))
    graph = connected(family, size, mixture.toggled, rng)
    order = dict(zip(graph, rng.permutation(size).tolist(), strict=True))
    result = nx.empty_graph(size)
    result.add_edges_from((order[a], order[b]) for a, b in graph.edges)
    result.graph["family"] = family
    return result


def connected(family: str, nodes: int, share: float, rng: np.random.Generator) -> nx.Graph:
    """The first connected one of graphs of a family, each with up to TRIES other edges toggled."""
    while True:
        graph = FAMILIES[family](nodes, rng)
        for _ in range(TRIES if share else 1):
            found = toggled(graph, share, rng) if share else graph
            if nx.is_connected(found):
                return found


def toggled(graph: nx.Graph, share: float, rng: np.random.Generator) -> nx.Graph:
    """Every edge is lost with probability `share`, and other pairs are joined: as many as are lost, on average.

    If most pairs are joined, it is the missing pairs of which `share` are joined (Corso et al. 2020, `randomize`).
    """
    joined = nx.to_numpy_array(graph, dtype=bool)
    edges = joined.sum() / 2
    others = len(graph) * (len(graph) - 1) / 2 - edges
    fewer = min(edges, others)
    lost, gained = share * fewer / max(edges, 1), share * fewer / max(others, 1)
    draw = np.triu(rng.random(joined.shape), 1)
    draw += draw.T
    joined = np.where(joined, draw >= lost, draw < gained)
    np.fill_diagonal(joined, False)
    return nx.from_numpy_array(joined)


def erdos_renyi(nodes: int, rng: np.random.Generator) -> nx.Graph:
    """Every pair is joined with one probability, itself uniform."""
    return nx.fast_gnp_random_graph(nodes, rng.random(), seed=rng)


def barabasi_albert(nodes: int, rng: np.random.Generator) -> nx.Graph:
    """Preferential attachment, of 1 to n − 1 edges for every new node."""
    return nx.barabasi_albert_graph(nodes, int(rng.integers(1, nodes)), seed=rng)


def grid(nodes: int, rng: np.random.Generator) -> nx.Graph:
    """A grid as square as its number of nodes allows; a line for a prime number."""
    return nx.grid_2d_graph(*as_square(nodes))


def holey_grid(nodes: int, rng: np.random.Generator) -> nx.Graph:
    """A grid of which a fifth of the edges were deleted, but none of a random spanning tree."""
    graph = grid(nodes, rng)
    draws = rng.random(graph.number_of_edges()).tolist()
    nx.set_edge_attributes(graph, dict(zip(graph.edges, draws, strict=True)), "weight")
    spare = graph.edges - nx.minimum_spanning_tree(graph).edges
    first = sorted(spare, key=lambda edge: graph.edges[edge]["weight"])
    graph.remove_edges_from(first[: round(DELETED * graph.number_of_edges())])
    return graph


def caveman(nodes: int, rng: np.random.Generator) -> nx.Graph:
    """Cliques, about as many as their nodes; only random edges join them."""
    return nx.caveman_graph(*as_square(nodes))


def tree(nodes: int, rng: np.random.Generator) -> nx.Graph:
    """A tree whose degrees follow a power law."""
    while True:
        try:
            return nx.random_powerlaw_tree(nodes, seed=rng, tries=10_000)
        except nx.NetworkXError:  # no sequence of degrees that makes a tree was found
            continue


def ladder(nodes: int, rng: np.random.Generator) -> nx.Graph:
    """Two rows joined rung by rung; an odd node hangs on the first."""
    graph = nx.ladder_graph(nodes // 2)
    if nodes % 2:
        graph.add_edge(0, nodes - 1)
    return graph


def line(nodes: int, rng: np.random.Generator) -> nx.Graph:
    """A path."""
    return nx.path_graph(nodes)


def star(nodes: int, rng: np.random.Generator) -> nx.Graph:
    """One node joined to all others."""
    return nx.star_graph(nodes - 1)


def caterpillar(nodes: int, rng: np.random.Generator) -> nx.Graph:
    """A path of random length, and all other nodes hanging on it."""
    return hang(nodes, int(rng.integers(1, nodes)), nodes, rng)


def lobster(nodes: int, rng: np.random.Generator) -> nx.Graph:
    """A path, nodes that hang on it, and nodes that hang on these; all three of random number."""
    backbone = int(rng.integers(1, nodes))
    return hang(nodes, backbone, int(rng.integers(backbone + 1, nodes + 1)), rng)


def hang(nodes: int, backbone: int, legs: int, rng: np.random.Generator) -> nx.Graph:
    """A path of `backbone` nodes, those up to `legs` hanging on it, the rest on the latter."""
    graph = nx.path_graph(backbone)
    graph.add_edges_from((node, int(rng.integers(backbone))) for node in range(backbone, legs))
    graph.add_edges_from((node, int(rng.integers(backbone, legs))) for node in range(legs, nodes))
    return graph


def as_square(nodes: int) -> tuple[int, int]:
    """The two factors of `nodes` that are closest to each other, the smaller first."""
    rows = next(rows for rows in range(isqrt(nodes), 0, -1) if nodes % rows == 0)
    return rows, nodes // rows


FAMILIES: dict[str, Family] = {
    family.__name__: family
    for family in (
        *(erdos_renyi, barabasi_albert, grid, holey_grid, caveman, tree, ladder, line, star, caterpillar, lobster),
    )
}
MIXTURES = {
    "corso": Mixture(
        {
            **{"erdos_renyi": 0.2, "barabasi_albert": 0.2, "grid": 0.05, "caveman": 0.05, "tree": 0.15},
            **{"ladder": 0.05, "line": 0.05, "star": 0.05, "caterpillar": 0.1, "lobster": 0.1},
        },
        toggled=0.1,
    ),
    "echo": Mixture(dict.fromkeys(("line", "ladder", "holey_grid", "tree", "caterpillar", "lobster"), 1 / 6)),
}
"""The ten families of Corso et al. (2020, "Principal Neighbourhood Aggregation"), and the six of ECHO (Miglior et al.
2026), which are longer: few edges and large diameters."""


def pack(networks: Sequence[nx.Graph], x: Tensor, y: Tensor, level: str) -> PackedGraphs:
    """Flat tensors of graphs with nodes 0 … n − 1; edges in both directions, sorted by source and target.

    x: [nodes, features]; y: [graphs or nodes, targets], by `level`.
    """
    edges = [torch.tensor(sorted(graph.to_directed().edges), dtype=torch.long).reshape(-1, 2) for graph in networks]
    return PackedGraphs(
        x=x,
        edge_index=torch.cat(edges).T.contiguous(),
        edge_attr=None,
        y=y,
        node_ptr=pointers(torch.tensor([len(graph) for graph in networks])),
        edge_ptr=pointers(torch.tensor([len(pairs) for pairs in edges])),
        level=level,
    )
