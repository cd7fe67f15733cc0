"""Patches: parts of each graph that serve a student as tokens, and the graph that they form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int, Int32
from scipy.sparse import csr_array, eye_array
from torch import Tensor

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.encodings.distances import hop_distances
from gnn_distill.data.encodings.random_walks import random_walk_encoding
from gnn_distill.data.encodings.structural import StructuralEncodings, compute_encodings
from gnn_distill.data.packed import PackedGraphs, gather_ranges, pointers
from gnn_distill.data.subgraphs.bisection import bisected
from gnn_distill.data.subgraphs.node_sets import communities, joined_adjacency
from gnn_distill.data.subgraphs.patching import Patching
from gnn_distill.data.subgraphs.subgraphs import partition

SEED = 0
"""Of Louvain's order of nodes: all runs have the same patches."""


@dataclass
class PatchBatch:
    """The patches of a batch: a node is a member of each that contains it."""

    members: Int[Tensor, " members"]
    """The node, a row of `x`, of every member, patch by patch."""
    patch: Int[Tensor, " members"]
    """The patch of every member."""
    sizes: Int[Tensor, " patches"]
    """Number of members of every patch."""
    edge_index: Int[Tensor, "2 inside"]
    """Edges between members of one patch: all that the graph has between its nodes."""
    edges: Int[Tensor, " inside"]
    """The edge of the batch, a row of `edge_attr`, that each of these is."""
    graph: GraphBatch
    """Each graph's graph of patches, with their hop distances and random walks: nodes are patches."""

    def means(self, members: Float[Tensor, "members channel"]) -> Float[Tensor, "patches channel"]:
        """Mean over the members of each patch; none is empty."""
        total = members.new_zeros(len(self.graph.batch), members.size(1)).index_add(0, self.patch, members)
        return total / self.sizes.unsqueeze(1)


@dataclass
class Patches:
    """The patches of all graphs of a data set, end to end."""

    members: Int32[Tensor, " members"]
    """Ids of nodes, local to their graph, ascending within a patch."""
    member_ptr: Int[Tensor, " patches+1"]
    """Patch p has the members member_ptr[p]:member_ptr[p+1]."""
    edges: Int32[Tensor, " inside"]
    """Ids of edges whose ends are members of one patch, local to their graph."""
    ends: Int32[Tensor, "2 inside"]
    """These members, counted from the first of their graph."""
    inside_ptr: Int[Tensor, " graphs+1"]
    """Graph g owns edges inside_ptr[g]:inside_ptr[g+1] of `edges`."""
    coarse: PackedGraphs
    """The graphs of patches: an edge for every edge of the graph, between the parts of its ends before they grew."""
    spd: Tensor
    """Hop distances between the patches of a graph, as in StructuralEncodings."""
    walks: Float[Tensor, "patches steps"]
    """Return probabilities of random walks between patches, as in StructuralEncodings."""

    def to_tensors(self) -> dict[str, Tensor]:
        """All fields by name; of the graphs of patches those that are not empty."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        coarse = self.coarse
        return tensors | {"node_ptr": coarse.node_ptr, "edge_ptr": coarse.edge_ptr, "edge_index": coarse.edge_index}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> Patches:
        """The inverse of `to_tensors`."""
        names = ("edge_index", "node_ptr", "edge_ptr")
        rest = {name: value for name, value in tensors.items() if name not in names}
        return cls(coarse=_coarse(*(tensors[name] for name in names)), **rest)

    def of(self, batch: GraphBatch) -> PatchBatch:
        """The patches of a batch's graphs, in their order."""
        ids, ptr = batch.graph_ids, self.coarse.node_ptr
        patches = gather_ranges(ptr, ids)
        sizes = self.member_ptr[patches + 1] - self.member_ptr[patches]
        counts = self.member_ptr[ptr[ids + 1]] - self.member_ptr[ptr[ids]]
        inside = gather_ranges(self.inside_ptr, ids)
        owner = torch.repeat_interleave(self.inside_ptr[ids + 1] - self.inside_ptr[ids])
        first_edge = pointers(torch.bincount(batch.batch[batch.edge_index[0]], minlength=len(ids)))[:-1]
        encodings = StructuralEncodings(spd=self.spd, pair_ptr=pointers(self.coarse.num_nodes**2), rwse=self.walks)
        members = self.members[gather_ranges(self.member_ptr, patches)].long()
        return PatchBatch(
            members=members + torch.repeat_interleave(batch.ptr[:-1], counts),
            patch=torch.repeat_interleave(sizes),
            sizes=sizes,
            edge_index=self.ends[:, inside].long() + pointers(counts)[:-1][owner],
            edges=self.edges[inside].long() + first_edge[owner],
            graph=collate(self.coarse, encodings, ids),
        )


def compute_inputs(graphs: PackedGraphs, encoding: EncodingConfig, patching: Patching | None) -> StructuralEncodings:
    """What a model reads beside the graphs: structural encodings, and patches."""
    encodings = compute_encodings(graphs, encoding)
    return encodings if patching is None else replace(encodings, patches=compute_patches(graphs, patching))


def compute_patches(
    graphs: PackedGraphs, patching: Patching, advance: Callable[[int], None] = lambda count: None
) -> Patches:
    """The patches of every graph, after Graph ViT (He et al. 2023): disjoint parts that grow by some hops, and overlap.

    Parts: Louvain communities, BRICS fragments of molecules, or `number` parts by recursive bisection. Directions of
    edges do not matter but for distances and walks between parts. A graph's patches depend on that graph alone; of
    louvain and bisection on the order of its nodes, too, where the algorithm has to choose. `advance` is called with
    the number of graphs cut.
    Raises UserError if fragments are requested for graphs that are not molecules.
    """
    if patching.source == "brics":
        from gnn_distill.data.subgraphs.fragments import brics_fragments, check_molecules  # RDKit is slow to import

        check_molecules(patching.spec, "student.patches=brics", "louvain or bisection")
        label = brics_fragments(graphs, patching.spec, advance)
    elif patching.source == "louvain":
        label = communities(graphs, SEED, advance)
    else:
        label = bisected(graphs, patching.number, advance)
    return patches_of(graphs, label, patching.hops, patching.walk)


def patches_of(graphs: PackedGraphs, label: Int[Tensor, " nodes"], hops: int, walk: int) -> Patches:
    """The patches that grow by `hops` from the nodes of one graph with the same label."""
    parts = partition(graphs, label)
    nodes = parts.members.long() + torch.repeat_interleave(graphs.node_ptr[:-1], graphs.num_nodes)
    sizes = parts.member_ptr.diff()
    part = torch.empty_like(nodes).index_copy(0, nodes, torch.repeat_interleave(sizes, output_size=len(nodes)))
    owner = torch.repeat_interleave(parts.subgraph_ptr.diff())
    members, member_ptr = grown(graphs, part, len(sizes), hops)
    edges, ends = edges_inside(graphs, members, member_ptr)
    coarse = _coarse(
        part[graphs.global_edge_index] - torch.repeat_interleave(parts.subgraph_ptr[:-1], graphs.num_edges),
        parts.subgraph_ptr,
        graphs.edge_ptr,
    )
    graph_of_member = torch.repeat_interleave(owner, member_ptr.diff())
    graph_of_edge = graph_of_member[ends[0]]
    first_member = member_ptr[parts.subgraph_ptr[:-1]]
    return Patches(
        members=(members - graphs.node_ptr[graph_of_member]).int(),
        member_ptr=member_ptr,
        edges=(edges - graphs.edge_ptr[graph_of_edge]).int(),
        ends=(ends - first_member[graph_of_edge]).int(),
        inside_ptr=pointers(torch.bincount(graph_of_edge, minlength=len(graphs))),
        coarse=coarse,
        spd=hop_distances(coarse, pointers(coarse.num_nodes**2)),
        walks=random_walk_encoding(coarse, walk) if walk else torch.zeros(len(sizes), 0),
    )


def grown(
    graphs: PackedGraphs, part: Int[Tensor, " nodes"], parts: int, hops: int
) -> tuple[Int[Tensor, " members"], Int[Tensor, " patches+1"]]:
    """The nodes at most `hops` from each part, ascending, and the pointers to each; `part` of every node, from 0."""
    size = len(part)
    reached = csr_array((np.ones(size, dtype=bool), (part.numpy(), np.arange(size))), shape=(parts, size))
    step = csr_array(joined_adjacency(graphs) + eye_array(size, dtype=bool, format="csr"))
    for _ in range(hops):
        larger = reached @ step
        if larger.nnz == reached.nnz:
            break
        reached = larger
    reached.sort_indices()
    return torch.from_numpy(reached.indices.astype(np.int64)), torch.from_numpy(reached.indptr.astype(np.int64))


def edges_inside(
    graphs: PackedGraphs, members: Int[Tensor, " members"], member_ptr: Int[Tensor, " patches+1"]
) -> tuple[Int[Tensor, " inside"], Int[Tensor, "2 inside"]]:
    """The edges between two members of a patch, patch by patch: which edge it is, and the members."""
    size, (source, target) = graphs.x.size(0), graphs.global_edge_index
    by_source = source.argsort(stable=True)
    leaving = pointers(torch.bincount(source, minlength=size))
    degree = leaving.diff()[members]
    edge = by_source[gather_ranges(leaving, members)]
    start = torch.repeat_interleave(degree, output_size=len(edge))
    # A member's number among all pairs (patch, node), which ascends.
    patch = torch.repeat_interleave(member_ptr.diff(), output_size=len(members))
    code = patch * size + members
    wanted = patch[start] * size + target[edge]
    end = torch.searchsorted(code, wanted).clamp(max=len(code) - 1)
    kept = code[end] == wanted
    return edge[kept], torch.stack([start[kept], end[kept]])


def _coarse(edge_index: Tensor, node_ptr: Tensor, edge_ptr: Tensor) -> PackedGraphs:
    """Graphs without features and labels."""
    x, y = torch.zeros(int(node_ptr[-1]), 0), torch.zeros(len(node_ptr) - 1, 0)
    return PackedGraphs(x, edge_index, None, y, node_ptr, edge_ptr)
