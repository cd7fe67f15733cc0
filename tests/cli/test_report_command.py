import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gnn_distill.storage.checksums import write_json

TINY = (
    "dataset=typed_edges",
    *("dataset.num_train=16", "dataset.num_val=10", "dataset.num_test=10", "trainer.max_epochs=1"),
    *("pretrain.max_epochs=1", "trainer.threads=1"),
    *("teacher.hidden_channels=8", "student.hidden_channels=8", "student.num_layers=2", "tracker=none"),
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "a run's <folder>, seed=0"
    folder.mkdir()
    summary = {"student": {"val": {"mae": 0.5}}, "metric": "mae", "seconds": {}, "parameters": {"student": 7}}
    write_json(folder / "summary.json", summary)
    return folder


def test_a_folder_is_named_by_its_path_whatever_is_in_it(gnn_distill: Callable, run: Path) -> None:
    assert gnn_distill("report", run.name) == (0, f"Report: {run.name}/report.html\n", "")
    assert "0.500" in (run / "report.html").read_text()
    assert gnn_distill("report", run.name, "report.output=mine.html") == (0, "Report: mine.html\n", "")
    assert (run.parent / "mine.html").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "report.path has no value. Give it one: report.path=… Usage: gnn-distill report FOLDER..."),
        (("gone",), "report.path=gone: no such folder. Name the folder of a run, a table or a sweep."),
        (
            ("gone", "report.z=1"),
            "report.z=1: unknown key. Did you mean 'report.y'? "
            "Keys of report: figures, path, beside, output, metric, x, y.",
        ),
    ],
)
def test_errors_are_one_message(gnn_distill: Callable, words: tuple[str, ...], message: str) -> None:
    assert gnn_distill("report", *words) == (1, "", f"gnn-distill report: {message}\n")


def test_without_torch_and_without_traces(run: Path) -> None:
    code = "import sys; from gnn_distill.cli.main import main; main(); assert 'torch' not in sys.modules"
    command = [sys.executable, "-c", code, "report", str(run)]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=run.parent, check=False)
    assert answer.returncode == 0, answer.stderr
    assert [path.name for path in run.parent.iterdir()] == [run.name]
    assert sorted(path.name for path in run.iterdir()) == ["report.html", "summary.json"]


def test_a_multirun_becomes_a_map(gnn_distill: Callable, tmp_path: Path) -> None:
    swept = ("loss.weights.micro=0,1", "seed=0,1", "hydra.sweep.dir=sweep")
    assert gnn_distill("train", "-m", *swept, *TINY)[0] == 0
    status, _, err = gnn_distill("report", "sweep", "report.y=seed")
    assert (status, err) == (0, "")
    page = (tmp_path / "sweep" / "report.html").read_text()
    assert "Sweep of loss.weights.micro and seed" in page
    assert "gnn-distill train -m loss.weights.micro=0,1 seed=0,1" in page
    assert (tmp_path / "sweep" / "heatmap.png").is_file()
    assert gnn_distill("report", "sweep/3")[0] == 0
    page = (tmp_path / "sweep" / "3" / "report.html").read_text()
    assert "graphormer ← gin" in page
    assert "micro_relation" in page
