"""far_motif: graphs as described, and the two ceilings that make it a test."""

from itertools import combinations

import networkx as nx
import pytest
import torch

from gnn_distill.config.schema.data import FarMotifConfig, PathsConfig
from gnn_distill.data.sources.far_motif import ANCHOR, FILLER, QUERY, A, B, load
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError

FAR = FILLER + 4
"""The far anchor's type where the relation is visible."""


def make(**changes: object) -> GraphTask:
    return load(FarMotifConfig(**{"num_train": 60, "num_val": 20, "num_test": 40, **changes}), PathsConfig())


@pytest.fixture(scope="module")
def task() -> GraphTask:
    return make()


def to_networkx(task: GraphTask, index: int) -> nx.Graph:
    graph = task.graphs.select(torch.tensor([index]))
    result = nx.DiGraph(graph.edge_index.t().tolist())
    assert all(result.has_edge(b, a) for a, b in result.edges)
    nx.set_node_attributes(result, dict(enumerate(graph.x[:, 0].tolist())), "type")
    return result.to_undirected()


def of_type(graph: nx.Graph, *types: int) -> list[int]:
    return [node for node, kind in graph.nodes("type") if kind in types]


def motifs(graph: nx.Graph, *anchors: int) -> list[tuple[int, nx.Graph]]:
    """Distance of the anchor from the query, and the ring that hangs on it; the near one first."""
    (query,) = of_type(graph, QUERY)
    inside = graph.subgraph(of_type(graph, A, B))
    found = []
    for anchor in of_type(graph, *anchors):
        (first,) = set(graph[anchor]) & set(inside)
        ring = inside.subgraph(nx.node_connected_component(inside, first))
        found.append((nx.shortest_path_length(graph, query, anchor), ring))
    return sorted(found, key=lambda item: item[0])


def kind(ring: nx.Graph) -> int:
    """0: two edges join an a and a b; 1: four do."""
    mixed = sum(ring.nodes[a]["type"] != ring.nodes[b]["type"] for a, b in ring.edges)
    return {2: 0, 4: 1}[mixed]


def test_graphs_and_labels_are_as_described(task: GraphTask) -> None:
    hops = set()
    for index in range(len(task.graphs)):
        graph = to_networkx(task, index)
        assert (len(graph), graph.number_of_edges()) == (34, 36)
        (near, near_ring), (far, far_ring) = motifs(graph, ANCHOR)
        assert near == 7
        assert 10 <= far <= 12
        for ring in (near_ring, far_ring):
            assert len(ring) == ring.number_of_edges() == 4
            assert len(of_type(ring, A)) == len(of_type(ring, B)) == 2
        assert task.graphs.y[index, 0] == kind(far_ring)
        assert task.label_distance[index] == far
        hops.add(far)
    assert hops == {10, 11, 12}
    assert 0.3 < float(task.graphs.y.mean()) < 0.7


def test_parts_are_drawn_on_their_own_and_only_grow(task: GraphTask) -> None:
    longer = make(num_train=80)
    assert torch.equal(longer.graphs.x[: 60 * 34], task.graphs.x[: 60 * 34])
    assert torch.equal(longer.graphs.x[80 * 34 :], task.graphs.x[60 * 34 :])
    assert not torch.equal(make(split_seed=1).graphs.x, task.graphs.x)
    assert task.fingerprint == make().fingerprint


def test_no_ball_of_three_hops_tells_near_from_far() -> None:
    """Three rounds of message passing see the same when the motifs are exchanged, and nine do not."""
    task, exchanges = make(fillers=1), 0
    for index in range(20):
        graph = to_networkx(task, index)
        centres = of_type(graph, QUERY, ANCHOR)
        assert all(nx.shortest_path_length(graph, a, b) > 6 for a, b in combinations(centres, 2))
        (_, near_ring), (_, far_ring) = motifs(graph, ANCHOR)
        if kind(near_ring) == kind(far_ring):
            continue
        exchanged = graph.copy()
        for one, other in ((near_ring, far_ring), (far_ring, near_ring)):
            for node, twin in zip(_from_door(graph, one), _from_door(graph, other), strict=True):
                exchanged.nodes[node]["type"] = graph.nodes[twin]["type"]
        assert [kind(ring) for _, ring in motifs(exchanged, ANCHOR)] == [kind(far_ring), kind(near_ring)]
        assert _colours(graph, 3) == _colours(exchanged, 3)
        assert _colours(graph, 9) != _colours(exchanged, 9)
        exchanges += 1
    assert exchanges > 5


def _from_door(graph: nx.Graph, ring: nx.Graph) -> list[int]:
    """A motif's nodes, from the one that hangs on the anchor, around."""
    (door,) = [node for node in ring if set(graph[node]) - set(ring)]
    return [*nx.dfs_preorder_nodes(ring, door)]


def _colours(graph: nx.Graph, rounds: int) -> list[str]:
    """Weisfeiler-Leman colours of all nodes."""
    found = nx.weisfeiler_lehman_subgraph_hashes(graph, node_attr="type", iterations=rounds)
    return sorted(colours[-1] for colours in found.values())


def test_controls_make_one_part_visible() -> None:
    for index in range(10):
        graph = to_networkx(make(local="visible"), index)
        for _, ring in motifs(graph, ANCHOR):
            assert len(of_type(ring, A)) in (0, 4)
    marked = make(relation="visible")
    for index in range(10):
        graph = to_networkx(marked, index)
        ((_, far_ring),) = motifs(graph, FAR)
        assert marked.graphs.y[index, 0] == kind(far_ring)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"near": [6, 7]}, "dataset.near=[6, 7]: must exceed 2·dataset.reach=6"),
        ({"near": [7]}, "dataset.near=[7]: must be the fewest and the most hops"),
        ({"far": [9, 12]}, "dataset.far=[9, 12]: must be at least 3 hops beyond"),
        ({"ring": 25}, "dataset.ring=25: too short"),
        ({"far": [10, 14]}, "Set dataset.ring=28, or more."),
    ],
)
def test_distances_that_leave_nothing_far_are_refused(changes: dict, said: str) -> None:
    with pytest.raises(UserError) as caught:
        make(**changes)
    assert said in str(caught.value)
