"""One pipeline prepares many packed graphs as PyG's functions prepare each of them."""

import networkx as nx
import pytest
import torch
from small_tasks import ODD
from torch_geometric.data import Data
from torch_geometric.utils import coalesce, remove_self_loops, to_undirected

from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.errors import UserError

NETWORKS = (*ODD, nx.gnp_random_graph(7, 0.4, seed=1, directed=True), nx.empty_graph(2))


def raw_graphs() -> list[Data]:
    """Directed graphs with loops and parallel edges, in no order; the last has no edges."""
    random = torch.Generator().manual_seed(0)
    graphs = []
    for network in NETWORKS:
        size = network.number_of_nodes()
        edges = torch.tensor([*network.edges, *list(network.edges)[:2], *[(0, 0)] * (size > 2)], dtype=torch.long)
        edges = edges.reshape(-1, 2).T
        edges = edges[:, torch.randperm(edges.size(1), generator=random)]
        x, attributes = torch.rand(size, 3, generator=random), torch.rand(edges.size(1), 2, generator=random)
        graphs.append(Data(x, edges, attributes))
    return graphs


def theirs(data: Data, pipeline: InputPipeline) -> tuple[torch.Tensor, torch.Tensor]:
    edges = (data.edge_index, data.edge_attr)
    if pipeline.drop_loops:
        edges = remove_self_loops(*edges)
    if pipeline.merge_edges or pipeline.undirected:
        clean = to_undirected if pipeline.undirected else coalesce
        edges = clean(*edges, num_nodes=data.num_nodes, reduce="mean")
    return edges


@pytest.mark.parametrize("undirected", [False, True])
@pytest.mark.parametrize("merge_edges", [False, True])
@pytest.mark.parametrize("drop_loops", [False, True])
def test_edges_are_those_of_pyg(drop_loops: bool, merge_edges: bool, undirected: bool) -> None:
    pipeline = InputPipeline(drop_loops=drop_loops, merge_edges=merge_edges, undirected=undirected)
    prepared = pipeline.apply(PackedGraphs.from_data_list(raw_graphs(), num_targets=1))
    for graph, data in enumerate(raw_graphs()):
        one, (edge_index, edge_attr) = prepared.select(torch.tensor([graph])), theirs(data, pipeline)
        assert torch.equal(one.edge_index, edge_index)
        assert torch.allclose(one.edge_attr, edge_attr)
    again = pipeline.apply(prepared)
    assert torch.equal(again.edge_index, prepared.edge_index)
    assert torch.equal(again.edge_ptr, prepared.edge_ptr)


def test_features_are_normalised_and_degrees_counted_after_edges_are_clean() -> None:
    graphs = PackedGraphs.from_data_list(raw_graphs(), num_targets=1)
    shares = InputPipeline(normalize_features=True).apply(graphs)
    assert torch.allclose(shares.x.sum(dim=1), torch.ones(len(shares.x)))
    pipeline = InputPipeline(drop_loops=True, undirected=True, max_degree=2)
    degrees = torch.cat(
        [torch.bincount(theirs(data, pipeline)[0][1], minlength=data.num_nodes).clamp(max=2) for data in raw_graphs()]
    )
    assert torch.equal(pipeline.apply(graphs).x, degrees[:, None])


def test_edges_that_leave_their_graph_are_refused() -> None:
    data = [Data(torch.zeros(2, 1), torch.tensor([[0], [1]])), Data(torch.zeros(2, 1), torch.tensor([[0], [2]]))]
    graphs = PackedGraphs.from_data_list(data, num_targets=1)
    with pytest.raises(UserError, match=r"1 of 2 graphs \(ids 1\) have edges to nodes outside the graph"):
        InputPipeline(undirected=True).apply(graphs)


def test_a_pipeline_survives_json_and_has_types() -> None:
    pipeline = InputPipeline("ogb", "cip", "neutral", True, True, True, True, True, 7, {"graph_labels": 0}, "somebody")
    assert InputPipeline.from_dict(pipeline.to_dict()) == pipeline
    assert InputPipeline.from_dict({}) == InputPipeline()
    for wrong in ({"smiles": 1}, {"undirected": "yes"}, {"max_degree": 2.5}, {"nothing": 1}):
        with pytest.raises(TypeError):
            InputPipeline.from_dict(wrong)
    with pytest.raises(ValueError, match="choose pyg, ogb"):
        InputPipeline(smiles="morse")
    with pytest.raises(ValueError, match="choose tags, cip"):
        InputPipeline(smiles="pyg", chirality="mirror")
