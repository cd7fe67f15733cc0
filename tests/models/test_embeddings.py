"""Embeddings in the order of their graphs, and pairs of them that are the same, against a plain double loop."""

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_tasks import preset
from torch import nn

from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.encodings.structural import compute_encodings
from gnn_distill.data.reading.graph_pairs import pack, relabelled, spec_of
from gnn_distill.models import build_student, build_teacher, embeddings
from gnn_distill.models.embeddings import embed, in_double, same_pairs
from gnn_distill.models.representations import Representations


def slow_same_pairs(values: np.ndarray, tolerance: float) -> list[list[int]]:
    graphs = values.shape[1]
    return [
        [a, b]
        for a in range(graphs)
        for b in range(a + 1, graphs)
        if all(sum(abs(x - y) for x, y in zip(model[a], model[b], strict=True)) <= tolerance for model in values)
    ]


@given(st.integers(0, 10**6), st.sampled_from([1, 3]), st.sampled_from([0.0, 0.1, 1.0, 100.0]))
def test_same_pairs_are_those_of_a_double_loop(seed: int, models: int, tolerance: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(models, 30, 2)) * rng.choice([0.1, 1.0], size=(models, 1, 2))
    values[:, 20:25] = values[:, 3:4]  # exactly the same
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embeddings, "BLOCK", 7)
        found = np.concatenate([*same_pairs(values, tolerance)])
    assert sorted(found.tolist()) == slow_same_pairs(values, tolerance)


def test_graphs_that_are_all_the_same() -> None:
    assert sum(map(len, same_pairs(np.ones((2, 600, 3)), 1e-3))) == 600 * 599 // 2
    assert sum(map(len, same_pairs(np.ones((1, 1, 3)), 1e-3))) == 0


class Size(nn.Module):
    """The number of nodes of each graph, from which training mode takes one."""

    def forward(self, batch: GraphBatch) -> Representations:
        return Representations((batch.ptr.diff() - int(self.training))[:, None].double(), (), torch.empty(0))


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_embeddings_come_in_the_order_of_the_graphs_and_in_evaluation_mode(batch_size: int) -> None:
    sizes = [3, 9, 1, 7, 2]
    model = Size().train()
    assert embed(model, pack(map(nx.path_graph, sizes)), None, batch_size)[:, 0].tolist() == sizes


@pytest.mark.parametrize(("role", "name"), [("teacher", "gin"), ("teacher", "pna"), ("student", "graphormer")])
def test_models_in_float64_do_not_tell_a_graph_from_its_copy(role: str, name: str) -> None:
    graphs = pack([nx.petersen_graph(), nx.gnp_random_graph(25, 0.5, seed=1), nx.star_graph(20)])
    copies = relabelled(graphs, np.random.default_rng(0))
    spec, encoding = spec_of("some", graphs, 4), preset("encoding", "graphormer", rwse=4)
    torch.manual_seed(0)
    settings = preset(role, name)
    model = build_teacher(settings, spec) if role == "teacher" else build_student(settings, encoding, spec)
    one, other = (
        embed(model.double(), version, in_double(compute_encodings(version, encoding)), 2)
        for version in (graphs, copies)
    )
    assert one.dtype == torch.double
    # Relative: 25 nodes with 12 neighbours each make sums grow from layer to layer.
    assert float((one - other).abs().max() / one.abs().max()) < 1e-12
    assert float((one[0] - one[1]).abs().max()) > 1e-3
