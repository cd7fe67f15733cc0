"""The edges of graphs as compressed rows: for every node the nodes whose messages it receives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int

from gnn_distill.data.packed import PackedGraphs, pointers

ROWS = 1 << 16
"""Nodes whose edges are looked at at once."""


@dataclass(frozen=True, eq=False)
class InEdges:
    """The edges into node i come from source[ptr[i]:ptr[i+1]]; both arrays may be memory maps."""

    ptr: Int[np.ndarray, " nodes+1"]
    source: Int[np.ndarray, " edges"]
    edge: Int[np.ndarray, " edges"] | None = None
    """The column of each edge in `edge_index`; None: they are stored in this order."""

    @classmethod
    def of(cls, graphs: PackedGraphs) -> InEdges:
        """Those of packed graphs, between rows of their `x`; of a graph on disk as they are stored there."""
        if isinstance(graphs, MappedGraph):
            return graphs.in_edges
        source, target = graphs.global_edge_index
        order = target.argsort(stable=True)
        ptr = pointers(torch.bincount(target, minlength=len(graphs.x)))
        return cls(ptr.numpy(), source[order].to(index_type(len(graphs.x))).numpy(), order.numpy())

    def __len__(self) -> int:
        return len(self.ptr) - 1

    @cached_property
    def degree(self) -> Int[np.ndarray, " nodes"]:
        """Number of edges into every node, loops left out; parallel edges count."""
        degree = np.diff(self.ptr).astype(np.int32)
        for low in range(0, len(self), ROWS):
            ptr = self.ptr[low : low + ROWS + 1]
            target = np.repeat(np.arange(low, low + len(ptr) - 1), np.diff(ptr))
            loops = target[self.source[ptr[0] : ptr[-1]] == target]
            degree[low : low + len(ptr) - 1] -= np.bincount(loops - low, minlength=len(ptr) - 1).astype(np.int32)
        return degree


class MappedGraph(PackedGraphs):
    """One graph of which nothing but labels need be in memory: features and edges are memory maps.

    in_edges: ascending within a node, without parallel edges; kinds: of `edge_kinds`, that occur among them.
    """

    def __init__(self, x: torch.Tensor, y: torch.Tensor, in_edges: InEdges, kinds: list[str]) -> None:
        self.x, self.y, self.in_edges, self.kinds = x, y, in_edges, kinds
        self.edge_attr, self.level = None, "node"
        self.node_ptr, self.edge_ptr = (torch.tensor([0, len(part)]) for part in (x, in_edges.source))

    @cached_property
    def edge_index(self) -> Int[torch.Tensor, "2 edges"]:
        """As in PyG, 16 bytes an edge in memory: made when something first reads whole graphs."""
        target = np.repeat(np.arange(len(self.in_edges)), np.diff(self.in_edges.ptr))
        return torch.from_numpy(np.stack([self.in_edges.source.astype(np.int64), target]))

    def tensors(self) -> dict[str, torch.Tensor]:
        """Everything that determines the graph, by name."""
        maps = {"in_ptr": self.in_edges.ptr, "in_source": self.in_edges.source}
        return {"x": self.x, "y": self.y, **{name: torch.from_numpy(values) for name, values in maps.items()}}


def index_type(nodes: int) -> torch.dtype:
    """The smaller of two integer types that holds the numbers of so many nodes."""
    return torch.int32 if nodes <= torch.iinfo(torch.int32).max else torch.int64
