"""Teachers: convolutions equal slow references, options do what they say, and all learn small tasks by heart.

What holds for all models (batch mates, node order, edge features, gradients) is in test_models.py.
"""

from dataclasses import replace

import pytest
import torch
from small_tasks import awaken, choices, encode, make_graphs, make_node_task, make_spec, make_task, preset
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import PNAConv as PyGPNAConv

from gnn_distill.data.batching import StructureBatch, collate
from gnn_distill.data.packed import PackedGraphs, mean_log_degree
from gnn_distill.data.sources.typed_edges import load
from gnn_distill.data.task import GraphTask, TaskSpec
from gnn_distill.models import build_teacher, count_parameters
from gnn_distill.models.gnn import teacher_encoding
from gnn_distill.models.teachers.gatedgcn import GatedGCNConv
from gnn_distill.models.teachers.pna import AGGREGATORS, PNAConv
from gnn_distill.schema.data import PathsConfig, TypedEdgesConfig

TEACHERS = [name for name in choices("teacher") if name not in ("none", "custom")]
WIDTH = 16


def batch_of(task: GraphTask) -> StructureBatch:
    return collate(task.graphs, None, torch.arange(len(task.graphs)))


def make(name: str, spec: TaskSpec, **keys: object) -> nn.Module:
    torch.manual_seed(0)
    return build_teacher(preset("teacher", name, **{"hidden_channels": WIDTH, "num_layers": 2, **keys}), spec)


def learn(model: nn.Module, batch: StructureBatch, labels: Tensor, steps: int) -> float:
    """The share of labels that the model knows by heart after so many steps."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(steps):
        logits = batch.examples(model.train()(batch).logits)
        optimizer.zero_grad()
        F.cross_entropy(logits, labels).backward()
        optimizer.step()
    with torch.no_grad():
        return float((batch.examples(model.eval()(batch).logits).argmax(1) == labels).float().mean())


@pytest.fixture(scope="module")
def twenty() -> PackedGraphs:
    dataset = TypedEdgesConfig(num_train=20, num_val=10, num_test=10, min_nodes=8, max_nodes=12)
    task = load(dataset, PathsConfig())
    return task.graphs.select(task.splits.train)


@pytest.mark.parametrize("name", TEACHERS)
def test_twenty_graphs_are_learned_by_heart(name: str, twenty: PackedGraphs) -> None:
    features = replace(make_spec().node_features, sizes=(twenty.x.size(1),))
    spec = make_spec("multiclass", node_features=features, num_outputs=2)
    labels = twenty.y[:, 0].long()
    assert 6 < labels.sum() < 14
    assert learn(make(name, spec), collate(twenty, None, torch.arange(20)), labels, steps=60) == 1.0


@pytest.mark.parametrize("name", TEACHERS)
def test_training_nodes_are_learned_by_heart(name: str) -> None:
    task = make_node_task()
    batch = replace(batch_of(task), labelled=task.splits.train)
    labels = task.graphs.y[task.splits.train, 0].long()
    assert learn(make(name, task.spec, num_layers=1), batch, labels, steps=60) == 1.0


@pytest.mark.parametrize("name", TEACHERS)
def test_training_is_the_same_under_a_seed(name: str) -> None:
    task = make_task("multiclass")
    labels = task.graphs.y[:, 0].long()
    models = [make(name, task.spec, dropout=0.3, input_dropout=0.3) for _ in range(2)]
    for model in models:
        torch.manual_seed(1)
        learn(model, batch_of(task), labels, steps=2)
    one, other = (model.state_dict() for model in models)
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", TEACHERS)
def test_nodes_that_are_wanted_are_rows_of_all(name: str) -> None:
    task = make_node_task()
    model = awaken(make(name, task.spec, virtual_node=True, jumping_knowledge="cat"))
    batch, some = batch_of(task), torch.tensor([7, 3, 31])
    with torch.no_grad():
        everything, part = model(batch), model(replace(batch, outputs=some))
    assert everything.logits.shape == (40, 3)
    assert [states.size(1) for states in part.nodes] == list(model.state_channels) == [WIDTH, 2 * WIDTH]
    torch.testing.assert_close(part.logits, everything.logits[some])
    torch.testing.assert_close(part.nodes, tuple(states[some] for states in everything.nodes))
    torch.testing.assert_close(part.graph, everything.nodes[-1].mean(dim=0, keepdim=True))


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


@pytest.mark.parametrize("join", ["last", "cat", "max", "sum"])
def test_the_last_state_joins_those_of_all_layers(join: str) -> None:
    task = make_task("multiclass")
    model = awaken(make("gcn", task.spec, jumping_knowledge=join, num_layers=3, readout="mean"))
    with torch.no_grad():
        out = model(batch_of(task))
        model.join = lambda states: states[-1]
        model.output.head = nn.Linear(WIDTH, 3)
        states = model(batch_of(task)).nodes
    stacked = torch.stack(states)
    expected = {"last": states[-1], "cat": torch.cat(states, 1), "max": stacked.amax(0), "sum": stacked.sum(0)}[join]
    torch.testing.assert_close(out.nodes[-1], expected)
    assert model.graph_channels == model.state_channels[-1] == expected.size(1) == out.graph.size(1)


def test_a_feed_forward_block_follows_every_convolution() -> None:
    task = make_task("multiclass")
    batch = batch_of(task)
    model = awaken(make("gcn", task.spec, ffn=True))
    x = model.encode_nodes(batch.x)
    for conv, norm, ffn in zip(model.convs, model.norms, model.ffns, strict=True):
        x = x + norm(conv(x, batch.edge_index)).relu()
        first, _, _, second = ffn.mlp
        x = ffn.norm(x + second(first(x).relu()))
    torch.testing.assert_close(model(batch).nodes[-1], x)


@pytest.mark.parametrize("level", ["graph", "node"])
def test_a_virtual_node_is_told_of_all_nodes_of_its_graph(level: str) -> None:
    task = make_task("multiclass") if level == "graph" else make_node_task()
    batch = batch_of(task)
    model = awaken(make("gcn", task.spec, virtual_node=True))
    x = model.encode_nodes(batch.x) + model.virtual
    first = x + model.norms[0](model.convs[0](x, batch.edge_index)).relu()
    told = torch.stack([first[batch.batch == graph].sum(dim=0) for graph in range(batch.num_graphs)])
    if level == "node":
        told = told / len(batch.x)
    virtual = model.virtual + model.virtual_mlps[0](model.virtual + told)
    x = first + virtual[batch.batch]
    second = x + model.norms[1](model.convs[1](x, batch.edge_index)).relu()
    torch.testing.assert_close(model(batch).nodes, (first, second))


@pytest.mark.parametrize("form", ["dense", "sparse", "categorical"])
def test_input_dropout_drops_single_features_in_training_alone(form: str) -> None:
    spec = make_spec("multiclass", nodes="categorical" if form == "categorical" else "continuous")
    x = make_graphs(spec).x
    model = make("gcn", spec, input_dropout=0.5)
    plain = model.encoder(x)
    given = x.to_sparse_csr() if form == "sparse" else x
    torch.testing.assert_close(model.eval().encode_nodes(given), plain)
    torch.manual_seed(3)
    dropped = model.train().encode_nodes(given)
    torch.manual_seed(3)
    if form == "categorical":
        torch.testing.assert_close(dropped, F.dropout(plain, 0.5))
    else:
        assert (x != 0).all()
        torch.testing.assert_close(dropped, model.encoder.linear(F.dropout(x.flatten(), 0.5).view_as(x)))


def test_sparse_features_can_be_read_in_bf16() -> None:
    task = make_node_task()
    batch, model = batch_of(task), make("gcn", task.spec).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        dense, sparse = model(batch), model(replace(batch, x=batch.x.to_sparse_csr()))
    sparse.logits.logsumexp(1).sum().backward()
    torch.testing.assert_close(sparse.logits, dense.logits, rtol=0.05, atol=0.05)
    assert model.encoder.linear.weight.grad.abs().max() > 0


def test_a_teacher_reads_the_encodings_it_asks_for() -> None:
    task = make_task("multiclass")
    config = preset("teacher", "gcn", rwse=4, lap_pe=2, hidden_channels=WIDTH, num_layers=2)
    encoding = teacher_encoding(config)
    assert (encoding.rwse, encoding.lap_pe, encoding.degree, encoding.spd, encoding.edge) == (4, 2, False, False, False)
    model = awaken(make("gcn", task.spec, rwse=4, lap_pe=2))
    batch = collate(task.graphs, encode(task.graphs, encoding), torch.arange(len(task.graphs)))
    blind = replace(batch, rwse=batch.rwse * 0, lap_pe=batch.lap_pe * 0)
    assert not torch.allclose(model(batch).logits, model(blind).logits)
