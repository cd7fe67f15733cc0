"""PyG's in-memory data sets are already flat: their tensors are used directly."""

import torch
from torch_geometric.data import InMemoryDataset

from gnn_distill.data.packed import PackedGraphs, pointers
from gnn_distill.errors import UserError


def pack_dataset(dataset: InMemoryDataset, num_targets: int) -> PackedGraphs:
    """The graphs of a freshly read PyG data set, without a loop over them.

    Missing node features become x [N, 0]; y is [G, num_targets].
    """
    data, slices = dataset._data, dataset.slices
    node_ptr = slices["x"].long() if "x" in slices else pointers(torch.tensor(data._num_nodes))
    edge_ptr = slices["edge_index"].long()
    if len(edge_ptr) < len(node_ptr):  # PyG's reader of text files stops at the last graph that has edges
        edge_ptr = torch.cat([edge_ptr, edge_ptr[-1].repeat(len(node_ptr) - len(edge_ptr))])
    if data.y.numel() != (len(node_ptr) - 1) * num_targets:
        raise UserError(
            f"{dataset.raw_dir}: {len(node_ptr) - 1} graphs and {data.y.numel()} labels: the files do not match "
            "each other. Restore them."
        )
    x = data.x if data.x is not None else torch.empty(int(node_ptr[-1]), 0)
    edge_attr = data.edge_attr
    return PackedGraphs(
        x=x.unsqueeze(-1) if x.dim() == 1 else x,
        edge_index=data.edge_index.contiguous(),
        edge_attr=edge_attr.unsqueeze(-1) if edge_attr is not None and edge_attr.dim() == 1 else edge_attr,
        y=data.y.float().reshape(len(node_ptr) - 1, num_targets),
        node_ptr=node_ptr,
        edge_ptr=edge_ptr,
    )
