"""Features, structural encodings and the attention bias against plain loops."""

import warnings

import networkx as nx
import pytest
import torch
from small_biases import HEADS, make_bias
from small_tasks import NETWORKS, awaken, encode, make_graphs, make_spec, preset
from torch import Tensor

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import Features
from gnn_distill.models.layers.encoders import AttentionBias, FeatureEncoder, StructuralEncoder

ENCODING = EncodingConfig(
    degree=True, max_degree=2, spd=True, max_spd=2, edge=True, lap_pe=3, bias_scale=1.0, bias_gain=4.0
)


@pytest.fixture
def graphs() -> PackedGraphs:
    return make_graphs(make_spec(edges="categorical"))


@pytest.fixture
def batch(graphs: PackedGraphs) -> GraphBatch:
    return collate(graphs, encode(graphs, ENCODING), torch.arange(len(graphs)))


def slow_bias(bias: AttentionBias, graphs: PackedGraphs, number: int, size: int) -> Tensor:
    """[head, query, key] of one graph, by breadth-first search and a loop over pairs and edges."""
    first, network = int(bias.token), NETWORKS[number]
    rows = 4 * bias.table.detach()
    out = torch.full((size, size, HEADS), torch.finfo(torch.float32).min)
    distance = dict(nx.all_pairs_shortest_path_length(network))
    for query in network:
        for key in network:
            row = min(distance[query].get(key, -1), 2)
            out[first + query, first + key] = rows[row if row >= 0 else 3]
    edges = slice(graphs.edge_ptr[number], graphs.edge_ptr[number + 1])
    for (source, target), features in zip(graphs.edge_index[:, edges].T, graphs.edge_attr[edges], strict=True):
        value = sum(bias.edges.tables.weight[offset + f] for offset, f in zip((0, 4), features, strict=True))
        out[first + target, first + source] += 4 * value.detach()  # the target listens to the source
    if bias.token:
        out[0, : len(network) + 1], out[1:, 0] = rows[4], rows[5]
    return out.permute(2, 0, 1)


@pytest.mark.parametrize("token", [False, True])
def test_attention_bias_equals_its_reference(token: bool, graphs: PackedGraphs, batch: GraphBatch) -> None:
    bias = make_bias(token, ENCODING)
    first = int(token)
    size = first + batch.max_nodes
    values = bias(batch).detach()
    assert values.shape == (len(graphs), HEADS, size, size)
    assert len(bias.table) == 6  # distances 0, 1 and 2 or more, unreachable, from and to the token
    for number, network in enumerate(NETWORKS):
        queries = first + len(network)  # what padding would attend to is never read
        expected = slow_bias(bias, graphs, number, size)
        torch.testing.assert_close(values[number, :, :queries], expected[:, :queries])


def test_unreachable_pairs_have_a_value_of_their_own(graphs: PackedGraphs, batch: GraphBatch) -> None:
    bias = make_bias(token=False, encoding=ENCODING)
    before = bias(batch)
    bias.table.data[bias.unreachable] += 1
    changed = (bias(batch) != before)[:, 0]
    for number, network in enumerate(NETWORKS):
        reached = nx.to_numpy_array(nx.transitive_closure(network.to_directed(), reflexive=True)) > 0
        assert torch.equal(changed[number, : len(network), : len(network)], ~torch.from_numpy(reached))


def test_without_distances_nodes_are_told_apart_from_padding_only(batch: GraphBatch) -> None:
    bias = make_bias(token=False, encoding=EncodingConfig(bias_scale=1.0))
    values = bias(batch)
    padding = ~batch.mask[:, None, None, :].expand_as(values)
    assert values[~padding].abs().max() == 0
    assert values[padding].max() == torch.finfo(values.dtype).min


def test_one_graph_without_anything_to_learn_needs_no_bias(graphs: PackedGraphs) -> None:
    encoding = EncodingConfig(rwse=2)
    batch = collate(graphs, encode(graphs, encoding), torch.tensor([5]))
    assert make_bias(token=False, encoding=encoding)(batch) is None
    assert make_bias(token=True, encoding=encoding)(batch) is not None
    for encoding in (EncodingConfig(spd=True), EncodingConfig(edge=True), EncodingConfig(edge_hops=2)):
        one = collate(graphs, encode(graphs, encoding), torch.tensor([5]))
        several = collate(graphs, encode(graphs, encoding), torch.tensor([5, 7]))
        bias, nodes = make_bias(token=False, encoding=encoding), one.max_nodes
        torch.testing.assert_close(bias(one)[0], bias(several)[0, :, :nodes, :nodes])


@pytest.mark.parametrize("gain", [1.0, 8.0])
def test_the_bias_starts_at_the_given_scale(gain: float) -> None:
    torch.manual_seed(0)
    features = Features("categorical", (200,))
    encoding = EncodingConfig(spd=True, max_spd=200, edge=True, edge_hops=3, bias_scale=0.02, bias_gain=gain)
    bias = AttentionBias(encoding, features, 8, token=True)
    assert gain * bias.table.std().item() == pytest.approx(0.02, rel=0.1)
    for part in (bias.edges, bias.paths.edges):
        assert gain * part.tables.weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_categories_are_looked_up_column_by_column() -> None:
    encoder = FeatureEncoder(Features("categorical", (4, 2, 3)), 5)
    x = torch.tensor([[3, 1, 2], [0, 0, 0]])
    table = encoder.tables.weight
    torch.testing.assert_close(
        encoder(x), torch.stack([table[3] + table[5] + table[8], table[0] + table[4] + table[6]])
    )


def test_continuous_features_are_standardised_where_they_say_how() -> None:
    plain = FeatureEncoder(Features("continuous", (2,)), 5)
    scaled = FeatureEncoder(Features("continuous", (2,), mean=(1.0, -2.0), std=(0.5, 1.0)), 5)
    scaled.load_state_dict(plain.state_dict())  # the statistics are the task's, not weights
    x = torch.tensor([[1.0, 3.0], [2.0, -2.0]])
    torch.testing.assert_close(scaled(x), plain(torch.tensor([[0.0, 5.0], [2.0, 0.0]])))


def test_degrees_are_capped_and_tell_in_from_out(batch: GraphBatch) -> None:
    encoder = StructuralEncoder(EncodingConfig(degree=True, max_degree=2), 4)
    out = encoder(torch.zeros(len(batch.x), 4), batch)
    for node in range(len(batch.x)):
        incoming, outgoing = (min(int((ends == node).sum()), 2) for ends in batch.edge_index.flip(0))
        torch.testing.assert_close(out[node], encoder.in_degree.weight[incoming] + encoder.out_degree.weight[outgoing])


def test_eigenvectors_get_one_sign_a_graph_in_training_only(batch: GraphBatch) -> None:
    encoder = StructuralEncoder(EncodingConfig(lap_pe=3), 3)
    encoder.lap_pe.weight.data = torch.eye(3)
    zero = torch.zeros(len(batch.x), 3)
    assert torch.equal(encoder.eval()(zero, batch), batch.lap_pe)
    torch.manual_seed(0)
    drawn = [encoder.train()(zero, batch) for _ in range(4)]
    for out in drawn:
        signs = set()
        for first, last in zip(batch.ptr[:-1].tolist(), batch.ptr[1:].tolist(), strict=True):
            for column in range(3):
                vector, seen = batch.lap_pe[first:last, column], out[first:last, column]
                assert torch.equal(seen, vector) or torch.equal(seen, -vector)
                if vector.abs().max() > 0:
                    signs.add((column, torch.equal(seen, vector)))
        assert len(signs) == 6  # in every column both signs occur
    assert not torch.equal(drawn[0], drawn[1])


@pytest.mark.parametrize("name", ["graphormer", "transformer"])
def test_padding_gets_no_attention_and_both_paths_agree(name: str, graphs: PackedGraphs) -> None:
    from gnn_distill.models import build_student

    spec = make_spec(edges="categorical")
    encoding = preset("encoding", "graphormer" if name == "graphormer" else "walk", bias_scale=0.5)
    student = build_student(preset("student", name, hidden_channels=16, num_layers=3), encoding, spec)
    awaken(student)
    batch = collate(graphs, encode(graphs, encoding), torch.arange(len(graphs)))
    with torch.no_grad():
        fast, explicit = student(batch), student(batch, frozenset({1, 3}))
    assert set(explicit.attention) == {1, 3}
    for ours, theirs in zip((fast.logits, *fast.nodes), (explicit.logits, *explicit.nodes), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    for logits in explicit.attention.values():
        assert logits.shape == (len(graphs), 4, batch.max_nodes, batch.max_nodes)
        padding = ~batch.mask[:, None, None, :].expand_as(logits)
        weights = logits.softmax(dim=-1)
        assert weights[padding].max() == 0
        assert logits[~padding].abs().max() < 1e4
        assert weights.sum(-1).allclose(torch.ones(()))


def test_sparse_features_are_mapped_as_dense_ones_are() -> None:
    x = torch.randn(6, 5) * (torch.rand(6, 5) < 0.4)
    encoder = FeatureEncoder(Features("continuous", (5,)), 4)
    dense = encoder(x)
    dense.square().sum().backward()
    expected = [parameter.grad.clone() for parameter in encoder.parameters()]
    encoder.zero_grad()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sparse = encoder(x.to_sparse_csr())
    torch.testing.assert_close(sparse, dense)
    sparse.square().sum().backward()
    for parameter, gradient in zip(encoder.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_rows_that_stand_for_others() -> None:
    columns = FeatureEncoder(Features("categorical", (4, 2, 3)), 5)
    x = torch.randint(2, (50, 3)) * torch.tensor([3, 1, 2])
    distinct, rows = columns.distinct(x)
    assert torch.equal(distinct[rows], x)
    assert len(distinct) == len(x.unique(dim=0))
    for encoder, x in (
        (FeatureEncoder(Features("continuous", (3,)), 5), torch.ones(4, 3)),
        (FeatureEncoder(Features("categorical", (2,) * 64), 5), torch.ones(4, 64, dtype=torch.long)),
    ):
        distinct, rows = encoder.distinct(x)
        assert torch.equal(distinct[rows], x)
