"""The profiles of a finished run, as profile.json holds them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_tasks import awaken, make_node_task, preset

from gnn_distill.analysis.states import Subject
from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.probe import ExamineSettings
from gnn_distill.models import build_student
from gnn_distill.pipeline.finished_run import load_data, load_models, read_finished_run
from gnn_distill.pipeline.profile import errors_of, examined_graphs, logits_of, profile_run
from gnn_distill.storage.checksums import read_json
from gnn_distill.training.console import Console

SMALL = (
    *("dataset=far_motif", "dataset.num_train=40", "dataset.num_val=20", "dataset.num_test=60", "tracker=none"),
    *("teacher.hidden_channels=8", "student.hidden_channels=8", "student.num_heads=2", "student.num_layers=2"),
    *("trainer.max_epochs=1", "pretrain.max_epochs=1", "trainer.accelerator=cpu", "trainer.threads=1"),
)


def test_of_a_run(gnn_distill: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert gnn_distill("train", *SMALL, f"hydra.run.dir={folder}")[0] == 0
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    run = read_finished_run(folder)
    state = torch.get_rng_state()
    settings, paths, console = ExamineSettings(profile_graphs=10, samples=4, resamples=100), PathsConfig(), Console()
    assert profile_run(run, settings, paths, console)
    assert not profile_run(run, settings, paths, console)  # made with the same settings and code
    found = read_json(folder / "profile.json")
    assert torch.equal(torch.get_rng_state(), state)
    assert all(path.read_bytes() == content for path, content in files.items())
    assert found["graphs"] == 10
    assert found["units"] == "graphs"

    teacher, student = found["models"]["teacher"], found["models"]["student"]
    assert teacher["influence"]["per_node"]["value"][4:12] == [0.0] * 8  # three layers
    assert teacher["swap"]["per_node"]["value"][4:12] == [0.0] * 8
    assert min(student["influence"]["per_node"]["value"][:12]) > 0
    assert len(teacher["influence"]["layers"]) == 3
    assert teacher["attention"] is None
    assert [layer["layer"] for layer in student["attention"]["layers"]] == [1, 2]
    assert len(student["attention"]["layers"][0]["heads"]["distance"]) == 2
    assert sum(student["influence"]["share"]["value"]) == pytest.approx(1, abs=1e-4)

    errors = found["errors"]
    assert (errors["part"], errors["distance"]) == ("test", "label")
    for role, bins in errors["models"].items():
        assert [one["nearest"] for one in bins] == [10, 11, 12]
        right = sum(one["value"] * one["examples"] for one in bins)
        assert right / 60 == pytest.approx(run.summary[role]["test"]["accuracy"], abs=1e-5)

    task = load_data(run)
    models = load_models(run, task)
    task.label_distance = None
    assert profile_run(run, replace(settings, samples=2), paths, console, task=task)
    other = errors_of(task, models, "val", 100)
    assert other["distance"] == "diameter"
    assert sum(one["examples"] for one in other["models"]["student"]) == 20
    assert {one["nearest"] for one in other["models"]["student"]} <= {*range(10, 20)}


def test_one_large_graph_has_roots_and_no_errors_by_distance() -> None:
    task = make_node_task()
    graphs = examined_graphs(task, 100, 0)
    assert (len(graphs), int(graphs.num_nodes)) == (1, 40)
    assert errors_of(task, {}, "test", 10) is None
    inductive = make_node_task(setting="inductive")
    assert int(examined_graphs(inductive, 100, 0).num_nodes) == 40


def test_labels_of_nodes_with_known_distances() -> None:
    """Logits are those of the part's nodes, in their order, whatever else their graphs hold."""
    task = make_node_task()
    model = awaken(build_student(preset("student", "gps", hidden_channels=8), EncodingConfig(), task.spec))
    subject = Subject(model, EncodingConfig(), lambda: model)
    distance = torch.arange(40) % 3
    task = replace(task, label_distance=distance)
    found = errors_of(task, {"student": subject}, "test", 20)["models"]["student"]
    rows = task.splits.test
    right = logits_of(subject, task.graphs)[rows].argmax(dim=1) == task.graphs.y[rows, 0]
    assert [one["value"] for one in found] == pytest.approx(
        [float(right[distance[rows] == hops].double().mean()) for hops in np.unique(distance[rows])]
    )
