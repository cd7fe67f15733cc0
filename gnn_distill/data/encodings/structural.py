"""Structural encodings of graphs for Transformers, computed once per data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.encodings.distances import hop_distances
from gnn_distill.data.encodings.random_walks import random_walk_encoding
from gnn_distill.data.encodings.shortest_paths import predecessors
from gnn_distill.data.encodings.spectra import laplacian_eigenvectors
from gnn_distill.data.packed import PackedGraphs, pointers

if TYPE_CHECKING:
    from gnn_distill.data.subgraphs.patches import Patches


@dataclass
class StructuralEncodings:
    """Encodings of all nodes and node pairs of packed graphs; those that were not requested are None."""

    in_degree: Int[Tensor, " nodes"] | None = None
    out_degree: Int[Tensor, " nodes"] | None = None
    spd: UInt8[Tensor, " pairs"] | None = None
    """Hop distances from row to column, row-major per graph; at most 254, 255: unreachable."""
    predecessors: Int[Tensor, " pairs"] | None = None
    """The node before the column on a shortest path from the row; the column itself if there is none."""
    pair_ptr: Int[Tensor, " graphs+1"] | None = None
    """Graph g owns pairs pair_ptr[g]:pair_ptr[g+1] of `spd` and `predecessors`."""
    rwse: Float[Tensor, "nodes steps"] | None = None
    lap_pe: Float[Tensor, "nodes vectors"] | None = None
    hops: Float[Tensor, "nodes hops features+1"] | None = None
    """As in `GraphBatch`; stored apart from encodings, as a memory map."""
    patches: Patches | None = None
    """Parts of the graphs; stored apart from encodings, which do not depend on them."""

    def to_tensors(self) -> dict[str, Tensor]:
        """All fields that are not None, but for the patches, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> StructuralEncodings:
        """The inverse of `to_tensors`."""
        return cls(**tensors)


def compute_encodings(
    graphs: PackedGraphs,
    encoding: EncodingConfig,
    progress: Callable[[int, int], None] | None = None,
) -> StructuralEncodings:
    """The requested encodings; shortest paths and their lengths only if there are edge features to read along them.

    `progress(done, total)` is called from time to time, counting each node once per costly encoding.
    """
    paths = encoding.edge_hops > 0 and graphs.edge_attr is not None
    total = graphs.x.size(0) * ((encoding.spd or paths) + paths + (encoding.rwse > 0) + (encoding.lap_pe > 0))
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, total)

    result = StructuralEncodings()
    if encoding.degree:
        source, target = graphs.global_edge_index
        result.in_degree = torch.bincount(target, minlength=graphs.x.size(0)).int()
        result.out_degree = torch.bincount(source, minlength=graphs.x.size(0)).int()
    if encoding.spd or paths:
        result.pair_ptr = pointers(graphs.num_nodes**2)
        result.spd = hop_distances(graphs, result.pair_ptr, advance)
    if paths:
        result.predecessors = predecessors(graphs, result.pair_ptr, result.spd, advance)
    if encoding.rwse:
        result.rwse = random_walk_encoding(graphs, encoding.rwse, advance)
    if encoding.lap_pe:
        result.lap_pe = laplacian_eigenvectors(graphs, encoding.lap_pe, advance)
    return result
