"""A teacher and a student on any graphs: an output is a graph's own, whoever is in its batch, and in whatever order."""

import networkx as nx
import pytest
import torch
from drawn_graphs import networks
from hypothesis import given
from hypothesis import strategies as st
from small_tasks import awaken, encode, make_graphs, make_spec
from test_models import assert_same, build, of_graph, run

from gnn_distill.data.batching import collate


@pytest.mark.parametrize("name", ["gin edges", "graphormer edges", "graphvit gine"])
@given(drawn=st.lists(networks(), min_size=1, max_size=6), data=st.data(), seed=st.integers(0, 100))
def test_batch_mates_change_nothing(name: str, drawn: list[nx.MultiDiGraph], data: st.DataObject, seed: int) -> None:
    model, _, reads = build(name)
    awaken(model)
    graphs = make_graphs(make_spec("multiclass", edges="categorical"), tuple(map(nx.DiGraph, drawn)), seed)
    encodings = encode(graphs, *reads)
    ids = data.draw(st.lists(st.integers(0, len(graphs) - 1), min_size=1, max_size=6), label="ids")
    together = collate(graphs, encodings, torch.tensor(ids))
    out = run(model, together)
    for place, graph in enumerate(ids):
        alone = collate(graphs, encodings, torch.tensor([graph]))
        assert_same(of_graph(out, together, place), of_graph(run(model, alone), alone, 0))
