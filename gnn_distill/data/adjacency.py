"""Sums over neighbours as sparse matrices."""

import warnings

import torch
from jaxtyping import Float, Int
from torch import Tensor


def adjacency(
    kind: str, edge_index: Int[Tensor, "2 edges"], nodes: int, degree: Int[Tensor, " nodes"] | None = None
) -> Float[Tensor, "node node"]:
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
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        made = torch.sparse_coo_tensor(index, weight.float(), (nodes, nodes), check_invariants=False)
        return made.coalesce().to_sparse_csr()
