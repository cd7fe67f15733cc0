"""Edges along shortest paths against plain loops."""

from collections.abc import Callable
from dataclasses import replace

import networkx as nx
import pytest
import torch
from small_biases import HEADS, make_bias
from small_tasks import NETWORKS, awaken, encode, make_graphs, make_spec
from torch import Tensor
from torch.nn import functional as F

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.batching import collate
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.models.layers.encoders import PathEncoder
from gnn_distill.models.layers.path_sums import FEW_ROWS, FlatSteps, PathSteps, flat_sums, sums_along

PATHS = EncodingConfig(edge_hops=3, bias_scale=1.0, bias_gain=4.0)
CROSSED = nx.gnp_random_graph(9, 0.2, seed=4, directed=True)  # directed, with pairs far apart and out of reach
CROSSED.add_edges_from([(3, 3), (0, 1), (1, 0)])


def with_parallel_edges() -> PackedGraphs:
    """The small graphs and a directed one; every edge comes twice, with other features."""
    graphs = make_graphs(make_spec(edges="categorical"), (*NETWORKS, CROSSED))
    edges = [torch.arange(*graphs.edge_ptr[g : g + 2]).repeat(2) for g in range(len(graphs))]
    attributes = torch.cat([graphs.edge_attr[part] for part in edges])
    return replace(
        graphs,
        edge_index=graphs.edge_index[:, torch.cat(edges)],
        edge_attr=(attributes + torch.arange(len(attributes))[:, None]) % torch.tensor([4, 2]),
        edge_ptr=2 * graphs.edge_ptr,
    )


def slow_paths(graphs: PackedGraphs, number: int, hops: int, value: Callable[[Tensor, int], Tensor]) -> Tensor:
    """[query, key, head] of one graph: `value(x, n)` of every edge, averaged along the path from key to query."""
    edges = slice(graphs.edge_ptr[number], graphs.edge_ptr[number + 1])
    features: dict[tuple[int, int], Tensor] = {}
    for ends, x in zip(graphs.edge_index[:, edges].T.tolist(), graphs.edge_attr[edges], strict=True):
        features.setdefault(tuple(ends), x)  # the first of parallel ones
    nodes = int(graphs.num_nodes[number])
    network = nx.DiGraph(features.keys())
    network.add_nodes_from(range(nodes))
    out = torch.zeros(nodes, nodes, HEADS)
    distance = dict(nx.all_pairs_shortest_path_length(network))
    for query in range(nodes):
        for key in range(nodes):
            terms, here = [], query
            while here != key and query in distance[key] and len(terms) < hops:
                before = min(u for u in network.predecessors(here) if distance[key].get(u) == distance[key][here] - 1)
                terms.append(value(features[before, here], len(terms)))
                here = before
            if terms:
                out[query, key] = sum(terms) / len(terms)
    return out


@pytest.mark.parametrize("token", [False, True])
@pytest.mark.parametrize("hops", [1, 3, 9])
def test_paths_are_read_edge_by_edge(hops: int, token: bool) -> None:
    graphs = with_parallel_edges()
    encoding = replace(PATHS, edge_hops=hops)
    bias = make_bias(token, encoding)
    awaken(bias)
    batch = collate(graphs, encode(graphs, encoding), torch.arange(len(graphs)))
    before = make_bias(token, replace(encoding, edge_hops=0))
    before.table.data = bias.table.data
    added = (bias(batch) - before(batch)).detach()
    tables = bias.paths.edges.tables.weight.detach().view(6, hops, HEADS)
    for number, nodes in enumerate(graphs.num_nodes.tolist()):
        expected = slow_paths(graphs, number, hops, lambda x, n: 4 * (tables[x[0], n] + tables[4 + x[1], n]))
        inner = slice(int(token), int(token) + nodes)
        torch.testing.assert_close(added[number, :, inner, inner].permute(1, 2, 0), expected, rtol=1e-4, atol=1e-5)
    if token:
        assert not added[:, :, 0].any()
        assert not added[:, :, :, 0].any()
    padding = ~F.pad(batch.mask, (int(token), 0), value=True)[:, None, None].expand_as(added)
    assert not added[padding].any()


def test_neighbours_have_the_edge_that_joins_them_as_their_path() -> None:
    graphs = make_graphs(make_spec(edges="categorical"))
    batch = collate(graphs, encode(graphs, PATHS), torch.arange(len(graphs)))
    paths = make_bias(token=False, encoding=replace(PATHS, edge_hops=1))
    edges = make_bias(token=False, encoding=replace(PATHS, edge_hops=0, edge=True))
    edges.edges.tables.weight.data = paths.paths.edges.tables.weight.data
    heads_first = (bias(batch).mT.transpose(0, 1).reshape(HEADS, -1) for bias in (paths, edges))
    read, added = (values[:, batch.edge_dense_index] for values in heads_first)
    torch.testing.assert_close(read, added)


@pytest.mark.parametrize("kind", ["categorical", "continuous"])
def test_gradients_reach_the_weights_of_every_hop(kind: str) -> None:
    graphs = make_graphs(make_spec(edges=kind), (nx.path_graph(4), nx.cycle_graph(3), nx.empty_graph(2)))
    batch = collate(graphs, encode(graphs, PATHS), torch.arange(3))
    if kind == "continuous":
        batch.edge_attr = batch.edge_attr.double()
    encoder = PathEncoder(make_spec(edges=kind).edge_features, 3, HEADS).double()
    name, weight = next(iter(encoder.named_parameters()))

    def of_weight(value: Tensor) -> Tensor:
        return torch.func.functional_call(encoder, {name: value}, (batch,))

    assert torch.autograd.gradcheck(of_weight, (weight,))
    (gradient,) = torch.autograd.grad(of_weight(weight).square().sum(), weight)
    axis = (0, 2) if kind == "categorical" else (1, 2)
    view = gradient.view(6, 3, HEADS) if kind == "categorical" else gradient.view(3, HEADS, -1)
    assert (view.abs().sum(axis) > 0).all()


def test_graphs_without_edges_have_paths_without_bias() -> None:
    graphs = make_graphs(make_spec(edges="categorical"), (nx.empty_graph(3), nx.empty_graph(1)))
    batch = collate(graphs, encode(graphs, PATHS), torch.arange(2))
    assert not PathEncoder(make_spec(edges="categorical").edge_features, 3, HEADS)(batch).any()


@pytest.mark.parametrize("kinds", [1, FEW_ROWS, FEW_ROWS + 1])
def test_sums_along_paths_and_their_gradients(kinds: int) -> None:
    values = torch.randn(kinds, 3, 2, requires_grad=True, dtype=torch.double)
    steps = [torch.randint(kinds, (length,), dtype=torch.int32) for length in (200, 90)]
    sums = sums_along(PathSteps(torch.arange(200), torch.ones(200), steps), values)
    plain = values[steps[0], 0].index_add(0, torch.arange(90), values[steps[1], 1])
    torch.testing.assert_close(sums, plain)
    torch.testing.assert_close(flat_sums(FlatSteps.of(steps), 200, values), plain)
    weights = torch.randn(200, 2, dtype=torch.double)
    gradients = [torch.autograd.grad((read * weights).sum(), values)[0] for read in (sums, plain)]
    torch.testing.assert_close(*gradients)


def test_more_hops_than_a_distance_can_have() -> None:
    graphs = make_graphs(make_spec(edges="categorical"))
    batch = collate(graphs, encode(graphs, PATHS), torch.arange(len(graphs)))
    many = PathEncoder(make_spec(edges="categorical").edge_features, 300, HEADS)
    few = PathEncoder(make_spec(edges="categorical").edge_features, 9, HEADS)
    few.edges.tables.weight.data = many.edges.tables.weight.data.view(6, 300, HEADS)[:, :9].flatten(1)
    torch.testing.assert_close(many(batch), few(batch))
