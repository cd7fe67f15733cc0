"""`gnn-distill export`: words on the command line, what is refused, runs exported by the command, the model card."""

from collections.abc import Callable
from importlib import util
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from exported_students import student
from small_tasks import make_spec

from gnn_distill.cli.positional import named_run
from gnn_distill.errors import UserError
from gnn_distill.pipeline.export.hub import push_repository
from gnn_distill.predict import load
from gnn_distill.storage.checksums import read_json


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "format=onnx", "-o", "out"], ["run='run'", "output='out'", "format=onnx"]),
        (["run"], ["run='run'"]),
        (["run=r", "--output=o"], ["output='o'", "run=r"]),
    ],
)
def test_the_path_in_front_is_the_run(words: list[str], expected: list[str]) -> None:
    assert named_run(words) == expected


def test_a_run_is_exported_by_its_command(gnn_distill: Callable, tmp_path: Path) -> None:
    student(tmp_path / "run", "transformer", make_spec(), rwse=3)
    status, told, err = gnn_distill("export", "run")
    assert (status, err) == (0, "")
    assert "forty graphs (random): differs from the student by" in told
    assert Path("run/export/pt2/model.pt2").is_file()

    refused = {
        ("run",): "output=run/export/pt2: exists already",
        ("run", "-o", "run", "overwrite=true"): "output=run: is no export",
        ("nowhere",): "nowhere: no finished run found here",
        (): "run has no value",
        ("run", "format=tflite"): "format=tflite",
        ("run", "format=hub"): "summary.json is missing",
        ("run", "format=hub", "push=name"): "push=name: name a model repository, OWNER/NAME",
        ("run", "push=me/name", "-o", "new"): "push=me/name: only a model repository is uploaded",
    }
    for words, why in refused.items():
        status, _, err = gnn_distill("export", *words)
        assert status == 1
        assert why in err


def test_packages_of_the_extra_that_are_missing_are_named(
    gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    student(tmp_path / "run", "transformer", make_spec())
    find = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *more: None if name == "onnxscript" else find(name, *more))
    status, _, err = gnn_distill("export", "run", "format=onnx")
    assert status == 1
    assert 'format=onnx needs onnxscript, which is not installed: pip install "gnn-distill[export]"' in err


def test_a_model_repository_has_a_card_and_loads(gnn_distill: Callable, no_figures: None, tmp_path: Path) -> None:
    smiles = ["C" * (number % 7 + 1) + ("c1ccccc1", "O", "N(C)C")[number % 3] for number in range(60)]
    pd.DataFrame({"smiles": smiles, "y": [len(text) / 3 for text in smiles]}).to_csv("in.csv", index=False)
    words = (
        *("train", f"dataset.path={tmp_path}/in.csv", "dataset=smiles", "dataset.target_columns=[y]", "alone=true"),
        *("student.hidden_channels=8", "student.num_layers=1", "student.num_heads=2", "teacher.hidden_channels=8"),
        *("trainer.max_epochs=2", "pretrain.max_epochs=1", "trainer.threads=1", "trainer.accelerator=cpu"),
    )
    assert gnn_distill(*words, "tracker=none", "hydra.run.dir=run")[0] == 0
    assert gnn_distill("export", "run", "format=hub")[0] == 0
    folder = tmp_path / "run" / "export" / "hub"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("README.md", "config.json", "model.safetensors", "run_config.yaml")
    ]
    assert torch.equal(load(folder).predict(smiles), load(tmp_path / "run").predict(smiles))

    summary = read_json(tmp_path / "run" / "summary.json")
    front, card = (folder / "README.md").read_text().removeprefix("---\n").split("\n---\n")
    measured = yaml.safe_load(front)["model-index"][0]["results"][0]["metrics"]
    assert {one["type"]: one["value"] for one in measured}["rmse"] == round(summary["student"]["test"]["rmse"], 6)
    interval = summary["uncertainty"]["intervals"]["student"]
    rows = {
        "this student": f"{summary['student']['test']['rmse']:.4g} | {interval['low']:.4g} to {interval['high']:.4g}",
        "the same student from labels alone": f"{summary['alone']['test']['rmse']:.4g}",
        f"the best floor ({summary['floor']['name']})": f"{summary['floor']['test']['rmse']:.4g}",
        "a constant": f"{summary['constant']['test']['rmse']:.4g}",
    }
    lines = card.splitlines()
    for name, value in rows.items():
        assert [line for line in lines if line.startswith(f"| {name} |") and value in line], name
    assert str(tmp_path) not in "".join(
        (folder / name).read_text() for name in ("README.md", "config.json", "run_config.yaml")
    )


def test_an_upload_without_a_network_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants", reason="the extra hub is not installed")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"push=me/name: nothing was uploaded \(.*\).* is complete"):
        push_repository(tmp_path, "me/name", private=True)
