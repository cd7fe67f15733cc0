"""trainer.compile: a student is one graph, compiled once for batches of any shape, and gives what it gives without."""

import shutil

import networkx as nx
import pytest
import torch
from small_tasks import encode, make_graphs, make_spec
from test_models import STUDENTS, build
from torch import Tensor, nn
from torch._dynamo.utils import counters

from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.models import compile_for_all_shapes

SHAPES = 50
FAST = ("graphormer token", "gps gine")
CASES = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in STUDENTS]


def batches_of(name: str, reads: tuple) -> list[GraphBatch]:
    """Of 3 to 19 graphs of 4 to 26 nodes, all of different shapes."""
    keys = STUDENTS[name]
    networks = [nx.gnp_random_graph(4 + index % 23, 0.3, seed=index) for index in range(99)]
    graphs = make_graphs(make_spec("multiclass", keys.get("nodes", "continuous"), keys.get("edges")), networks)
    encodings, random = encode(graphs, *reads), torch.Generator().manual_seed(0)
    picked = [torch.randperm(len(graphs), generator=random)[: 3 + index % 17] for index in range(SHAPES)]
    return [collate(graphs, encodings, ids) for ids in picked]


def step(model: nn.Module, batch: GraphBatch) -> list[Tensor]:
    """Logits and all gradients."""
    model.zero_grad()
    torch.manual_seed(0)  # signs of eigenvectors
    logits = model(batch).logits
    logits.square().sum().backward()
    return [logits.detach(), *(parameter.grad for parameter in model.parameters() if parameter.grad is not None)]


def compile_and_compare(name: str, backend: str) -> None:
    torch._dynamo.reset()
    counters.clear()
    model, _, reads = build(name)
    for part in model.modules():  # what is drawn differs
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        elif isinstance(getattr(part, "dropout", None), float):
            part.dropout = 0.0
    batches = batches_of(name, reads)
    assert len({(batch.x.shape, batch.edge_index.shape, batch.max_nodes) for batch in batches}) == SHAPES
    compile_for_all_shapes(model, backend=backend)
    for batch in batches:
        found = step(model, batch)
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]
    model._compiled_call_impl = None
    for one, other in zip(found, step(model, batches[-1]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_a_student_is_one_graph_for_all_shapes(name: str) -> None:
    compile_and_compare(name, "eager")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="inductor needs a C++ compiler")
def test_a_student_compiled_for_this_cpu_gives_the_same() -> None:
    compile_and_compare("graphormer token", "inductor")
