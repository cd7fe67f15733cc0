"""Students: attention and hops equal slow references, PyG's models are met on one graph, small tasks are learned.

What holds for all models (batch mates, node order, edge features, gradients) is in test_models.py.
"""

import re
from dataclasses import replace

import networkx as nx
import pytest
import torch
from omegaconf import OmegaConf
from small_tasks import awaken, encode, make_graphs, make_node_task, make_spec, make_task, preset, students
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import GPSConv, Polynormer, SGFormer
from torch_geometric.nn.attention import PolynormerAttention

from gnn_distill import models
from gnn_distill.cli.main import CONF_DIR
from gnn_distill.config.schema.data import PathsConfig, TypedEdgesConfig
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.sources.typed_edges import load
from gnn_distill.data.task import GraphTask, TaskSpec
from gnn_distill.errors import UserError
from gnn_distill.models import build_student
from gnn_distill.models.layers.heads import Output
from gnn_distill.models.layers.linear_attention import linear_attention
from gnn_distill.models.representations import Representations
from gnn_distill.models.students.nagphormer import hop_tokens
from gnn_distill.models.students.polynormer import GlobalAttention

STUDENTS, OF_NODES = students(), students(node_states=True)
WIDTH = 16


def encoding_of(name: str) -> EncodingConfig:
    """The encoding that conf/student/<name>.yaml chooses."""
    defaults = OmegaConf.load(CONF_DIR / "student" / f"{name}.yaml").get("defaults", [])
    chosen = {key: value for entry in defaults for key, value in entry.items()}
    return preset("encoding", chosen.get("override /encoding@_global_.encoding", "graphormer"))


def batch_of(task: GraphTask, name: str) -> GraphBatch:
    encodings = encode(task.graphs, encoding_of(name), preset("student", name))
    return collate(task.graphs, encodings, torch.arange(len(task.graphs)))


def make(name: str, spec: TaskSpec, **keys: object) -> nn.Module:
    torch.manual_seed(0)
    config = preset("student", name, **{"hidden_channels": WIDTH, "num_layers": 2, **keys})
    return build_student(config, encoding_of(name), spec)


def learn(model: nn.Module, batch: GraphBatch, labels: Tensor, steps: int) -> float:
    """The share of labels that the model knows by heart after so many steps, or as soon as it knows all."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)

    def known() -> float:
        with torch.no_grad():
            return float((batch.examples(model.eval()(batch).logits).argmax(1) == labels).float().mean())

    for step in range(steps):
        if step and step % 15 == 0 and known() == 1.0:
            break
        logits = batch.examples(model.train()(batch).logits)
        optimizer.zero_grad()
        F.cross_entropy(logits, labels).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # full attention is unsteady without a warm-up
        optimizer.step()
    return known()


@pytest.fixture(scope="module")
def twenty() -> PackedGraphs:
    dataset = TypedEdgesConfig(num_train=20, num_val=10, num_test=10, min_nodes=8, max_nodes=12)
    task = load(dataset, PathsConfig())
    return task.graphs.select(task.splits.train)


@pytest.mark.parametrize("name", STUDENTS)
def test_twenty_graphs_are_learned_by_heart(name: str, twenty: PackedGraphs) -> None:
    features = replace(make_spec().node_features, sizes=(twenty.x.size(1),))
    spec = make_spec("multiclass", node_features=features, num_outputs=2)
    labels = twenty.y[:, 0].long()
    assert 6 < labels.sum() < 14
    batch = collate(twenty, encode(twenty, encoding_of(name), preset("student", name)), torch.arange(20))
    assert learn(make(name, spec), batch, labels, steps=150) == 1.0


@pytest.mark.parametrize("name", OF_NODES)
def test_training_nodes_are_learned_by_heart(name: str) -> None:
    task = make_node_task()
    batch = replace(batch_of(task, name), labelled=task.splits.train)
    labels = task.graphs.y[task.splits.train, 0].long()
    assert learn(make(name, task.spec), batch, labels, steps=150) == 1.0


@pytest.mark.parametrize("name", STUDENTS)
def test_training_is_the_same_under_a_seed(name: str) -> None:
    task = make_task("multiclass")
    labels = task.graphs.y[:, 0].long()
    models = [make(name, task.spec, dropout=0.3, attention_dropout=0.3) for _ in range(2)]
    for model in models:
        torch.manual_seed(1)
        learn(model, batch_of(task, name), labels, steps=2)
    one, other = (model.state_dict() for model in models)
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", OF_NODES)
def test_wanted_nodes_of_two_graphs_are_as_if_each_were_alone(name: str) -> None:
    task = make_node_task(setting="inductive")
    model = awaken(make(name, task.spec))
    both = batch_of(task, name)
    wanted = torch.tensor([7, 45, 3, 31, 40])
    encodings = encode(task.graphs, encoding_of(name))
    with torch.no_grad():
        part = model(replace(both, outputs=wanted))
        alone = [model(collate(task.graphs, encodings, torch.tensor([graph]))) for graph in (0, 1)]
    assert part.logits.shape == (5, 3)
    assert tuple(states.size(1) for states in part.nodes) == model.state_channels
    torch.testing.assert_close(part.logits, torch.cat([out.logits for out in alone])[wanted])
    for layer, states in enumerate(part.nodes):
        torch.testing.assert_close(states, torch.cat([out.nodes[layer] for out in alone])[wanted])


def test_a_mini_batch_of_nodes_keeps_only_their_tokens() -> None:
    task = make_node_task()
    model = awaken(make("nagphormer", task.spec, hops=3))
    kept = []
    model.layers[0].register_forward_pre_hook(lambda module, inputs: kept.append(inputs[0].shape))
    model(replace(batch_of(task, "nagphormer"), outputs=torch.tensor([5, 9])))
    assert kept == [(2, 4, WIDTH)]


def test_hops_equal_their_reference() -> None:
    networks = (nx.path_graph(4, create_using=nx.DiGraph), nx.empty_graph(2), nx.gnp_random_graph(7, 0.4, seed=1))
    batch = collate(make_graphs(make_spec(), networks), None, torch.arange(3))
    nodes = len(batch.x)
    h = torch.randn(nodes, 5, generator=torch.Generator().manual_seed(0))
    edges = [*zip(*batch.edge_index.tolist(), strict=True), *((node, node) for node in range(nodes))]
    degree = [sum(target == node for _, target in edges) for node in range(nodes)]
    hops = [h.tolist()]
    for _ in range(3):
        mixed = [[0.0] * 5 for _ in range(nodes)]
        for source, target in edges:
            for channel in range(5):
                mixed[target][channel] += hops[-1][source][channel] / (degree[source] * degree[target]) ** 0.5
        hops.append(mixed)
    expected = torch.tensor(hops).transpose(0, 1)
    torch.testing.assert_close(hop_tokens(h, batch, 3), expected)
    some = torch.tensor([6, 0])
    torch.testing.assert_close(hop_tokens(h, replace(batch, outputs=some), 3), expected[some])


def test_the_readout_over_hops_scores_as_the_source_does() -> None:
    """There α_k = softmax_k([z_0 ‖ z_k]·w); the part of z_0 is the same for all k."""
    task = make_node_task()
    model = awaken(make("nagphormer", task.spec, num_layers=1, hops=3))
    tokens = {}
    model.norm.register_forward_hook(lambda module, inputs, out: tokens.update(z=out))
    states = model(batch_of(task, "nagphormer")).nodes[-1]
    own, hops = tokens["z"][:, :1], tokens["z"][:, 1:]
    scores = nn.Linear(2 * WIDTH, 1)
    scores.weight.data[:, WIDTH:] = model.score.weight
    weights = scores(torch.cat([own.expand_as(hops), hops], dim=2)).softmax(dim=1)
    torch.testing.assert_close(states, (own + (weights * hops).sum(dim=1, keepdim=True)).squeeze(1))


def test_linear_attention_equals_its_formula() -> None:
    random = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 5, 3, 4, generator=random) for _ in range(3))
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    numerator, denominator = linear_attention(q, k, v, mask)
    for graph, nodes in enumerate((5, 2)):
        weights = torch.einsum("ihc,jhc->ijh", q[graph], k[graph, :nodes])
        torch.testing.assert_close(denominator[graph], weights.sum(dim=1).unsqueeze(-1))
        torch.testing.assert_close(numerator[graph], torch.einsum("ijh,jhc->ihc", weights, v[graph, :nodes]))


@pytest.mark.parametrize("heads", [1, 2])
def test_sgformer_is_that_of_pyg_on_one_graph(heads: int) -> None:
    task = make_node_task()
    model = awaken(make("sgformer", task.spec, num_layers=3, global_layers=2, num_heads=heads, graph_weight=0.7))
    theirs = SGFormer(WIDTH, WIDTH, 3, 2, heads, gnn_num_layers=3, graph_weight=0.7).eval()
    theirs.trans_conv.load_state_dict(model.trans_conv.state_dict())
    theirs.graph_conv.load_state_dict(model.graph_conv.state_dict())
    theirs.fc.load_state_dict(model.output.head.state_dict())
    batch = batch_of(task, "sgformer")
    x, _ = model.inputs(batch)
    expected = theirs(x, batch.edge_index, batch.batch)
    torch.testing.assert_close(model(batch).logits.log_softmax(dim=1), expected)


def test_a_state_of_sgformer_is_what_a_shallower_one_would_end_with() -> None:
    task = make_node_task()
    deep = awaken(make("sgformer", task.spec, num_layers=4, global_layers=2))
    batch = batch_of(task, "sgformer")
    states = deep(batch).nodes
    for local, attention in ((1, 1), (2, 1), (3, 2), (4, 2)):
        shallow = make("sgformer", task.spec, num_layers=local, global_layers=attention).eval()
        shallow.load_state_dict({key: value for key, value in deep.state_dict().items() if key in shallow.state_dict()})
        torch.testing.assert_close(shallow(batch).nodes[-1], states[local - 1])


@pytest.mark.parametrize("local", ["gat", "gcn"])
def test_polynormer_is_that_of_pyg_on_one_graph(local: str) -> None:
    task = make_node_task()
    # With more heads than one PyG's fails; and it learns no β.
    keys = {"num_layers": 3, "global_layers": 2, "num_heads": 1, "beta": 0.8, "global_residual": False}
    model = make("polynormer", task.spec, **keys, local=local)
    betas = {name: value.detach().clone() for name, value in model.named_parameters() if "beta" in name}
    awaken(model).load_state_dict(betas, strict=False)
    theirs = Polynormer(WIDTH, WIDTH, 3, 3, 2, beta=0.8, qk_shared=True, local_attn=local == "gat").eval()
    theirs._global = True
    state = {name: value for name, value in model.state_dict().items() if name in theirs.state_dict()}
    state |= {f"pred_global.{name}": value for name, value in model.output.head.state_dict().items()}
    left = theirs.load_state_dict(state, strict=False).missing_keys
    assert {name.split(".")[0] for name in left} == {"lin_in", "pred_local"}  # which PyG's does not read either
    batch = batch_of(task, "polynormer")
    x, _ = model.inputs(batch)
    expected = theirs(x, batch.edge_index, batch.batch)
    torch.testing.assert_close(model(batch).logits.log_softmax(dim=1), expected)


def test_global_layers_of_polynormer_add_their_input() -> None:
    task = make_node_task()
    model = awaken(make("polynormer", task.spec, global_layers=1))
    *local, last = model(batch_of(task, "polynormer")).nodes
    x = model.ln(sum(local)).unsqueeze(0)
    attended = model.global_attn[0](x, torch.ones(1, 40, dtype=torch.bool))
    torch.testing.assert_close(last, (x + attended)[0])


def test_global_attention_of_polynormer_is_that_of_pyg_with_many_heads() -> None:
    ours = GlobalAttention(WIDTH, num_heads=4, beta=0.3, dropout=0.0)
    theirs = PolynormerAttention(WIDTH, heads=4, head_channels=WIDTH // 4, beta=0.3)
    theirs.load_state_dict({name: value for name, value in ours.state_dict().items() if name != "beta"})
    x, mask = torch.randn(2, 6, WIDTH, generator=torch.Generator().manual_seed(0)), torch.ones(2, 6, dtype=torch.bool)
    torch.testing.assert_close(ours(x, mask), theirs(x, mask))


def test_gps_layers_are_those_of_pyg_and_tell_their_attention() -> None:
    task = make_task("multiclass", edges="categorical")
    model = awaken(make("gps", task.spec))
    batch = batch_of(task, "gps")
    x, edges = model.inputs(batch)
    layer = model.layers[0]
    theirs = GPSConv(WIDTH, layer.conv, heads=4).eval()
    # PyG's batch norms wrap PyTorch's.
    theirs.load_state_dict({re.sub(r"^(norm\d)", r"\1.module", name): x for name, x in layer.state_dict().items()})
    out = model(batch, attention_layers=frozenset({1}))
    torch.testing.assert_close(out.nodes[0], theirs(x, batch=batch.batch, **edges))

    assert set(out.attention) == {1}
    logits = out.attention[1]
    assert logits.shape == (batch.num_graphs, 4, batch.max_nodes, batch.max_nodes)
    dense = x.new_zeros(batch.num_graphs * batch.max_nodes, WIDTH).index_copy(0, batch.dense_index, x)
    dense = dense.view(batch.num_graphs, batch.max_nodes, WIDTH)
    padding = ~batch.mask
    _, weights = theirs.attn(dense, dense, dense, key_padding_mask=padding, average_attn_weights=False)
    torch.testing.assert_close(logits.softmax(dim=-1), weights)
    torch.testing.assert_close(model(batch).logits, out.logits)


@pytest.mark.parametrize("ends", [True, False])
def test_a_student_of_ones_own_whose_dropout_never_ends_is_told(ends: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Student(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.output = nn.Linear(3, 8), Output(8, make_spec(), "mean", 0.0)

        def forward(self, batch: GraphBatch) -> Representations:
            return self.output([F.dropout(self.linear(batch.x), 0.5, self.training or not ends)], batch)

    monkeypatch.setattr(models, "function_of", lambda *_: lambda *_: Student())
    config = replace(preset("student", "transformer"), name="mine.student")
    if ends:
        assert build_student(config, EncodingConfig(), make_spec()).training
        return
    with pytest.raises(UserError, match=r"student\.name=mine\.student: returns different outputs in every pass"):
        build_student(config, EncodingConfig(), make_spec())
