"""Sums over neighbours as sparse matrices."""

import torch
from jaxtyping import Int
from torch import Tensor

from gnn_distill.data.sparse_matrix import SparseMatrix


def adjacency(
    kind: str, edge_index: Int[Tensor, "2 edges"], nodes: int, degree: Int[Tensor, " nodes"] | None = None
) -> SparseMatrix:
    """`GraphBatch.adjacency` of a graph; degree: of a part of one, as `GraphBatch.degree`."""
    source, target = edge_index
    between = source != target
    kept = torch.bincount(target[between], minlength=nodes)
    degree = kept if degree is None else degree
    if kind == "mean":
        weight = 1 / torch.bincount(target, minlength=nodes)[target]
    else:
        weight = torch.where(between, (degree / kept.clamp(min=1))[target], 1.0)
    if kind == "gcn":
        loops, root = torch.arange(nodes, device=source.device), (degree + 1.0).rsqrt()
        source, target = (torch.cat([ends[between], loops]) for ends in (source, target))
        weight = torch.cat([weight[between], torch.ones_like(root)]) * root[source] * root[target]
    index = torch.stack([target, source])
    made = torch.sparse_coo_tensor(index, weight.float(), (nodes, nodes), check_invariants=False).coalesce()
    return SparseMatrix.of(*made.indices(), made.values(), (nodes, nodes))
