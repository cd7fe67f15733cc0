"""Packed graphs hold what the list of graphs held."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data

from gnn_distill.data.packed import PackedGraphs, gather_ranges, pointers
from gnn_distill.errors import UserError


def graph(num_nodes: int, num_edges: int, **more) -> Data:
    return Data(
        x=torch.randint(9, (num_nodes, 2)),
        edge_index=torch.randint(num_nodes, (2, num_edges)),
        edge_attr=torch.randint(4, (num_edges, 1)),
        **more,
    )


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.data())
@settings(max_examples=30)
def test_gather_ranges(lengths, data):
    ids = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=10))
    ptr = pointers(torch.tensor(lengths))
    expected = [row for i in ids for row in range(int(ptr[i]), int(ptr[i + 1]))]
    assert gather_ranges(ptr, torch.tensor(ids, dtype=torch.long)).tolist() == expected


def test_pack_and_select():
    data_list = [graph(n, m, y=torch.tensor([[n, m]])) for n, m in [(3, 4), (1, 0), (5, 9), (2, 1)]]
    packed = PackedGraphs.from_data_list(data_list, num_targets=2)
    assert len(packed) == 4
    assert packed.num_nodes.tolist() == [3, 1, 5, 2]
    assert packed.num_edges.tolist() == [4, 0, 9, 1]
    assert packed.node_graph.tolist() == [0] * 3 + [1] + [2] * 5 + [3] * 2
    for order in ([0, 1, 2, 3], [2, 0], [1], []):
        chosen = packed.select(torch.tensor(order, dtype=torch.long))
        assert len(chosen) == len(order)
        for place, i in enumerate(order):
            nodes = slice(chosen.node_ptr[place], chosen.node_ptr[place + 1])
            edges = slice(chosen.edge_ptr[place], chosen.edge_ptr[place + 1])
            assert torch.equal(chosen.x[nodes], data_list[i].x)
            assert torch.equal(chosen.edge_index[:, edges], data_list[i].edge_index)
            assert torch.equal(chosen.global_edge_index[:, edges], data_list[i].edge_index + nodes.start)
            assert torch.equal(chosen.edge_attr[edges], data_list[i].edge_attr)
            assert torch.equal(chosen.y[place], data_list[i].y[0].float())


def test_flat_features_become_columns_and_missing_labels_nan():
    data_list = [
        Data(
            x=torch.tensor([1, 2]), edge_index=torch.tensor([[0], [1]]), edge_attr=torch.tensor([3]), y=torch.tensor(7)
        ),
        Data(x=torch.tensor([5]), edge_index=torch.empty(2, 0, dtype=torch.long)),
    ]
    packed = PackedGraphs.from_data_list(data_list, num_targets=1)
    assert packed.x.tolist() == [[1], [2], [5]]
    assert packed.edge_attr.tolist() == [[3]]
    assert packed.y[0].item() == 7
    assert packed.y[1].isnan()


def test_labels_keep_the_digits_that_they_came_with() -> None:
    data = Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0], [1]]), y=torch.tensor([1e7 + 1e-3]).double() + 1e-3)
    assert PackedGraphs.from_data_list([data], 1).y.dtype == torch.double
    data.y = data.y.float()
    assert PackedGraphs.from_data_list([data], 1).y.dtype == torch.float
    data.y = torch.tensor([3])
    assert PackedGraphs.from_data_list([data], 1).y.dtype == torch.float


def changed(**parts) -> Data:
    return Data(**{**graph(3, 2).to_dict(), **parts})


DISAGREE = {
    "no x": (
        changed(x=None),
        r"graph 1: x must be \[nodes, features\], \[2\] per node as in the preceding graphs; it is m",
    ),
    "wider x": (changed(x=torch.ones(3, 4)), r"graph 1: x must be .* it is torch.float32 \[3, 4\]"),
    "no edges": (changed(edge_index=None), "graph 1: edge_index must be whole numbers .* it is missing"),
    "edges of floats": (changed(edge_index=torch.ones(2, 2)), "graph 1: edge_index must be whole numbers"),
    "edges in rows": (changed(edge_index=torch.ones(3, 2).long()), r"it is torch.int64 \[3, 2\]"),
    "a row too few": (changed(edge_attr=torch.ones(1, 1)), "graph 1: edge_attr must have one row for each of 2 edges"),
    "no edge_attr": (
        changed(edge_attr=None),
        "graph 1: edge_attr is required in all graphs that have edges, or in none",
    ),
    "y": (changed(y=torch.ones(3)), r"graph 1: y must have 2 values; it is torch.float32 \[3\]"),
}


@pytest.mark.parametrize("case", DISAGREE)
def test_graphs_that_disagree_are_refused(case):
    bad, message = DISAGREE[case]
    with pytest.raises(UserError, match=message):
        PackedGraphs.from_data_list([graph(3, 2), bad], num_targets=2)


def test_a_graph_without_edges_needs_no_edge_features():
    bare = Data(x=torch.ones(2, 2).long(), edge_index=torch.empty(2, 0, dtype=torch.long))
    assert PackedGraphs.from_data_list([bare, graph(3, 2)], num_targets=1).edge_attr.shape == (2, 1)
