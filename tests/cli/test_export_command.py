"""`gnn-distill export`: words on the command line, what is refused, and a run exported by its command."""

from collections.abc import Callable
from importlib import util
from pathlib import Path

import pytest
from exported_students import student
from small_tasks import make_spec

from gnn_distill.cli.positional import named_run


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
