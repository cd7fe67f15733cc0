"""The peers of the benchmarks compute what they should."""

import networkx as nx
import pytest
import torch
from torch_geometric.data import Batch

from benchmarks.graphs import drawn_task
from benchmarks.peers.batches import data_with_distances, data_with_paths, plain_data, spatial_types, to_data
from benchmarks.peers.gps import GPS, GPSShape
from benchmarks.peers.graphormer import Graphormer, GraphormerShape
from benchmarks.peers.preprocessing import graphormer_recipe, scipy_distances
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.data.batching import collate
from gnn_distill.data.encodings.structural import compute_encodings
from gnn_distill.models import build_student

# The recipe hands PyTorch two masks of different types.
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")
IDS = torch.arange(12)
SHAPE = GraphormerShape(channels=16, num_layers=2, num_heads=4, distance=6, hops=6)
# Of so few nodes the drawn graphs are trees: only one path leads from node to node.
TREES = drawn_task(12, 8, seed=3)


@pytest.mark.parametrize("hops", [0, 5])
def test_textbook_graphormer_is_our_graphormer(hops: int) -> None:
    torch.manual_seed(0)
    peer = Graphormer(SHAPE, TREES.spec, paths=hops > 0).eval()
    encoding = EncodingConfig(degree=True, max_degree=63, spd=True, max_spd=5, edge_hops=hops)
    config = StudentConfig("graphormer", hidden_channels=16, num_layers=2, num_heads=4, ffn_ratio=1.0)
    ours = build_student(config, encoding, TREES.spec).eval()
    with torch.no_grad():
        for parameter in peer.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
        if hops:
            peer.bias.edge.weight[0] = 0  # which it counts along the rest of every path
        copy_weights(peer, ours)
    data_list = (
        data_with_paths(TREES.graphs, IDS, SHAPE.distance, SHAPE.hops)
        if hops
        else data_with_distances(TREES.graphs, IDS, SHAPE.distance)
    )
    with torch.no_grad():
        graph, nodes = peer.states(Batch.from_data_list(data_list))
        out = ours(collate(TREES.graphs, compute_encodings(TREES.graphs, encoding), IDS))
    assert torch.allclose(graph, out.graph, atol=1e-5)
    assert torch.allclose(nodes, out.nodes[-1], atol=1e-5)


def copy_weights(peer: Graphormer, ours: torch.nn.Module) -> None:
    table, spatial = ours.bias.table, peer.bias.spatial.weight
    table[: len(spatial)] = spatial
    table[len(spatial) :] = peer.bias.token.view(1, -1)
    if peer.bias.edge is not None:
        values = torch.einsum("tg,ngh->tnh", peer.bias.edge.weight, peer.bias.hop[: ours.bias.paths.hops])
        ours.bias.paths.edges.tables.weight.copy_(values.flatten(1))
    pairs = [
        (ours.features.tables, peer.tables[0]),
        (ours.structure.in_degree, peer.in_degree),
        (ours.structure.out_degree, peer.out_degree),
        (ours.norm, peer.norm),
    ]
    ours.token.copy_(peer.token[0])
    for mine, theirs in zip(ours.layers, peer.layers, strict=True):
        mine.attention.qkv.weight.copy_(theirs.attention.in_proj_weight)
        mine.attention.qkv.bias.copy_(theirs.attention.in_proj_bias)
        pairs += [
            (mine.attention.out, theirs.attention.out_proj),
            (mine.norm1, theirs.norm),
            (mine.norm2, theirs.mlp[0]),
        ]
        pairs += [(mine.ffn[0], theirs.mlp[1]), (mine.ffn[3], theirs.mlp[4])]
    for mine, theirs in pairs:
        mine.load_state_dict(theirs.state_dict())


def test_recipe_gives_hops_types_and_degrees() -> None:
    data = to_data(drawn_task(10, 30).graphs, 3)
    found = graphormer_recipe(data, distance=4)
    nodes = data.num_nodes
    graph = nx.DiGraph(data.edge_index.T.tolist())
    types = {tuple(edge): kind for edge, kind in zip(data.edge_index.T.tolist(), data.edge_attr.tolist(), strict=True)}
    hops = dict(nx.all_pairs_shortest_path_length(graph))
    assert found.in_degrees.tolist() == [graph.in_degree(node) for node in range(nodes)]
    for pair, (row, column) in enumerate(found.graph_index.T.tolist()):
        assert (row, column) == divmod(pair, nodes)
        assert found.spatial_types[pair] == min(hops[row][column], 3)
        if hops[row][column] == 1:
            assert found.shortest_path_types[pair].tolist() == [types[row, column], 0, 0, 0]
    assert (found.shortest_path_types > 0).sum(dim=1).equal(found.spatial_types)
    assert torch.equal(torch.from_numpy(scipy_distances(data)).clamp(max=3).flatten().long(), found.spatial_types)


def test_our_distances_stand_in_for_the_recipe() -> None:
    task = drawn_task(10, 20)
    ids = torch.tensor([4, 1])
    for data in data_with_distances(task.graphs, ids, distance=5):
        data.edge_attr, edge_attr = None, data.edge_attr
        assert edge_attr is not None
        for name, value in graphormer_recipe(data, distance=5)._asdict().items():
            assert value is None or torch.equal(data[name], value)
    assert spatial_types(torch.tensor([0, 9, 255], dtype=torch.uint8), 5).tolist() == [0, 4, 5]


@pytest.mark.parametrize("name", ["graphormer", "paths", "gps", "attention"])
def test_companions_change_no_output(name: str) -> None:
    torch.manual_seed(0)
    if name in ("gps", "attention"):
        shape = GPSShape(channels=16, num_layers=2, num_heads=4, walk_steps=4, local=name == "gps")
        model, data_list = GPS(shape, TREES.spec), plain_data(TREES.graphs, IDS, 4)
    else:
        model = Graphormer(SHAPE, TREES.spec, paths=name == "paths")
        data_list = data_with_paths(TREES.graphs, IDS, SHAPE.distance, SHAPE.hops)
    model.eval()
    with torch.no_grad():
        together = model(Batch.from_data_list(data_list))
        alone = torch.cat([model(Batch.from_data_list([data])) for data in data_list])
    assert together.std() > 0
    assert torch.allclose(together, alone, atol=1e-5)
