"""Teachers: options do what they say, and all learn small tasks by heart; their convolutions are tested beside this.

What holds for all models (batch mates, node order, edge features, gradients) is in test_models.py.
"""

from dataclasses import replace

import pytest
import torch
from small_tasks import awaken, encode, make_graphs, make_node_task, make_spec, make_task, preset
from small_teachers import TEACHERS, WIDTH, batch_of, make
from torch import Tensor, nn
from torch.nn import functional as F

from gnn_distill.config.schema.data import PathsConfig, TypedEdgesConfig
from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.sources.typed_edges import load
from gnn_distill.models.gnn_backbone import teacher_encoding


def learn(model: nn.Module, batch: GraphBatch, labels: Tensor, steps: int) -> float:
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
