"""Pairs that theory says a model cannot tell apart, and pairs that it must."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch
from small_tasks import preset
from torch import nn

from gnn_distill.config.schema.data import DatasetConfig
from gnn_distill.config.schema.separate import ComparisonsConfig, SeparateCommand, SeparateConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.reading.graph_pairs import pack, spec_of
from gnn_distill.models.representations import Representations
from gnn_distill.pipeline import separate
from gnn_distill.pipeline.separate import (
    COLUMNS,
    ModelMaker,
    copies_of,
    separate_pair,
    separate_pairs,
    separate_untrained,
)

TWO_TRIANGLES = nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(3))
EQUAL_TO_WL = [nx.cycle_graph(6), TWO_TRIANGLES]
"""Message passing cannot tell them apart; hop distances can."""
DIFFERENT = [nx.path_graph(6), nx.star_graph(5)]


def command(role: str, name: str, **changes: object) -> SeparateCommand:
    sections = {"teacher": preset("teacher", "none"), "student": preset("student", "none")}
    sections[role] = preset(role, name, hidden_channels=16, num_layers=3)
    sections |= {"encoding": preset("encoding", "graphormer"), "separate": SeparateConfig(models=3)}
    sections |= {"brec": ComparisonsConfig(lr=1e-3)} | changes
    return SeparateCommand(dataset=DatasetConfig(source="brec", name="BREC"), **sections)


GIN, GRAPHORMER = ("teacher", "gin"), ("student", "graphormer")


@pytest.mark.parametrize(
    ("model", "graphs", "told_apart"),
    [(GIN, EQUAL_TO_WL, 0), (GRAPHORMER, EQUAL_TO_WL, 1), (GIN, DIFFERENT, 1), (GRAPHORMER, DIFFERENT, 1)],
)
def test_untrained_models_tell_apart_what_they_can(model: tuple[str, str], graphs: list, told_apart: int) -> None:
    config = command(*model, separate=SeparateConfig(models=3, tolerance=1e-9))
    table, same = separate_untrained(config, pack(graphs), ModelMaker(config), lambda *_: None)
    assert table["model"].tolist() == ["0", "1", "2", "all"]
    assert table["told_apart"].tolist() == [told_apart] * 4
    assert (table["told_apart"] + table["not_told_apart"] == table["pairs"]).all()
    assert table["unstable"].tolist() == [0] * 4
    assert same.tolist() == ([] if told_apart else [[0, 1]])


class OrderReader(nn.Module):
    """A faulty model: it reads the numbers of the nodes."""

    def forward(self, batch: GraphBatch) -> Representations:
        inside = batch.edge_index - batch.ptr[batch.batch[batch.edge_index[0]]]
        products = torch.zeros(batch.num_graphs, dtype=torch.double)
        products.index_add_(0, batch.batch[batch.edge_index[0]], inside.prod(dim=0).double())
        return Representations(products[:, None], (), torch.empty(0))


def test_graphs_that_a_model_tells_from_their_own_copies_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    config, graphs = command(*GIN), [nx.path_graph(9), nx.star_graph(7), nx.complete_graph(5)]
    maker = ModelMaker(config)
    monkeypatch.setattr(maker, "make", lambda *_: OrderReader())
    table, _ = separate_untrained(config, pack(graphs), maker, lambda *_: None)
    assert table["unstable"].tolist() == [2] * 4  # the complete graph has one form


@pytest.mark.parametrize(
    ("model", "graphs", "distinguished"),
    [(GIN, EQUAL_TO_WL, False), (GRAPHORMER, EQUAL_TO_WL, True), (GIN, DIFFERENT, True)],
)
def test_trained_models_distinguish_what_they_can(model: tuple[str, str], graphs: list, distinguished: bool) -> None:
    config, packed = command(*model), pack(graphs)
    maker = ModelMaker(config)
    row = separate_pair(config, packed, maker, spec_of("BREC", packed, config.brec.outputs), 0)
    assert row["distinguished"] == distinguished
    assert row["reliable"]
    assert row == separate_pair(config, packed, maker, spec_of("BREC", packed, config.brec.outputs), 0)


def test_a_pair_does_not_depend_on_the_pairs_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack(EQUAL_TO_WL + DIFFERENT + EQUAL_TO_WL[::-1])
    monkeypatch.setattr(separate, "PAIRS", {"basic": range(2), "regular": range(2, 3)})
    config = command(*GIN, brec=ComparisonsConfig(categories=["regular", "basic"], max_epochs=2))
    maker = ModelMaker(config)
    rows = [*separate_pairs(config, packed, maker, [])]
    assert [(row["pair"], row["category"]) for row in rows] == [(2, "regular"), (0, "basic"), (1, "basic")]
    assert {*rows[0]} == {*COLUMNS}
    assert [*separate_pairs(config, packed, maker, [2, 0])] == rows[2:]
    other = [*separate_pairs(replace(config, seed=1), packed, maker, [2, 0])]
    assert other[0]["statistic"] != rows[2]["statistic"]


def edges(graphs: PackedGraphs, index: int) -> set[tuple[int, int]]:
    return {*map(tuple, graphs.select(torch.tensor([index])).edge_index.t().tolist())}


def test_the_first_copy_of_each_graph_is_the_graph_itself() -> None:
    packed = pack([nx.path_graph(7), nx.star_graph(5)])
    copies = copies_of(packed, torch.tensor([1, 0, 1, 0, 1, 0]), np.random.default_rng(0))
    assert edges(copies, 0) == edges(packed, 1)
    assert edges(copies, 1) == edges(packed, 0)
    assert edges(copies, 3) != edges(packed, 0)
    for index, size in enumerate([6, 7] * 3):
        made = nx.Graph([*edges(copies, index)])
        assert nx.is_isomorphic(made, nx.star_graph(5) if size == 6 else nx.path_graph(7))
