"""Hop distances as others compute them: one graph after the other, in Python."""

from typing import NamedTuple

import networkx as nx
import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import to_networkx


class Recipe(NamedTuple):
    """What Graphormer reads of a graph of n nodes; all n^2 pairs, row-major."""

    in_degrees: Int[Tensor, " node"]
    out_degrees: Int[Tensor, " node"]
    spatial_types: Int[Tensor, " pair"]
    """Hops, at most distance - 1; `distance` where there is no path."""
    graph_index: Int[Tensor, "2 pair"]
    """Row and column of each pair, which PyG shifts when it batches, since it is called an index."""
    shortest_path_types: Int[Tensor, "pair distance"] | None = None
    """Types of the edges along one shortest path, from the row on; zeros after its end."""


def pair_index(nodes: int) -> Int[Tensor, "2 pair"]:
    """Row and column of all pairs."""
    return torch.cartesian_prod(torch.arange(nodes), torch.arange(nodes)).view(-1, 2).T.contiguous()


def graphormer_recipe(data: Data, distance: int) -> Recipe:
    """NetworkX's shortest paths between all pairs, then Python loops over them, as GraphGPS prepares a graph.

    Edge features have to be one integer an edge; where there are none, no types along paths are kept.
    """
    graph, nodes = to_networkx(data), data.num_nodes
    in_degrees = torch.tensor([degree for _, degree in graph.in_degree()])
    out_degrees = torch.tensor([degree for _, degree in graph.out_degree()])
    paths = dict(nx.shortest_path(graph))
    spatial_types = torch.full((nodes * nodes,), distance)
    graph_index = torch.empty(2, nodes * nodes, dtype=torch.long)
    path_types = edge_types = None
    if data.edge_attr is not None:
        path_types = torch.zeros(nodes * nodes, distance, dtype=torch.long)
        edge_types = torch.zeros(nodes, nodes, dtype=torch.long)
        edge_types[data.edge_index[0], data.edge_index[1]] = data.edge_attr
    for row in range(nodes):
        for column in range(nodes):
            graph_index[0, row * nodes + column] = row
            graph_index[1, row * nodes + column] = column
    for row, targets in paths.items():
        for column, path in targets.items():
            path, pair = path[:distance], row * nodes + column
            spatial_types[pair] = len(path) - 1
            if path_types is not None and len(path) > 1:
                types = [edge_types[path[hop], path[hop + 1]] for hop in range(len(path) - 1)]
                path_types[pair, : len(path) - 1] = torch.tensor(types)
    return Recipe(in_degrees, out_degrees, spatial_types, graph_index, path_types)


def scipy_distances(data: Data) -> Float[np.ndarray, "node node"]:
    """scipy's breadth-first search, called for one graph; infinite where there is no path."""
    source, target = data.edge_index.numpy()
    size = (data.num_nodes, data.num_nodes)
    return shortest_path(csr_array((np.ones(len(source)), (source, target)), size), unweighted=True)
