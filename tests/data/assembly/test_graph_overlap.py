"""Equal graphs in several parts of a split, and equal graphs with contradicting labels, against counts by hand."""

import math

import networkx as nx
import numpy as np
import torch
from random_graphs import pack

from gnn_distill.config.schema.data import DatasetConfig
from gnn_distill.data.assembly.graph_overlap import find_shared_graphs
from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import Features, GraphTask, Splits

SPLITS = Splits(torch.tensor([0, 3, 5, 6, 9]), torch.tensor([1, 4, 8]), torch.tensor([2, 7]))
SIZES = (3, 4, 3, 5, 4, 6, 7, 6, 8, 3)
"""Of ten cycles; those of one size are equal. Size 3: train 0 and 9, test 2; 4: val 1 and 4; 6: train 5, test 7."""
LABELS = (0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0)


def cycles() -> PackedGraphs:
    """Equal ones are written in different order."""
    orders = [np.random.default_rng(place).permutation(size) for place, size in enumerate(SIZES)]
    graphs = pack([nx.relabel_nodes(nx.cycle_graph(len(order)), dict(enumerate(order))) for order in orders])
    graphs.x, graphs.edge_attr = torch.zeros_like(graphs.x), None
    graphs.y = torch.tensor(LABELS)[:, None]
    return graphs


def make(graphs: PackedGraphs, kind: str = "binary", molecules: bool = False) -> GraphTask:
    return assemble(
        DatasetConfig(source="none", name="set"),
        graphs,
        SPLITS,
        kind=kind,
        metric="mae" if kind == "regression" else "accuracy",
        target_names=("y",),
        node_features=Features("continuous", (1,)),
        molecules=molecules,
    )


def test_counts_by_pair_of_parts() -> None:
    task = make(cycles())
    assert task.shared_graphs == {
        "train_val": {"graphs": 0, "other_label": 0},
        "train_test": {"graphs": 2, "other_label": 2},  # graph 2 beside 9, not 0, and graph 7 beside 5
        "val_test": {"graphs": 0, "other_label": 0},
        "contradicting": 7,  # 0, 2, 9; 1, 4; 5, 7
    }
    assert task.notices[-2:] == [
        "Equal graphs (by Weisfeiler-Leman hash, features included) occur in more than one split: 2 of 2 test graphs "
        "also in train (2 with another label). Scores may be too optimistic.",
        "7 of 10 graphs have an equal graph with another label (by Weisfeiler-Leman hash, features included): no GNN "
        "can predict both.",
    ]


def test_features_make_other_graphs() -> None:
    graphs = cycles()
    graphs.x = torch.arange(len(graphs.x)).float()[:, None]
    task = make(graphs)
    assert task.shared_graphs["train_test"] == {"graphs": 0, "other_label": 0}
    assert not any("qual" in notice for notice in task.notices)


def test_a_missing_label_contradicts_none() -> None:
    graphs = cycles()
    graphs.y = torch.cat([graphs.y, torch.zeros(10, 1)], dim=1)
    graphs.y[9, 0] = graphs.y[5, 0] = math.nan
    shared = find_shared_graphs(graphs, SPLITS)
    assert shared["train_test"] == {"graphs": 2, "other_label": 0}
    assert shared["contradicting"] == 2
    graphs.y[5, 1] = 1
    assert find_shared_graphs(graphs, SPLITS)["train_test"] == {"graphs": 2, "other_label": 1}


def test_of_molecules_smiles_tell_more() -> None:
    notices = make(cycles(), molecules=True).notices
    assert not any("occur in more than one split" in notice for notice in notices)
    assert any("7 of 10 graphs have an equal graph with another label" in notice for notice in notices)


def test_graphs_left_out_by_the_split_do_not_count() -> None:
    splits = Splits(torch.tensor([0, 3]), SPLITS.val, torch.tensor([7]))
    assert find_shared_graphs(cycles(), splits)["train_test"] == {"graphs": 0, "other_label": 0}
    assert find_shared_graphs(cycles(), splits)["contradicting"] == 2
