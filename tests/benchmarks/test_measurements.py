"""The harness of the benchmarks: it takes turns, counts operations, and its small form runs."""

import json
import math
from pathlib import Path

import networkx as nx
import pytest
import torch
from small_tasks import awaken
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.__main__ import PARTS, cell, main
from benchmarks.flops import training_flops
from benchmarks.graphs import drawn_task
from benchmarks.operations import Operations
from benchmarks.timing import interleave, times_faster
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.data.batching import collate
from gnn_distill.data.encodings.structural import compute_encodings
from gnn_distill.models import build_student


def test_contenders_take_turns_and_the_first_round_warms_up() -> None:
    order: list[str] = []

    def contender(name: str) -> float:
        order.append(name)
        return float(len(order))

    seconds = interleave({name: lambda name=name: contender(name) for name in "ab"}, rounds=2)
    assert "".join(order) == "baabba"
    assert seconds == {"a": [3.0, 6.0], "b": [4.0, 5.0]}
    assert times_faster([1.0, 2.0, 4.0], [2.0, 6.0, 4.0]) == 2.0


def test_flops_are_those_that_torch_counts() -> None:
    task = drawn_task(6, 10)
    config = StudentConfig("graphormer", hidden_channels=32, num_layers=3, num_heads=4, ffn_ratio=1.5)
    encoding = EncodingConfig(spd=True)
    student = awaken(build_student(config, encoding, task.spec))
    batch = collate(task.graphs, compute_encodings(task.graphs, encoding), torch.arange(6))
    with FlopCounterMode(display=False) as counter:
        student(batch, frozenset({1, 2, 3})).logits.sum().backward()
    # The head: from 32 to 32 and to 1, for six graphs, forward and twice as much backward.
    counted = sum(counter.get_flop_counts()["Global"].values()) - 3 * 6 * 2 * 32 * (32 + 1)
    assert counted == training_flops(config, torch.full((6,), batch.max_nodes + 1))


def test_drawn_graphs_are_connected_and_simple() -> None:
    task = drawn_task(20, 15)
    graphs = task.graphs
    assert 10 < graphs.num_nodes.float().mean() < 20
    for graph in range(len(graphs)):
        edges = graphs.edge_index[:, graphs.edge_ptr[graph] : graphs.edge_ptr[graph + 1]].T.tolist()
        network = nx.DiGraph(edges)
        assert len(network.edges) == len(edges)
        assert all(network.has_edge(target, source) for source, target in edges)
        assert not list(nx.selfloop_edges(network))
        assert nx.is_strongly_connected(network)
        assert len(network) == graphs.num_nodes[graph]
    assert task.splits.train.numel() == 12


def test_cells_have_three_digits() -> None:
    assert [cell(value) for value in (0.01234, 1234.5, 12345, "ours", float("nan"))] == [
        *("0.0123", "1,234", "12,345", "ours", "nan")
    ]


def test_operations_that_wait_are_counted_with_what_others_cost() -> None:
    x = torch.ones(4, 8)
    with Operations() as counted:
        (x @ x.T).view(16)
        x[x > 0], x[torch.tensor([0, 2])], float(x.sum()), torch.repeat_interleave(torch.tensor([1, 2]))
    assert counted.costs[0] == (2 * 4 * 8 * 4, 4 * (32 + 32 + 16))
    assert counted.waits == 3
    assert counted.kernels == len(counted.costs) == 7


def test_unknown_parts_are_refused(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(["speed"])
    assert "unknown part: speed. Choices: preprocessing" in capsys.readouterr().err


@pytest.mark.slow
def test_small_form_writes_finite_numbers(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file, figure = tmp_path / "all.json", tmp_path / "scaling.png"
    main(["--size", "smoke", "--rounds", "1", "--json", str(file), "--figure", str(figure), "trainer.threads=1"])
    printed = capsys.readouterr().out
    results = json.loads(file.read_text())
    assert set(results["parts"]) == set(PARTS)
    for reports in results["parts"].values():
        for report in reports:
            assert report["title"].split()[0] in printed
            numbers = [value for row in report["rows"] for value in row.values() if not isinstance(value, str)]
            assert numbers
            assert all(math.isfinite(value) and value >= 0 for value in numbers)
    throughput = results["parts"]["throughput"][-1]["rows"]
    assert [row["model"] for row in throughput] == [
        *("ours", "textbook Graphormer", "GPSConv with GINE", "GPSConv, attention alone")
    ]
    assert throughput[0]["ours faster"] == 1
    assert figure.stat().st_size > 10_000
