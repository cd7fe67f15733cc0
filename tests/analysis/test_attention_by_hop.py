from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.special import entr
from small_tasks import NETWORKS, awaken, encode, make_graphs, make_node_task, make_spec, preset

from gnn_distill.analysis.attention import attention_by_hop
from gnn_distill.analysis.hops import Distances
from gnn_distill.analysis.influence import Scene
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.batching import collate
from gnn_distill.models import build_student, build_teacher

HOPS, UNREACHABLE = 4, 6
"""The last distance with a bin of its own, and the bin of pairs without a path."""
GRAPHORMER = EncodingConfig(degree=True, spd=True)


def scene_of(
    name: str, role: str = "student", encoding: EncodingConfig = GRAPHORMER, networks: tuple = NETWORKS
) -> Scene:
    spec = make_spec(nodes="categorical")
    if role == "teacher":
        model, encodings = build_teacher(preset("teacher", name, hidden_channels=16, num_layers=3, heads=2), spec), None
    else:
        config = preset("student", name, hidden_channels=16, num_layers=2, num_heads=4)
        model = build_student(config, encoding, spec)
    graphs = make_graphs(spec, networks)
    encodings = encode(graphs, encoding) if role == "student" else None
    return Scene(awaken(model, 0.5), graphs, encodings, Distances(graphs), torch.arange(len(graphs)), hops=HOPS)


def walk_of(network: nx.Graph) -> np.ndarray:
    """D̃⁻¹Ã along messages."""
    matrix = np.minimum(nx.to_numpy_array(network).T + np.eye(len(network)), 1)
    return matrix / matrix.sum(axis=1, keepdims=True)


def place_of(network: nx.Graph, query: int, key: int) -> tuple[int, int]:
    """Bin and distance of a pair."""
    try:
        hops = nx.shortest_path_length(network, key, query)
    except nx.NetworkXNoPath:
        return UNREACHABLE, 0
    return min(hops, HOPS + 1), hops


@pytest.mark.parametrize("name", ["graphormer", "gps", "transformer"])
def test_students_against_loops(name: str) -> None:
    scene = scene_of(name, encoding=GRAPHORMER if name == "graphormer" else EncodingConfig(degree=True))
    found = attention_by_hop(scene)
    assert sorted(found.layers) == [1, 2]
    for graph, network in enumerate(NETWORKS):
        batch, nodes = collate(scene.graphs, scene.encodings, torch.tensor([graph])), len(network)
        logits = scene.model(batch, frozenset({1, 2})).attention
        rollout = np.eye(nodes)
        for layer, sums in found.layers.items():
            weights = logits[layer][0].softmax(dim=-1).detach().double().numpy()
            rollout = 0.5 * (np.eye(nodes) + weights.mean(axis=0)) @ rollout
            mass, rolled, uniform = np.zeros((4, HOPS + 3)), np.zeros(HOPS + 3), np.zeros(HOPS + 3)
            moment, entropy, overlap, uniform_moment = np.zeros(4), np.zeros(4), np.zeros((4, 4)), 0.0
            for query in network:
                for key in network:
                    place, hops = place_of(network, query, key)
                    mass[:, place] += weights[:, query, key]
                    rolled[place] += rollout[query, key]
                    uniform[place] += 1 / nodes
                    moment += hops * weights[:, query, key]
                    uniform_moment += hops / nodes
                    if nodes > 1:
                        entropy += entr(weights[:, query, key]) / np.log(nodes)
                    for step in range(4):
                        power = np.linalg.matrix_power(walk_of(network), step + 1)[query, key]
                        overlap[:, step] += np.minimum(weights[:, query, key], power)
            np.testing.assert_allclose(sums.mass[graph], mass, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(sums.rollout[graph], rolled, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(sums.moment[graph], moment, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(sums.entropy[graph], entropy, rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(sums.overlap[graph], overlap, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.uniform.mass[graph], uniform, rtol=1e-5, atol=1e-6)
        assert found.uniform.moment[graph] == pytest.approx(uniform_moment)
        assert found.uniform.queries[graph] == nodes
        assert found.uniform.ranked[graph] == (nodes if nodes > 1 else 0)


def test_uniform_attention_has_no_lift() -> None:
    """Without weights a Transformer attends to all alike: lift, entropy and distance are those of uniform attention."""
    scene = scene_of("transformer", encoding=EncodingConfig())
    for layer in scene.model.layers:
        torch.nn.init.zeros_(layer.attention.qkv.weight)
        torch.nn.init.zeros_(layer.attention.qkv.bias)
    found, every = attention_by_hop(scene), np.ones(len(NETWORKS))
    lift = found.lift(1, every)
    np.testing.assert_allclose(lift[np.isfinite(lift)], 1, rtol=1e-5)
    np.testing.assert_allclose(found.far_lift(1, every, far=2), 1, rtol=1e-5)
    np.testing.assert_allclose(found.entropy(1, every), 1, rtol=1e-5)
    np.testing.assert_allclose(found.distance(1, every), found.uniform_distance(every), rtol=1e-5)


def test_attention_that_propagates_overlaps_fully() -> None:
    """A Graphormer whose bias forbids all but neighbours, on rings: one step of propagation, with lift n / 3."""
    scene = scene_of("graphormer", networks=(nx.cycle_graph(12), nx.cycle_graph(9)))
    scene.model.bias.gain = 1.0
    with torch.no_grad():
        scene.model.bias.table.fill_(-50.0)[:2] = 0.0
        for layer in scene.model.layers:
            layer.attention.qkv.weight.zero_()
            layer.attention.qkv.bias.zero_()
    found, one = attention_by_hop(scene), np.array([1.0, 0.0])
    np.testing.assert_allclose(found.overlap(2, one)[:, 0], 1, rtol=1e-5)
    np.testing.assert_allclose(found.lift(2, one)[:, :3], [[4, 4, 0]] * 4, atol=1e-5)
    np.testing.assert_allclose(found.distance(2, one), 2 / 3, rtol=1e-5)
    np.testing.assert_allclose(found.far_lift(2, one, far=2), 0, atol=1e-5)


def test_gat_teachers_attend_to_neighbours_alone() -> None:
    scene = scene_of("gat", "teacher")
    found = attention_by_hop(scene)
    ((layer, sums),) = found.layers.items()
    assert layer == 3
    assert sums.mass.shape[1] == 1
    assert (sums.mass[:, 0, 2:] == 0).all()
    assert sums.mass[:, 0, 1].sum() > 0
    np.testing.assert_allclose(sums.mass.sum(axis=2)[:, 0], [len(network) for network in NETWORKS], rtol=1e-5)
    assert sums.rollout[:, 2:4].sum() > 0  # three steps of it
    assert (sums.rollout[:, 4:] == 0).all()


@pytest.mark.parametrize(
    ("role", "name"), [("student", n) for n in ("sgformer", "nagphormer", "polynormer")] + [("teacher", "gin")]
)
def test_models_without_a_matrix_have_no_profile(role: str, name: str) -> None:
    assert attention_by_hop(scene_of(name, role, EncodingConfig())) is None


def test_batches_change_nothing() -> None:
    scene = scene_of("graphormer")
    together, alone = attention_by_hop(scene), attention_by_hop(replace(scene, batch_size=1))
    for layer in (1, 2):
        np.testing.assert_allclose(together.layers[layer].mass, alone.layers[layer].mass, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(together.layers[layer].rollout, alone.layers[layer].rollout, rtol=1e-4, atol=1e-6)


def test_of_one_graph_some_queries_are_the_units() -> None:
    task = make_node_task()
    model = awaken(
        build_student(preset("student", "gps", hidden_channels=16, num_heads=4), EncodingConfig(), task.spec)
    )
    scene = Scene(model, task.graphs, None, Distances(task.graphs), torch.arange(1), roots=7, hops=HOPS)
    some, every = attention_by_hop(scene), attention_by_hop(replace(scene, roots=40))
    assert some.layers[1].mass.shape[0] == 7
    order = replace(scene, roots=40).draw_roots()
    chosen = [int((order == root).nonzero()[0][0]) for root in scene.draw_roots()]
    np.testing.assert_allclose(some.layers[1].mass, every.layers[1].mass[chosen])
    assert (some.uniform.queries == 1).all()
