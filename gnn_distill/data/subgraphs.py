"""Subgraphs of a batch as row-stochastic operators on its nodes."""

import torch
from jaxtyping import Float
from torch import Tensor

from gnn_distill.data.batching import StructureBatch


def ego_subgraphs(batch: StructureBatch, radius: int) -> Float[Tensor, "nodes nodes"]:
    """Means over ego networks: P[i, j] = 1 / |S_k(i)| for j in {j: d(i, j) <= k} = S_k(i), k = radius >= 1.

    Distances ignore the direction of edges. Returns a coalesced sparse COO tensor [N, N]: `P @ h` gives the
    mean of h over the ego network of every node.
    """
    shape = (batch.num_graphs, batch.max_nodes, batch.max_nodes)
    edges = torch.zeros(shape, device=batch.ptr.device)
    edges.view(-1)[batch.edge_dense_index] = 1.0
    ball = neighbours = torch.maximum(edges, edges.mT).maximum(torch.diag_embed(batch.mask.float()))
    for _ in range(radius - 1):
        ball = (ball @ neighbours > 0).float()
    graph, centre, member = ball.nonzero(as_tuple=True)
    rows, columns = batch.ptr[graph] + centre, batch.ptr[graph] + member
    values = 1.0 / ball.sum(-1)[graph, centre]
    num_nodes = batch.batch.numel()
    # nonzero() reads the padded form row by row, which is the order of a coalesced tensor.
    return torch.sparse_coo_tensor(
        torch.stack([rows, columns]), values, (num_nodes, num_nodes), is_coalesced=True, check_invariants=False
    )
