"""One shortest path between any two nodes of each graph, as one node a pair."""

from collections.abc import Callable

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from gnn_distill.data.dense import equal_size_groups
from gnn_distill.data.packed import PackedGraphs, gather_ranges


def predecessors(
    graphs: PackedGraphs,
    pair_ptr: Int[Tensor, " graphs+1"],
    spd: UInt8[Tensor, " pairs"],
    advance: Callable[[int], None] = lambda count: None,
) -> Int[Tensor, " pairs"]:
    """The node before the column on a shortest path from the row, row-major per graph, ids local to the graph.

    Of several nodes it is the smallest, so that p(s, t) = min {u : edge u → t, d(s, u) + 1 = d(s, t)}, and walking
    back from t gives the path. It is t itself where there is no such node: on the diagonal, where t cannot be reached
    from s, and where it is more than 254 hops away. `spd` holds the hop distances; `advance` hears of the number of
    nodes that have been done. Type: uint8, or int16 or int32 where a graph has more nodes than these can number.
    """
    largest = int(graphs.num_nodes.max()) if len(graphs) else 0
    dtype = torch.uint8 if largest <= 256 else torch.int16 if largest <= 2**15 else torch.int32
    flat = torch.empty(len(spd), dtype=dtype)
    for ids in equal_size_groups(graphs.num_nodes):
        size = int(graphs.num_nodes[ids[0]])
        pairs = gather_ranges(pair_ptr, ids)
        # One row for every target, of all graphs of the group together: [group * size, sources].
        distances = spd[pairs].view(-1, size, size).mT.reshape(-1, size).short()
        before = torch.arange(size, dtype=dtype).repeat(len(ids))[:, None].repeat(1, size)
        for source, target in _in_turns(graphs, ids, size):
            on_path = distances[source] + 1 == distances[target]
            before[target] = torch.where(on_path, (source % size).to(dtype)[:, None], before[target])
        flat[pairs] = before.view(-1, size, size).mT.reshape(-1)
        advance(size * len(ids))
    return flat


def _in_turns(graphs: PackedGraphs, ids: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """The edges of graphs of one size, between rows of the group; no turn has two edges to one target.

    Those with the smallest source come last.
    """
    edges = gather_ranges(graphs.edge_ptr, ids)
    group = torch.repeat_interleave(graphs.num_edges[ids], output_size=len(edges))
    source, target = graphs.edge_index[:, edges] + size * group
    rows = size * len(ids)
    distinct = torch.unique(target * rows + source)  # sorted by target, then by source
    source, target = distinct % rows, distinct // rows
    counts = torch.bincount(target, minlength=rows)
    turn = torch.arange(len(target)) - (counts.cumsum(0) - counts)[target]
    order = turn.sort(descending=True, stable=True).indices
    lengths = turn.bincount().flip(0).tolist()
    return list(zip(source[order].split(lengths), target[order].split(lengths), strict=True))
