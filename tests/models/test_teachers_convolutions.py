"""Convolutions equal slow references or PyG's, and have the parameters of their formulas."""

import pytest
import torch
from small_tasks import awaken, make_graphs, make_spec
from small_teachers import TEACHERS, WIDTH, make
from torch import Tensor
from torch_geometric.nn import PNAConv as PyGPNAConv

from gnn_distill.config.schema.data import PathsConfig, TypedEdgesConfig
from gnn_distill.data.batching import collate
from gnn_distill.data.packed import mean_log_degree
from gnn_distill.data.sources.typed_edges import load
from gnn_distill.models import count_parameters
from gnn_distill.models.teachers.gatedgcn import GatedGCNConv
from gnn_distill.models.teachers.pna import AGGREGATORS, PNAConv

CONVOLUTIONS = {  # parameters of one convolution of width C, without and with edge features
    "gat": lambda c, edges: 2 * (c * c + c) + 2 * c + edges * c * c,
    "gatedgcn": lambda c, edges: 4 * (c * c + c) + c * c,
    "gcn": lambda c, edges: c * c + c,
    "gin": lambda c, edges: 2 * (c * c + c) + 2 * c + 1,
    "mlp": lambda c, edges: c * c + c,
    "pna": lambda c, edges: 2 * c * c + c + edges * c * c + 13 * c * c + c,
    "sage": lambda c, edges: 2 * c * c + c,
}
READ_EDGES = ("gat", "gatedgcn", "gin", "pna")


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("name", TEACHERS)
def test_parameters_are_those_of_the_formulas(name: str, edges: bool) -> None:
    c, layers = WIDTH, 3
    spec = make_spec("multiclass", edges="continuous" if edges else None)
    model = make(name, spec, num_layers=layers)
    expected = (3 + 1) * c + layers * (CONVOLUTIONS[name](c, edges) + 2 * c) + (c * c + c) + (c + 1) * 3
    if name in READ_EDGES and edges:
        expected += (3 + 1) * c
    if name == "gatedgcn":  # norms of the edge states, and their constant beginning
        expected += (layers - 1) * 2 * c + (not edges) * c
    assert model.reads_edges == (edges and name in READ_EDGES)
    assert count_parameters(model) == expected


def random_graph(nodes: int = 9, edges: int = 30, channels: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """States, edges (some of them loops, some double; node 0 has no neighbour), and edge states, in float64."""
    random = torch.Generator().manual_seed(0)
    edge_index = torch.randint(1, nodes, (2, edges), generator=random)
    draw = (torch.randn(rows, channels, generator=random, dtype=torch.float64) for rows in (nodes, edges))
    x, e = draw
    assert (edge_index[0] == edge_index[1]).any()
    return x, edge_index, e


def test_gatedgcn_equals_its_formula() -> None:
    x, edge_index, e = random_graph()
    conv = GatedGCNConv(4).double()
    out, new = conv(x, edge_index, e)
    weights, biases = conv.nodes.weight.chunk(4), conv.nodes.bias.chunk(4)
    u, v, a, b = (lambda h, w=w, c=c: w @ h + c for w, c in zip(weights, biases, strict=True))
    for place, (j, i) in enumerate(edge_index.T.tolist()):
        torch.testing.assert_close(new[place], a(x[i]) + b(x[j]) + conv.edges.weight @ e[place])
    for i in range(len(x)):
        into = [place for place, target in enumerate(edge_index[1].tolist()) if target == i]
        total = sum((new[place].sigmoid() for place in into), torch.full((4,), 1e-6, dtype=torch.float64))
        mixed = sum((new[place].sigmoid() / total * v(x[edge_index[0, place]]) for place in into), torch.zeros(4))
        torch.testing.assert_close(out[i], u(x[i]) + mixed)


@pytest.mark.parametrize("name", ["gcn", "gin", "mlp", "sage"])
def test_plain_convolutions_equal_their_formulas(name: str) -> None:
    x, edge_index, _ = random_graph(channels=WIDTH)
    conv = awaken(make(name, make_spec())).double().convs[0]
    adjacency = torch.zeros(len(x), len(x), dtype=torch.float64)
    for j, i in edge_index.T.tolist():
        adjacency[i, j] += 1
    if name == "gcn":
        joined = adjacency + torch.diag((adjacency.diag() == 0).double())  # one loop at every node
        scale = joined.sum(dim=1) ** -0.5
        expected = scale[:, None] * joined * scale @ conv.lin(x) + conv.bias
    elif name == "gin":
        assert conv.eps.item() > 0
        expected = conv.nn((1 + conv.eps) * x + adjacency @ x)
    elif name == "sage":
        expected = conv.lin_r(x) + conv.lin_l(adjacency @ x / adjacency.sum(dim=1, keepdim=True).clamp(min=1))
    else:
        expected = x @ conv.weight.T + conv.bias
    torch.testing.assert_close(conv(x, edge_index, None), expected)


def test_gatedgcn_keeps_edge_states_from_layer_to_layer() -> None:
    spec = make_spec("multiclass", edges="continuous")
    graphs = make_graphs(spec)
    batch = collate(graphs, None, torch.arange(len(graphs)))
    for residual in (False, True):
        model = awaken(make("gatedgcn", spec, residual=residual))
        edges = model.encode_edges(batch)
        x = model.encode_nodes(batch.x)
        out, new = model.convs[0](x, batch.edge_index, edges)
        new = model.edge_norms[0](new).relu() + (edges if residual else 0.0)
        x = model.norms[0](out).relu() + (x if residual else 0.0)
        x = model.norms[1](model.convs[1](x, batch.edge_index, new)[0]).relu() + (x if residual else 0.0)
        torch.testing.assert_close(model(batch).nodes[1], x)


@pytest.mark.parametrize("edges", [False, True])
def test_pna_equals_pygs(edges: bool) -> None:
    x, edge_index, e = random_graph()
    degrees = torch.tensor([1, 3, 4, 2])
    log_degree = float(((torch.arange(4) + 1).log() * degrees).sum() / 10)
    ours = PNAConv(4, log_degree, edges).double()
    scalers = ["identity", "amplification", "attenuation"]
    theirs = PyGPNAConv(4, 4, AGGREGATORS, scalers, degrees, edge_dim=4 if edges else None).double()
    parts = [ours.target.weight, ours.source.weight, *([ours.edge.weight] if edges else [])]
    with torch.no_grad():
        theirs.pre_nns[0][0].weight.copy_(torch.cat(parts, dim=1))
        theirs.pre_nns[0][0].bias.copy_(ours.target.bias)
        theirs.post_nns[0][0].load_state_dict(ours.update.state_dict())
        for identity in (theirs.lin, *([theirs.edge_encoder] if edges else [])):
            identity.weight.copy_(torch.eye(4))
            identity.bias.zero_()
        theirs.aggr_module.avg_deg_log.fill_(log_degree)
    states = e if edges else None
    torch.testing.assert_close(ours(x, edge_index, states), theirs(x, edge_index, states), rtol=1e-7, atol=1e-7)


def test_pna_scales_by_the_degrees_of_the_training_part() -> None:
    graphs = make_graphs(make_spec())
    ids = torch.tensor([2, 6])
    degrees = [
        int((graphs.edge_index[1, graphs.edge_ptr[g] : graphs.edge_ptr[g + 1]] == node).sum())
        for g in ids
        for node in range(graphs.num_nodes[g])
    ]
    expected = torch.tensor(degrees).double().log1p().mean()
    assert mean_log_degree(graphs, ids) == pytest.approx(float(expected), abs=1e-8)
    assert mean_log_degree(graphs, torch.tensor([0, 1])) == 1.0  # no edges: nothing is scaled
    task = load(TypedEdgesConfig(num_train=20, num_val=10, num_test=10), PathsConfig())
    assert task.spec.log_degree == mean_log_degree(task.graphs, task.splits.train)
    assert make("pna", task.spec).convs[0].log_degree == task.spec.log_degree


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("edges", [None, "continuous"])
def test_attention_of_a_gat_sums_to_one_and_makes_its_states(version: str, edges: str | None) -> None:
    spec = make_spec("multiclass", edges=edges)
    graphs = make_graphs(spec)
    graphs.edge_index[:, 3] = graphs.edge_index[1, 3]  # a loop of the graph's own
    batch = collate(graphs, None, torch.arange(len(graphs)))
    model = awaken(make("gat", spec, gat_version=version, heads=2))
    with torch.no_grad():
        out = model(batch)
    source, target = batch.edge_index
    total = out.self_attention.index_add(0, target, out.edge_attention)
    torch.testing.assert_close(total, torch.ones(len(batch.x)))
    loops = source == target
    assert loops.sum() == 1
    assert (out.edge_attention[loops] == 0).all()
    assert (out.edge_attention[~loops] > 0).all()
    assert (out.self_attention[torch.bincount(target, minlength=len(batch.x)) == 0] == 1).all()
    # With one head, values weighted by this attention are the convolution.
    single = awaken(make("gat", spec, gat_version=version, heads=1, num_layers=1, norm="none", residual=False))
    with torch.no_grad():
        out = single(batch)
        conv = single.convs[0]
        values = (conv.lin_l if version == "v2" else conv.lin)(single.encode_nodes(batch.x))
        mixed = values * out.self_attention[:, None]
        mixed = mixed.index_add(0, target, values[source] * out.edge_attention[:, None])
    torch.testing.assert_close(out.nodes[0], (mixed + conv.bias).relu(), rtol=1e-5, atol=1e-5)
    assert model.train()(batch).edge_attention is None
