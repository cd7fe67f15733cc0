"""Encodings are computed once, and again when anything has changed that they depend on."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_tasks import make_node_task, make_runtime, make_task

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.encodings.structural import compute_encodings
from gnn_distill.pipeline.encodings import stored_encodings

ENCODING = EncodingConfig(degree=True, spd=True, edge_hops=2, rwse=3, lap_pe=2)


def test_encodings_come_from_the_store_the_second_time(tmp_path: Path) -> None:
    task, runtime = make_task(edges="categorical"), make_runtime(tmp_path)
    made, entry = stored_encodings(runtime, task, ENCODING)
    again, second = stored_encodings(runtime, task, ENCODING)
    assert (entry.found, second.found) == (False, True)
    fresh = compute_encodings(task.graphs, ENCODING).to_tensors()
    for encodings in (made, again):
        stored = encodings.to_tensors()
        assert stored.keys() == fresh.keys()
        for name, values in stored.items():
            assert values.dtype == fresh[name].dtype
            assert torch.equal(values, fresh[name])


@pytest.mark.parametrize("setting", ["transductive", "inductive"])
def test_whole_graphs_of_node_level_tasks_are_encoded(tmp_path: Path, setting: str) -> None:
    task = make_node_task(setting=setting)
    encodings, _ = stored_encodings(make_runtime(tmp_path), task, replace(ENCODING, edge_hops=0))
    assert len(encodings.rwse) == len(encodings.lap_pe) == len(encodings.in_degree) == len(task.graphs.x)
    assert len(encodings.spd) == task.graphs.num_nodes.square().sum()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"edge_hops": 5, "edge": True, "max_spd": 3, "bias_scale": 1.0}, True),
        ({"edge_hops": 0}, False),
        ({"rwse": 4}, False),
    ],
)
def test_what_only_the_model_reads_needs_no_other_encodings(tmp_path: Path, change: dict, found: bool) -> None:
    task, runtime = make_task(edges="categorical"), make_runtime(tmp_path)
    stored_encodings(runtime, task, ENCODING)
    assert stored_encodings(runtime, task, replace(ENCODING, **change))[1].found is found
