"""Balanced parts of graphs by recursive bisection."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from jaxtyping import Int
from torch import Tensor

from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.subgraphs.node_sets import joined_adjacency, network_of

if TYPE_CHECKING:
    import networkx as nx


def bisected(
    graphs: PackedGraphs, parts: int, advance: Callable[[int], None] = lambda count: None
) -> Int[Tensor, " nodes"]:
    """The part of every node, numbered within its graph: `parts` of about equal size with few edges between them.

    A graph with fewer nodes has as many parts as nodes. Recursive bisection as in METIS (Karypis & Kumar 1998): one
    side grows breadth first from an outer node, then nodes are exchanged (Kernighan & Lin 1970, by NetworkX). METIS
    does this on coarsened graphs, which pays for large ones.
    """
    adjacency = joined_adjacency(graphs)
    label = torch.zeros(graphs.x.size(0), dtype=torch.long)
    for first, last in pairwise(graphs.node_ptr.tolist()):
        network = network_of(adjacency, first, last)
        for number, nodes in enumerate(_parts(network, min(parts, last - first))):
            label[list(nodes)] = number
        advance(1)
    return label


def _parts(network: nx.Graph, parts: int) -> list[set[int]]:
    """The nodes of a network in `parts` sets, none of them empty."""
    from networkx.algorithms.community import kernighan_lin_bisection

    if parts == 1:
        return [set(network)]
    fewer = parts // 2
    order, size = _outside_in(network), round(len(network) * fewer / parts)
    sides = kernighan_lin_bisection(network, (set(order[:size]), set(order[size:])))
    one, other = sorted(sides, key=len)  # the sizes stay, the order of the sides does not
    return [*_parts(network.subgraph(one), fewer), *_parts(network.subgraph(other), parts - fewer)]


def _outside_in(network: nx.Graph) -> list[int]:
    """All nodes, component after component, breadth first from a node that is farthest from the first."""
    order: dict[int, None] = {}
    for node in sorted(network):
        if node not in order:
            order |= dict.fromkeys(_breadth_first(network, _breadth_first(network, node)[-1]))
    return list(order)


def _breadth_first(network: nx.Graph, start: int) -> list[int]:
    seen = {start: None}
    for node in (reached := [start]):
        for neighbour in sorted(network[node]):
            if neighbour not in seen:
                seen[neighbour] = None
                reached.append(neighbour)
    return reached
