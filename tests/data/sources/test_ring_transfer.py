"""ring_transfer: the target alone has a label, the source's class, at the stated distance; no part shares a graph."""

import networkx as nx
import pytest
import torch
from small_tasks import awaken, preset

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.node_graphs import RingTransferConfig
from gnn_distill.data.batching import collate
from gnn_distill.data.sources.ring_transfer import TOPOLOGIES, load
from gnn_distill.data.task import GraphTask
from gnn_distill.models import build_teacher

SHAPES = {
    "ring": lambda d: nx.cycle_graph(2 * d),
    "crossed_ring": lambda d: nx.compose(
        nx.cycle_graph(2 * d), nx.Graph([(i, 2 * d - 1 - i) for i in range(2 * d) if i != 2 * d - 1 - i])
    ),
    "clique_path": lambda d: nx.lollipop_graph(d, d - 1),
    "line": lambda d: nx.path_graph(d + 1),
}


def make(**changes: object) -> GraphTask:
    return load(RingTransferConfig(**{"num_train": 60, "num_val": 20, "num_test": 40, **changes}), PathsConfig())


@pytest.mark.parametrize("distance", [2, 3, 6])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_graphs_and_labels_are_as_described(topology: str, distance: int) -> None:
    task = make(topology=topology, distance=distance)
    classes, places = set(), set()
    for index in range(len(task.graphs)):
        graph = task.graphs.select(torch.tensor([index]))
        network = nx.Graph(graph.edge_index.T.tolist())
        assert nx.is_isomorphic(network, SHAPES[topology](distance))
        noise, one_hot, mark = graph.x[:, 0], graph.x[:, 1:-1], graph.x[:, -1]
        assert ((noise >= 0) & (noise < 1)).all()
        (source,), (target,) = one_hot.sum(1).nonzero(as_tuple=True)[0].tolist(), mark.nonzero().squeeze(1).tolist()
        assert nx.shortest_path_length(network, source, target) == distance
        assert (~graph.y[:, 0].isnan()).nonzero().squeeze(1).tolist() == [target]
        assert float(graph.y[target]) == int(one_hot[source].argmax())
        classes.add(int(one_hot[source].argmax()))
        places.add((source, target))
    assert classes == set(range(5))
    assert len(places) > 3
    rows = torch.cat([task.splits.train, task.splits.val, task.splits.test])
    assert torch.equal(rows, (~task.graphs.y[:, 0].isnan()).nonzero().squeeze(1))
    assert [len(getattr(task.splits, part)) for part in ("train", "val", "test")] == [60, 20, 40]


def test_no_graph_is_in_two_parts_and_a_longer_part_only_adds() -> None:
    task, longer, other = make(), make(num_train=80), make(split_seed=1)
    assert all(counts == {"graphs": 0, "other_label": 0} for pair, counts in task.shared_graphs.items() if "_" in pair)
    rows = int(task.graphs.node_ptr[60])
    assert torch.equal(task.graphs.x[:rows], longer.graphs.x[:rows])
    assert torch.equal(task.graphs.x[task.splits.test], longer.graphs.x[longer.splits.test])
    assert not torch.equal(task.graphs.x, other.graphs.x)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_one_layer_less_than_the_distance_cannot_see_the_source(topology: str) -> None:
    """The target's output does not change with the class of its source, but does with one layer more."""
    task = make(topology=topology, distance=4)
    other = task.graphs.x.clone()
    other[:, 1:-1] = other[:, 1:-1].roll(1, dims=1)
    for layers in (3, 4):
        torch.manual_seed(0)
        model = awaken(build_teacher(preset("teacher", "gin", hidden_channels=16, num_layers=layers), task.spec))
        batch = collate(task.graphs, None, torch.arange(20))
        with torch.no_grad():
            first = model(batch).logits[batch.x[:, -1] == 1]
            batch.x = other[batch.node_rows]
            second = model(batch).logits[batch.x[:, -1] == 1]
        assert torch.equal(first, second) == (layers == 3)
