"""An exported student predicts as the student does, in a process that has none of this package."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from exported_students import molecules, student
from small_tasks import awaken, make_spec
from test_predict import make_config

from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.task import Features
from gnn_distill.errors import UserError
from gnn_distill.models import build_student
from gnn_distill.models.flat_student import FlatStudent
from gnn_distill.models.layers.heads import Output
from gnn_distill.models.layers.standardise import Moments
from gnn_distill.models.reused_head import ReusingStudent
from gnn_distill.models.students.nagphormer import hop_tokens
from gnn_distill.pipeline.export import encode, write
from gnn_distill.pipeline.export.program import random_graphs
from gnn_distill.pipeline.export.settings import settings_of
from gnn_distill.pipeline.export.write import SMILES, compared, write_program
from gnn_distill.predict import load, save_student

STRUCTURE = {"degree": True, "edge": True, "spd": True, "rwse": 5, "lap_pe": 3, "max_spd": 3}
STUDENTS = {
    "graphormer": STRUCTURE,
    "transformer": {"rwse": 5, "edge": True},
    "gps": {"lap_pe": 3},
    "sgformer": {"degree": True},
    "polynormer": {"rwse": 5},
    "nagphormer": {"rwse": 5},
}
"""The students that can be exported, with encodings."""


def skip_without_onnx(form: str) -> None:
    if form == "onnx":
        for name in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(name, reason="the extra export is not installed")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["pt2", "onnx"])
def test_a_program_agrees_on_other_batches_and_runs_without_this_package(form: str, tmp_path: Path) -> None:
    skip_without_onnx(form)
    predictor = student(tmp_path / "run", "graphormer", molecules(), **STRUCTURE)
    found = dict(write_program(predictor, form, tmp_path / "out", ["CCO", "CCN"]))
    assert [*found][-2:] == [f"{len(SMILES)} molecules", "2 given inputs"]
    assert max(found.values()) < 1e-5
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["encode", "export.json", f"model.{form}"]

    code = (
        f"import sys, json\nsys.path.insert(0, {str(tmp_path / 'out')!r})\nsys.modules['gnn_distill'] = None\n"
        "from encode import load\nprint(json.dumps(load()(json.loads(sys.argv[1])).tolist()))\n"
        "assert not [name for name in sys.modules if name.startswith(('gnn_distill.', 'torch_geometric'))]\n"
        f"assert ('torch' in sys.modules) == {form == 'pt2'}"
    )
    # Importing the package fails: without PYTHONPATH and the working folder it is not found, and its name is taken.
    words = [sys.executable, "-P", "-c", code, json.dumps(SMILES)]
    ran = subprocess.run(words, cwd=tmp_path, env={"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    np.testing.assert_allclose(json.loads(ran.stdout), predictor.predict(SMILES), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["pt2", "onnx"])
@pytest.mark.parametrize("level", ["graph", "node"])
@pytest.mark.parametrize("name", STUDENTS)
def test_every_student_that_is_a_function_of_flat_tensors(name: str, level: str, form: str, tmp_path: Path) -> None:
    skip_without_onnx(form)
    edges = "categorical" if name in ("graphormer", "gps") else None
    spec = make_spec("multiclass", nodes="categorical", edges=edges, level=level)
    predictor = student(tmp_path / "run", name, spec, **STUDENTS[name])
    assert max(dict(write_program(predictor, form, tmp_path / "out")).values()) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("form", ["pt2", "onnx"])
def test_a_student_with_its_teachers_head(form: str, tmp_path: Path) -> None:
    skip_without_onnx(form)
    spec, config = make_spec("multiclass", nodes="categorical", edges="categorical"), make_config("graphormer", "none")
    moments = Moments(torch.tensor([0.0, 1.0, 2.0, 3.0]), torch.tensor([1.0, 4.0, 2.0, 0.5]))
    inner = build_student(config.student, config.encoding, spec)
    reusing = ReusingStudent(inner, Output(4, spec, "sum", 0.0), moments, "mlp")
    save_student(tmp_path, awaken(reusing), spec, config)
    assert max(dict(write_program(load(tmp_path), form, tmp_path / "out")).values()) < 1e-5


@pytest.mark.parametrize(
    ("name", "encoding", "why"),
    [
        ("graphvit", {}, "its tokens are parts of each graph"),
        ("graphormer", {"spd": True, "edge_hops": 2}, "walks along shortest paths"),
    ],
)
def test_students_that_cannot_are_told_why(name: str, encoding: dict, why: str, tmp_path: Path) -> None:
    predictor = student(tmp_path / "run", name, molecules(), **encoding)
    with pytest.raises(UserError, match=why):
        [*write_program(predictor, "pt2", tmp_path / "out")]
    assert not (tmp_path / "out").exists()


def test_students_of_parts_of_molecules_are_told_why(tmp_path: Path) -> None:
    pipeline = InputPipeline(smiles="pyg", standardise="neutral")
    predictor = student(tmp_path / "run", "graphormer", molecules(), pipeline, **STRUCTURE)
    with pytest.raises(UserError, match=r"dataset\.standardise=neutral reads a part of a molecule"):
        [*write_program(predictor, "pt2", tmp_path / "out")]


@pytest.mark.parametrize("coding", ["pyg", "ogb"])
@pytest.mark.parametrize("chirality", ["tags", "cip"])
def test_molecules_are_read_as_by_the_package(coding: str, chirality: str, tmp_path: Path) -> None:
    pipeline = InputPipeline(smiles=coding, chirality=chirality)
    predictor = student(tmp_path, "graphormer", molecules(coding=coding), pipeline, **STRUCTURE)
    settings = json.loads(json.dumps(settings_of(predictor)))
    odd = ["[U+7]", "C[C@H]1CC[C@@H](O)CC1", "\u00a0CCO ", "[Og]", "F[P-](F)(F)(F)(F)F", "C/C=C\\C", "[CH3]"]
    for smiles in (*SMILES, *odd):
        ours = pipeline.read_smiles(smiles)
        theirs = encode.read(smiles, settings)
        order = np.lexsort(theirs["edge_index"][::-1])
        assert np.array_equal(theirs["x"], ours.x)
        expected = np.lexsort(ours.edge_index.numpy()[::-1])
        assert np.array_equal(theirs["edge_index"][:, order], ours.edge_index[:, expected])
        assert np.array_equal(theirs["edge_attr"][order], ours.edge_attr[expected])
    for smiles in ("C1CC", "", "C" * 30_000):
        with pytest.raises(ValueError, match="Not a readable SMILES"):
            encode.read(smiles, settings)


@pytest.mark.parametrize(
    "steps",
    [
        {"undirected": True, "drop_loops": True},
        {"merge_edges": True, "normalize_features": True},
        {"add_reverses": True, "merge_edges": True},
        {"max_degree": 3, "add_reverses": True, "merge_edges": True},
    ],
)
def test_graphs_are_prepared_and_encoded_as_by_the_package(steps: dict, tmp_path: Path) -> None:
    spec = make_spec("binary", edges="continuous")
    if "max_degree" in steps:
        spec = replace(spec, node_features=Features("categorical", (4,)))
    pipeline = InputPipeline(**steps)
    predictor = student(tmp_path, "graphormer", spec, pipeline, **STRUCTURE)
    settings = json.loads(json.dumps(settings_of(predictor)))
    graphs = random_graphs(settings, (1, 2, 7, 12, 13), seed=3)
    for graph in graphs:  # parallel and directed edges, and loops
        ends = np.random.default_rng(4).integers(0, graph["num_nodes"], (2, 9))
        graph["edge_index"] = np.concatenate([graph["edge_index"], ends], axis=1)
        drawn = np.random.default_rng(5).random((9, 3), dtype=np.float32)
        # Sums of sixty-fourths are exact, so that means do not depend on the order of their terms.
        graph["edge_attr"] = np.round(np.concatenate([graph["edge_attr"], drawn]) * 64) / 64

    def exported(entries: list) -> np.ndarray:
        inputs = encode.encode([encode.read(entry, settings) for entry in entries], settings)
        tensors = {name: torch.from_numpy(value) for name, value in inputs.items()}
        return FlatStudent(predictor.student, spec)(**tensors)[:-1].detach().numpy()

    def differences(entries: list) -> list[float]:
        return [difference for _, difference in compared(predictor, settings, exported, entries)]

    assert max(differences(graphs)) < 1e-5


def test_graphs_that_the_model_cannot_read_are_told(tmp_path: Path) -> None:
    settings = json.loads(json.dumps(settings_of(student(tmp_path, "transformer", make_spec(nodes="categorical")))))
    graph = {"x": [[0, 1]], "edge_index": [[], []]}
    encode.read(graph, settings)
    for wrong, why in (({"x": [[0, 2]]}, "below"), ({"x": [[0.5, 1]]}, "whole"), ({"edge_index": [[0], [1]]}, "join")):
        with pytest.raises(ValueError, match=why):
            encode.read(graph | wrong, settings)


def test_a_program_of_torch_agrees_on_other_batches(tmp_path: Path) -> None:
    predictor = student(tmp_path / "run", "transformer", make_spec("regression"), rwse=3)
    assert max(dict(write_program(predictor, "pt2", tmp_path / "out")).values()) < 1e-5


def test_sums_over_hops_without_sparse_matrices_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    random = torch.Generator().manual_seed(0)
    edges = torch.randint(7, (2, 40), generator=random)  # with loops, parallel and directed edges; node 7 has none
    given = {"edge_index": edges, "node_rows": torch.arange(8), "ptr": torch.tensor([0, 8]), "derived": {}}
    batch = SimpleNamespace(**given, wanted=lambda rows: rows[2:], to=lambda device: batch)
    h = torch.randn(8, 3, generator=random)
    expected = hop_tokens(h, batch, 3)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    torch.testing.assert_close(hop_tokens(h, batch, 3), expected)


def test_a_program_that_differs_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = student(tmp_path / "run", "transformer", make_spec("regression"), rwse=3)
    monkeypatch.setattr(write, "traced", lambda *_: None)
    monkeypatch.setitem(write.PROGRAMS, "pt2", lambda program, path: path.touch())
    monkeypatch.setattr(encode, "load", lambda folder: lambda graphs: np.full((len(graphs), 2), 100.0))
    with pytest.raises(UserError, match="differs by"):
        [*write_program(predictor, "pt2", tmp_path / "out")]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
