import math

import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.transforms import NormalizeFeatures

from gnn_distill.config.schema.data import NodeDatasetConfig
from gnn_distill.data.assembly.input_pipeline import normalize_rows
from gnn_distill.data.assembly.nodes import assemble_nodes
from gnn_distill.data.packed import mean_log_degree
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError

NODES = 60


@pytest.fixture
def data() -> Data:
    """A connected graph, directed, whose nodes tell themselves apart by their features; 40 of 60 are in a part."""
    random = torch.Generator().manual_seed(0)
    ring = torch.stack([torch.arange(NODES), (torch.arange(NODES) + 1) % NODES])
    edge_index = torch.cat([ring, torch.randint(NODES, (2, 90), generator=random)], dim=1).unique(dim=1)
    graph = Data(torch.rand(NODES, 4, generator=random), edge_index, y=torch.arange(NODES) % 3)
    for name, start, end in (("train", 0, 20), ("val", 20, 30), ("test", 30, 40)):
        graph[f"{name}_mask"] = (torch.arange(NODES) * 7 % NODES >= start) & (torch.arange(NODES) * 7 % NODES < end)
    return graph


def make(data: Data, **config: object) -> GraphTask:
    return assemble_nodes(NodeDatasetConfig(source="none", name="set", **config), data)


def pairs(edge_index: torch.Tensor) -> list[tuple[int, int]]:
    return sorted(zip(*edge_index.tolist(), strict=True))


def test_one_graph_with_a_row_of_y_a_node(data: Data) -> None:
    task = make(data)
    graphs, spec = task.graphs, task.spec
    assert (graphs.level, spec.level, task.setting, len(graphs)) == ("node", "node", "transductive", 1)
    assert graphs.x is data.x  # features may take gigabytes
    assert torch.equal(graphs.y[:, 0], data.y.float())
    assert (spec.kind, spec.num_outputs, spec.target_names, spec.metric) == (
        "multiclass",
        3,
        ("0", "1", "2"),
        "accuracy",
    )
    assert (spec.node_features.sizes, spec.edge_features) == ((4,), None)
    for part in ("train", "val", "test"):
        assert torch.equal(getattr(task.splits, part), data[f"{part}_mask"].nonzero().flatten())
    assert "20 of 60 nodes are in no split: the model sees them but never their labels." in task.notices


def test_two_classes_are_measured_by_roc_auc(data: Data) -> None:
    data.y = (data.y == 1).long()
    spec = make(data).spec
    assert (spec.kind, spec.num_outputs, spec.target_names, spec.metric) == ("binary", 1, ("label",), "roc_auc")
    assert make(data, metric="accuracy").spec.metric == "accuracy"


def test_edges_get_their_reverses_once(data: Data) -> None:
    data.edge_attr = torch.arange(data.num_edges).float()[:, None]
    there = dict(zip(pairs(data.edge_index), data.edge_attr[:, 0].tolist(), strict=True))
    data.edge_index = torch.cat([data.edge_index, data.edge_index[:, :5]], dim=1)  # five edges twice
    data.edge_attr = torch.cat([data.edge_attr, data.edge_attr[:5]])
    directed, both = make(data, undirected=False).graphs, make(data).graphs
    assert pairs(directed.edge_index) == sorted(there)
    assert pairs(both.edge_index) == sorted(there.keys() | {(b, a) for a, b in there})
    for edge, value in zip(both.edge_index.T.tolist(), both.edge_attr[:, 0].tolist(), strict=True):
        found = [there[pair] for pair in (tuple(edge), tuple(edge[::-1])) if pair in there]
        assert value == pytest.approx(sum(found) / len(found))
    before, after = data.num_edges, both.edge_index.size(1)
    repeated, reverses = make(data).notices[:2]
    assert repeated == f"5 of {before} edges of set are duplicates: each is kept once."
    assert reverses.startswith(f"The {before - 5} directed edges of set became {after} with their reverses added.")
    assert not any("reverses" in notice for notice in make(data, undirected=False).notices)


@pytest.mark.parametrize("fraction", [1.0, 0.5])
def test_inductive_graphs_lack_the_nodes_that_are_read_later_and_their_edges(data: Data, fraction: float) -> None:
    data.edge_attr = torch.rand(data.num_edges, 2)
    whole = make(data, train_fraction=fraction)
    task = make(data, train_fraction=fraction, setting="inductive")
    graphs, splits = task.graphs, task.splits
    assert (task.setting, len(graphs)) == ("inductive", 3)
    first = graphs.select(torch.tensor([0]))
    for name in ("x", "edge_index", "edge_attr", "y"):
        assert torch.equal(getattr(first, name), getattr(whole.graphs, name))
    assert torch.equal(splits.test, whole.splits.test)
    test = set(splits.test.tolist())
    for number, hidden in ((1, test | set(whole.splits.val.tolist())), (2, test)):
        graph = graphs.select(torch.tensor([number]))
        seen = [node for node in range(NODES) if node not in hidden]
        assert torch.equal(graph.x, data.x[seen])
        assert torch.equal(graph.y[:, 0], data.y[seen].float())
        kept = {
            (seen.index(a), seen.index(b)): attr
            for (a, b), attr in zip(first.edge_index.T.tolist(), first.edge_attr.tolist(), strict=True)
            if a not in hidden and b not in hidden
        }
        assert pairs(graph.edge_index) == sorted(kept)
        assert [kept[pair] for pair in map(tuple, graph.edge_index.T.tolist())] == graph.edge_attr.tolist()
    for part, number in (("train", 1), ("val", 2)):
        rows, start = getattr(splits, part), int(graphs.node_ptr[number])
        assert torch.equal(graphs.x[rows], data.x[getattr(whole.splits, part)])
        assert torch.equal(task.nodes[rows], getattr(whole.splits, part))
        assert int(rows.min()) >= start
        assert int(rows.max()) < int(graphs.node_ptr[number + 1])
        assert torch.equal(rows, rows.sort().values)
    second, start = graphs.select(torch.tensor([1])), int(graphs.node_ptr[1])
    assert task.spec.log_degree == mean_log_degree(second, splits.train - start) != whole.spec.log_degree


def test_train_fraction_thins_training_only(data: Data) -> None:
    full, half = make(data), make(data, train_fraction=0.5)
    assert set(half.splits.train.tolist()) < set(full.splits.train.tolist())
    assert np.bincount(data.y[half.splits.train]).tolist() == [4, 4, 3]  # of 7, 7 and 6, rounded
    assert torch.equal(half.splits.test, full.splits.test)


def test_rows_are_divided_by_their_sum(data: Data) -> None:
    words = (torch.rand(50, 8) < 0.3).float()
    words[3] = 0
    expected = NormalizeFeatures()(Data(x=words)).x
    normalize_rows(words)
    assert torch.allclose(words, expected)
    weights = torch.tensor([[0.1, 0.3], [0.0, 0.0]])  # PyG leaves sums below one as they are
    normalize_rows(weights)
    assert torch.allclose(weights, torch.tensor([[0.25, 0.75], [0.0, 0.0]]))
    data.x[1, 1] = -1
    with pytest.raises(UserError, match=r"dataset\.normalize_features=true: some features are negative"):
        make(data, normalize_features=True)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("what", ["node", "edge"])
def test_features_that_are_not_finite(data: Data, what: str, value: float) -> None:
    data.edge_attr = torch.rand(data.num_edges, 2)
    (data.x if what == "node" else data.edge_attr)[7, 1] = value
    total = NODES if what == "node" else data.num_edges
    with pytest.raises(UserError, match=rf"1 of {total} {what}s \(ids 7\) have {what} features that are NaN or inf"):
        make(data, undirected=False)


def test_isolated_nodes_are_announced(data: Data) -> None:
    data.edge_index = torch.tensor([[0, 1, 2], [1, 2, 2]])
    data.edge_index = torch.cat([data.edge_index, torch.arange(5, NODES).repeat(2, 1).roll(1, 1)[:, :1]], dim=1)
    notice = next(notice for notice in make(data).notices if "neighbours" in notice)
    assert notice.startswith("57 of 60 nodes (ids 3, 4, 5, ...) have no neighbours")


def test_class_absent_from_training_is_announced_while_two_are_left(data: Data) -> None:
    data.train_mask &= data.y != 2
    assert "Class 2 is absent from the training split: it cannot be learned." in make(data).notices
    data.train_mask &= data.y != 1
    with pytest.raises(UserError, match="Class 1, 2 is absent from the training split"):
        make(data)


def test_binary_parts_need_both_classes(data: Data) -> None:
    data.y = (data.y == 1).long()
    data.val_mask &= data.y == 0
    with pytest.raises(UserError, match="Class 1 is absent from the validation split: roc_auc is undefined there"):
        make(data)
    assert "Class 1 is absent from the validation split." in make(data, metric="accuracy").notices


def test_empty_part(data: Data) -> None:
    data.val_mask[:] = False
    with pytest.raises(UserError, match="set: 60 nodes are too few for training, validation and test splits"):
        make(data)
