"""Graphs as bags: what is left of a graph when nobody looks at which node is joined to which."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import Features

MOST_DEGREE = 15
"""Nodes with more neighbours are counted together."""


def bags(graphs: PackedGraphs, features: Features) -> Float[np.ndarray, "graphs columns"]:
    """Of every graph: its nodes and edges, the nodes of every degree, and what its nodes are.

    Of a categorical column the number of nodes of every category; of continuous columns mean and standard deviation.
    """
    degree = torch.bincount(graphs.global_edge_index[1], minlength=len(graphs.x)).clamp(max=MOST_DEGREE)
    parts = [
        torch.stack([graphs.num_nodes, graphs.num_edges], dim=1).double(),
        _counts(graphs, degree, MOST_DEGREE + 1),
    ]
    if features.kind == "categorical":
        parts += [_counts(graphs, column, size) for column, size in zip(graphs.x.T, features.sizes, strict=True)]
    else:
        parts += _moments(graphs, graphs.x.double())
    return torch.cat(parts, dim=1).numpy()


def _counts(graphs: PackedGraphs, codes: Int[Tensor, " nodes"], size: int) -> Float[Tensor, "graphs size"]:
    places = graphs.node_graph * size + codes
    return torch.bincount(places, minlength=len(graphs) * size).reshape(len(graphs), size).double()


def _moments(graphs: PackedGraphs, x: Float[Tensor, "nodes columns"]) -> list[Float[Tensor, "graphs columns"]]:
    sizes, owner = graphs.num_nodes.clamp(min=1)[:, None], graphs.node_graph

    def mean(values: Tensor) -> Tensor:
        return values.new_zeros(len(graphs), values.size(1)).index_add_(0, owner, values) / sizes

    center = mean(x)
    return [center, mean((x - center[owner]).square()).sqrt()]
