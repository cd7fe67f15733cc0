"""A sample of nodes of large graphs with their mutual hop distances, since those of all pairs would be n²."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int, UInt8
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.encodings.distances import MAX_DISTANCE, UNREACHABLE
from gnn_distill.data.packed import PackedGraphs


@dataclass
class Anchors:
    """A sample of nodes, and their mutual hop distances."""

    rows: Int[Tensor, " anchors"]
    """Their rows in the packed graphs, ascending."""
    spd: UInt8[Tensor, "anchors anchors"]
    """Hop distances from row to column, as in StructuralEncodings."""

    def of(self, batch: GraphBatch) -> tuple[Int[Tensor, " here"], UInt8[Tensor, "here here"]]:
        """The rows of `batch.outputs` that are anchors, and the distances between these."""
        nodes, order = batch.wanted(batch.node_rows).cpu().sort()
        place = torch.searchsorted(nodes, self.rows).clamp(max=len(nodes) - 1)
        here = nodes[place] == self.rows
        device = batch.ptr.device
        return order[place[here]].to(device), self.spd[here][:, here].to(device)


def sample_anchors(graphs: PackedGraphs, among: Int[Tensor, " rows"], count: int = 256, seed: int = 0) -> Anchors:
    """`count` of the nodes `among` (rows of the packed graphs), drawn at random, or all of them if there are fewer.

    Distances follow the direction of edges, as in `hop_distances`; nodes of different graphs do not reach each
    other. It searches from every anchor, so it is done only once.
    """
    random = np.random.default_rng(seed)
    rows = among[torch.from_numpy(random.permutation(len(among))[:count])].sort().values
    size = graphs.x.size(0)
    edges = tuple(graphs.global_edge_index.numpy())
    adjacency = csr_array((np.ones(len(edges[0]), dtype=np.float32), edges), shape=(size, size))
    hops = dijkstra(adjacency, unweighted=True, indices=rows.numpy())[:, rows.numpy()]
    hops = np.where(np.isinf(hops), UNREACHABLE, hops.clip(max=MAX_DISTANCE))
    return Anchors(rows, torch.from_numpy(hops.astype(np.uint8)))
