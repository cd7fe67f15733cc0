"""Attributions against closed forms, and their completeness for every model."""

import networkx as nx
import numpy as np
import pytest
import torch
from small_tasks import NETWORKS, awaken, choices, make_graphs, make_spec, preset
from torch import nn

from gnn_distill.analysis import attribution
from gnn_distill.analysis.attribution import Asked, Attribution, gradient_times_input, integrated_gradients
from gnn_distill.analysis.gradient_path import Path, Point
from gnn_distill.analysis.rollout import _rollout, _shares, attention_rollout
from gnn_distill.analysis.states import Subject
from gnn_distill.config.capabilities import capabilities_of
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.subgraphs.patching import patching_of
from gnn_distill.models import build_student, build_teacher
from gnn_distill.models.layers.encoders import FeatureEncoder
from gnn_distill.models.representations import Representations

TEACHERS = [name for name in choices("teacher") if name not in ("none", "custom", "file")]
STUDENTS = [name for name in choices("student") if name != "none"]
SMALL = (nx.path_graph(3), nx.cycle_graph(5), nx.empty_graph(1), nx.star_graph(3))


class Cube(nn.Module):
    """(Σ w·e of nodes + Σ v·e of edges)³: its integrated gradients are known."""

    def __init__(self, nodes: str) -> None:
        super().__init__()
        spec = make_spec(nodes=nodes, edges="categorical")
        torch.manual_seed(0)
        self.nodes, self.edges = FeatureEncoder(spec.node_features, 4), FeatureEncoder(spec.edge_features, 3)
        self.reads_edges = True

    def forward(self, batch: GraphBatch) -> Representations:
        nodes, edges = self.nodes(batch.x).sum(1), self.edges(batch.edge_attr).sum(1)
        total = torch.zeros(batch.num_graphs).index_add(0, batch.batch, nodes)
        total = total.index_add(0, batch.batch[batch.edge_index[0]], edges)
        return Representations(total[:, None] ** 3, (), None)


@pytest.mark.parametrize("nodes", ["categorical", "continuous"])
def test_closed_form(nodes: str) -> None:
    """F = S³ along S₀ + α·(S − S₀): ∫3·S(α)² dα = S² + S·S₀ + S₀², times what each row adds to S − S₀."""
    graphs, model = make_graphs(make_spec(nodes=nodes, edges="categorical"), SMALL), Cube(nodes)
    asked = Asked(torch.zeros(4, dtype=torch.long), torch.tensor([1.0, -2.0, 1.0, 1.0]).double(), 5.0)
    subject = Subject(model, EncodingConfig(), lambda: model)
    with torch.no_grad():
        start = model.nodes.linear.bias.sum().item() if nodes == "continuous" else 0.0
        of_nodes, of_edges = (part.sum(1).numpy() for part in (model.nodes(graphs.x), model.edges(graphs.edge_attr)))
    integrated = integrated_gradients(subject, graphs, asked, tolerance=1e-4)
    for graph, (found, local) in enumerate(zip(integrated, gradient_times_input(subject, graphs, asked), strict=True)):
        rows, edges = (np.s_[ptr[graph] : ptr[graph + 1]] for ptr in (graphs.node_ptr, graphs.edge_ptr))
        base = start * int(graphs.num_nodes[graph])
        total, scale = of_nodes[rows].sum() + of_edges[edges].sum(), asked.scale[graph].item()
        mean_slope = scale * (total**2 + total * base + base**2)
        np.testing.assert_allclose(found.nodes, mean_slope * (of_nodes[rows] - start), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(found.edges, mean_slope * of_edges[edges], rtol=1e-3, atol=1e-4)
        assert found.value == pytest.approx(scale * total**3 + 5, rel=1e-4)
        assert found.baseline == pytest.approx(scale * base**3 + 5, rel=1e-4)
        assert found.error <= 1e-4
        np.testing.assert_allclose(local.nodes, 3 * scale * total**2 * (of_nodes[rows] - start), rtol=1e-3, atol=1e-4)
        assert local.gradients == 2


def subject_of(role: str, name: str, nodes: str = "categorical") -> Subject:
    spec = make_spec("multiclass", nodes, "categorical")
    config = preset(role, name, hidden_channels=16, num_layers=2)
    if role == "teacher":
        return Subject(awaken(build_teacher(config, spec)), EncodingConfig(), lambda: None)
    bias = capabilities_of(name).reads_bias
    encoding = EncodingConfig(degree=True, spd=bias, edge=bias, edge_hops=2 if name == "graphormer" else 0)
    model = awaken(build_student(config, encoding, spec))
    return Subject(model, encoding, lambda: None, patching=patching_of(config, spec))


@pytest.mark.parametrize("nodes", ["categorical", "continuous"])
@pytest.mark.parametrize(("role", "name"), [*(("teacher", n) for n in TEACHERS), *(("student", n) for n in STUDENTS)])
def test_every_model_is_explained_completely(role: str, name: str, nodes: str) -> None:
    """Within 1 %, of the output that was asked for; the model is afterwards as before."""
    subject = subject_of(role, name, nodes)
    graphs = make_graphs(make_spec("multiclass", nodes, "categorical"), NETWORKS[5:])
    before = {key: value.clone() for key, value in subject.model.state_dict().items()}
    output = torch.arange(len(graphs)) % 3
    found = integrated_gradients(subject, graphs, Asked(output, torch.ones(len(graphs)).double()))
    assert max(one.error for one in found) <= (0.1 if name == "pna" else 0.01)  # whose standard deviations jump to 0
    assert all((one.edges is not None) == subject.model.reads_edges for one in found)
    assert [len(one.nodes) for one in found] == graphs.num_nodes.tolist()
    assert max(np.abs(one.nodes).max() for one in found) > 0
    assert all(torch.equal(value, before[key]) for key, value in subject.model.state_dict().items())
    assert not any(module._forward_hooks or "distinct" in vars(module) for module in subject.model.modules())


def test_each_graph_is_explained_as_if_alone_and_a_bound_is_told() -> None:
    """Padding and neighbours in the batch change nothing; too few gradients leave the error visible."""
    subject, graphs = (
        subject_of("student", "graphormer"),
        make_graphs(make_spec("multiclass", "categorical", "categorical")),
    )
    asked = Asked(torch.zeros(len(graphs), dtype=torch.long), torch.ones(len(graphs)).double())
    together = integrated_gradients(subject, graphs, asked)
    alone = integrated_gradients(subject, graphs.select(torch.tensor([7])), Asked(asked.output[:1], asked.scale[:1]))[0]
    np.testing.assert_allclose(together[7].nodes, alone.nodes, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(together[7].edges, alone.edges, rtol=1e-3, atol=1e-5)
    few = integrated_gradients(subject, graphs, asked, tolerance=1e-6, most=16)
    assert all(one.gradients <= 16 for one in few)
    assert max(one.error for one in few) > 1e-6


class Neighbours(nn.Module):
    """The sum over neighbours of (Σ_c e_c)² of theirs, at node level: every node has closed-form attributions."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.nodes, self.reads_edges = FeatureEncoder(make_spec(nodes="categorical").node_features, 4), False

    def forward(self, batch: GraphBatch) -> Representations:
        squares = self.nodes(batch.x).sum(dim=1) ** 2
        source, target = batch.edge_index
        total = torch.zeros_like(squares).index_add(0, target, squares[source])
        return Representations(torch.stack([total, -total], dim=1), (), None)


@pytest.mark.parametrize("together", [attribution.TOGETHER, 1])
def test_a_node_is_explained_by_its_graph(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """a of each neighbour is its square, of all others 0; nodes of one graph and of several, in the order asked."""
    monkeypatch.setattr(attribution, "TOGETHER", together)
    graphs, model = make_graphs(make_spec(nodes="categorical"), SMALL), Neighbours()
    of = [(3, 0), (1, 4), (3, 2), (0, 1)]
    where, places = torch.tensor(of).T
    asked = Asked(torch.tensor([0, 1, 0, 0]), torch.ones(4).double(), 0.0, where, places)
    subject = Subject(model, EncodingConfig(), lambda: model)
    with torch.no_grad():
        squares = (model.nodes(graphs.x).sum(dim=1) ** 2).numpy()
    found = integrated_gradients(subject, graphs, asked, tolerance=1e-4)
    local = gradient_times_input(subject, graphs, asked)
    for (graph, place), sign, one, other in zip(of, (1, -1, 1, 1), found, local, strict=True):
        neighbours = np.zeros(SMALL[graph].number_of_nodes())
        neighbours[list(SMALL[graph][place])] = 1
        own = squares[graphs.node_ptr[graph] : graphs.node_ptr[graph + 1]]
        np.testing.assert_allclose(one.nodes, sign * neighbours * own, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(other.nodes, 2 * sign * neighbours * own, rtol=1e-3, atol=1e-5)
        assert one.edges is None
        assert (one.error <= 1e-4, other.gradients) == (True, 2)


def test_where_parts_cancel_the_error_is_relative_to_their_size() -> None:
    """Two parts of 3 and −2.999 that change fast near 0: a hundredth of 0.001 would take many more points."""

    def followed(difference: float) -> Path:
        def value(alpha: float) -> tuple[float, float]:
            steep = np.tanh(40 * alpha)
            return 3 * steep, -(3 - difference) * alpha

        def terms(alpha: float) -> np.ndarray:
            return np.array([3 * 40 / np.cosh(40 * alpha) ** 2, -(3 - difference)])

        path, waiting = Path(), [part / 8 for part in range(9)]
        while waiting:
            path.points += [Point(alpha, sum(value(alpha)), terms(alpha)) for alpha in waiting]
            path.points.sort(key=lambda point: point.alpha)
            waiting = path.halved(0.01, 2048)
        return path

    path = followed(0.001)
    total, size = path.integral().sum(), np.abs(path.integral()).sum()
    assert size == pytest.approx(6, rel=0.01)
    assert abs(total - 0.001) <= 0.01 * 0.1 * size
    assert len(path.points) < 100  # relative to 0.001 alone: 546
    found = Attribution(path.integral(), None, 0.001, 0.0, size, len(path.points))
    assert found.error == pytest.approx(abs(total - 0.001) / (0.1 * size))
    assert found.error <= 0.01
    whole = followed(3.0)  # nothing cancels: relative to F(e) − F(e') as ever
    assert abs(whole.integral().sum() - 3) <= 0.03
    assert Attribution(np.array([2.0]), None, 3.0, 1.0, 2.0, 9).error == 0
    assert Attribution(np.array([1.5]), None, 3.0, 1.0, 1.5, 9).error == 0.25


def test_rollout_is_the_product_of_the_layers() -> None:
    """With a token the row of the token, else the mean over rows of real nodes; padding has no share."""
    random, mask = torch.Generator().manual_seed(0), torch.tensor([[True] * 4, [True, True, True, False]])
    for token in (True, False):
        size = 4 + token
        keys = torch.cat([torch.ones(2, int(token), dtype=torch.bool), mask], dim=1)
        logits = [
            torch.randn(2, 3, size, size, generator=random).masked_fill(~keys[:, None, None], -1e30) for _ in "ab"
        ]
        rollout = _rollout(logits)
        for graph, nodes in enumerate((4, 3)):
            kept = nodes + token
            first, second = (
                (np.eye(kept) + layer[graph, :, :kept, :kept].double().softmax(-1).mean(0).numpy()) / 2
                for layer in logits
            )
            product = second @ first
            row = product[0, 1:] if token else product.mean(axis=0)
            np.testing.assert_allclose(_shares(rollout[graph], nodes, token), row / row.sum(), rtol=1e-6)
            own = product[token + 1, token:]
            np.testing.assert_allclose(_shares(rollout[graph], nodes, token, node=1), own / own.sum(), rtol=1e-6)


@pytest.mark.parametrize("name", STUDENTS)
def test_students_with_attention_between_nodes_have_a_rollout(name: str) -> None:
    subject, graphs = subject_of("student", name), make_graphs(make_spec(nodes="categorical", edges="categorical"))
    found = attention_rollout(subject, graphs)
    if not capabilities_of(name).attends_pairs:
        assert found is None
        return
    assert [len(row) for row in found] == graphs.num_nodes.tolist()
    for row in found:
        assert row.min() > 0
        assert row.sum() == pytest.approx(1)
