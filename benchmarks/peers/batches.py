"""Our graphs as PyG's loader wants them: one `Data` each."""

from collections.abc import Callable

import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch_geometric.data import Data

from benchmarks.peers.preprocessing import Recipe, graphormer_recipe, pair_index
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.encodings.distances import UNREACHABLE
from gnn_distill.data.encodings.structural import compute_encodings
from gnn_distill.data.packed import PackedGraphs


def to_data(graphs: PackedGraphs, graph: int) -> Data:
    """Graph number `graph` with x [n, columns], edge_index, edge_attr [e] (its first column) and y [1, targets]."""
    nodes = slice(int(graphs.node_ptr[graph]), int(graphs.node_ptr[graph + 1]))
    edges = slice(int(graphs.edge_ptr[graph]), int(graphs.edge_ptr[graph + 1]))
    edge_attr = None if graphs.edge_attr is None else graphs.edge_attr[edges, 0].clone()
    # Clones: a view would keep, and a saved file hold, the whole data set.
    return Data(
        x=graphs.x[nodes].clone(),
        edge_index=graphs.edge_index[:, edges].clone(),
        edge_attr=edge_attr,
        y=graphs.y[graph : graph + 1].clone(),
    )


def plain_data(graphs: PackedGraphs, ids: Int[Tensor, " chosen"], walk_steps: int = 0) -> list[Data]:
    """The graphs `ids`, with random-walk encodings `pe` [n, walk_steps] if there are to be any."""
    chosen = graphs.select(ids)
    data_list = [to_data(chosen, graph) for graph in range(len(ids))]
    if walk_steps:
        walks = compute_encodings(chosen, EncodingConfig(rwse=walk_steps)).rwse
        for data, pe in zip(data_list, walks.split(chosen.num_nodes.tolist()), strict=True):
            data.pe = pe.clone()
    return data_list


def data_with_paths(graphs: PackedGraphs, ids: Int[Tensor, " chosen"], distance: int, hops: int) -> list[Data]:
    """The graphs `ids`, preprocessed by the recipe itself; of the types along a path only the first `hops` are kept."""
    data_list = _finished(graphs, ids, lambda data, graph: graphormer_recipe(data, distance))
    for data in data_list:
        data.shortest_path_types = data.shortest_path_types[:, :hops].clone()
    return data_list


def data_with_distances(graphs: PackedGraphs, ids: Int[Tensor, " chosen"], distance: int) -> list[Data]:
    """What the recipe gives without edge features, from our own hop distances: large graphs would take it minutes."""
    chosen = graphs.select(ids)
    encodings = compute_encodings(chosen, EncodingConfig(degree=True, spd=True))
    degrees = [degree.long().split(chosen.num_nodes.tolist()) for degree in (encodings.in_degree, encodings.out_degree)]

    def finish(data: Data, graph: int) -> Recipe:
        pairs = encodings.spd[encodings.pair_ptr[graph] : encodings.pair_ptr[graph + 1]]
        return Recipe(*(d[graph].clone() for d in degrees), spatial_types(pairs, distance), pair_index(data.num_nodes))

    return _finished(graphs, ids, finish)


def spatial_types(spd: UInt8[Tensor, " pairs"], distance: int) -> Int[Tensor, " pairs"]:
    """Hop distances up to distance - 1, at which they are capped; `distance` where there is no path."""
    return spd.long().clamp(max=distance - 1).masked_fill_(spd == UNREACHABLE, distance)


def _finished(graphs: PackedGraphs, ids: Tensor, finish: Callable[[Data, int], Recipe]) -> list[Data]:
    data_list = plain_data(graphs, ids)
    for graph, data in enumerate(data_list):
        for name, value in finish(data, graph)._asdict().items():
            if value is not None:
                data[name] = value
    return data_list


def loss_of(kind: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The usual loss: absolute error, or cross-entropy of two classes or of several labels."""
    return torch.nn.L1Loss() if kind == "regression" else torch.nn.BCEWithLogitsLoss()
