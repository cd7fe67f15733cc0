"""Weisfeiler-Leman colours of nodes and hashes of graphs: equal for equal graphs, whatever the order of their nodes."""

import torch
from jaxtyping import Int
from torch import Tensor

from gnn_distill.data.packed import PackedGraphs

ROUNDS = 5
"""Rounds of refinement; more distinguish no further graphs in the TU data sets of the tests."""
# Odd numbers of 64 bits: that of the golden ratio and those of splitmix64 and of Knuth's MMIX.
GOLDEN, FIRST, SECOND, THIRD = (
    -7046029254386353131,
    -4658895280553007687,
    -7723592293110705685,
    6364136223846793005,
)


def node_colours(graphs: PackedGraphs, rounds: int = ROUNDS) -> Int[Tensor, " nodes"]:
    """A 64-bit number of every node: c ← hash(c, {(c_j, e_ji)}, {(c_j, e_ij)}), starting from its features.

    e are edge features; incoming and outgoing edges are distinguished. The result depends neither on other graphs nor
    on the order of nodes and edges.
    """
    source, target = graphs.global_edge_index
    colour = _hashed_rows(graphs.x)
    edge = 0 if graphs.edge_attr is None else _hashed_rows(graphs.edge_attr)
    for _ in range(rounds):
        gathered = colour * THIRD
        gathered.index_add_(0, target, scattered(colour[source] + edge))
        gathered.index_add_(0, source, scattered(colour[target] * FIRST + edge))
        colour = scattered(gathered)
    return colour


def graph_hashes(graphs: PackedGraphs, rounds: int = ROUNDS) -> Int[Tensor, " graphs"]:
    """A 64-bit number of every graph, equal if its nodes have the same colours."""
    colour = scattered(node_colours(graphs, rounds))
    return torch.zeros(len(graphs), dtype=torch.long).index_add_(0, graphs.node_graph, colour)


def scattered(numbers: Int[Tensor, " rows"]) -> Int[Tensor, " rows"]:
    """The numbers spread over all of int64, as in splitmix64, so that sums of different ones hardly ever collide."""
    mixed = (numbers + 1) * GOLDEN
    mixed = (mixed ^ (mixed >> 30)) * FIRST
    mixed = (mixed ^ (mixed >> 27)) * SECOND
    return mixed ^ (mixed >> 31)


def _hashed_rows(values: Tensor) -> Int[Tensor, " rows"]:
    """A number for each row, equal for equal rows: [rows, columns] -> [rows]."""
    if values.is_floating_point():
        values = (values.float() + 0.0).view(torch.int32)  # bits; -0 + 0 is 0
    result = torch.zeros(len(values), dtype=torch.long)
    for column in values.unbind(1):
        result = scattered(result * THIRD + column)
    return result
