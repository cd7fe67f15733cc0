import subprocess
import sys

import pytest

from gnn_distill.results.figures import draw_losses, draw_metric, draw_terms, learning_curves
from gnn_distill.storage.run_directory import RunDirectory, read_metrics


@pytest.fixture
def run_dir(tmp_path):
    run = RunDirectory(tmp_path)
    for epoch in range(1, 21):
        row = {"epoch": epoch, "lr": 1e-3, "train/loss": 1 / epoch, "val/accuracy": epoch / 20, "val/loss": 0.5}
        terms = {"train/task": 0.7, "train/align.node": 400 / epoch} if epoch > 1 else {"train/task": float("nan")}
        weighted = {f"{name}.weighted": 0.1 * value for name, value in terms.items()}
        run.append_metrics({"stage": "teacher", **row})
        run.append_metrics({"stage": "student", **row, **terms, **weighted})
    return tmp_path


def lines(axes):
    return {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}


def test_learning_curves_are_three_images(run_dir):
    paths = learning_curves(run_dir)
    assert [path.name for path in paths] == ["loss.png", "metric.png", "terms.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") and path.parent == run_dir / "figures" for path in paths)


def test_panels_hold_the_values_of_metrics_csv(run_dir):
    curves = read_metrics(run_dir)
    teacher, student = draw_losses(curves).axes
    assert (teacher.get_title(), student.get_title()) == ("teacher", "student")
    assert lines(teacher) == {"training": curves["teacher"]["train/loss"], "validation": [0.5] * 20}
    (metric,) = draw_metric(curves).axes
    assert lines(metric).keys() == {"teacher", "student"}
    assert metric.get_ylabel() == "validation accuracy (%)"  # not the loss, though a val/ column too
    raw, weighted = draw_terms(curves).axes
    assert lines(raw).keys() == lines(weighted).keys() == {"task", "align.node"}
    assert lines(weighted)["align.node"][1:] == curves["student"]["train/align.node.weighted"][1:]
    assert raw.get_yscale() == "log"


def test_a_student_alone_without_terms(tmp_path):
    RunDirectory(tmp_path).append_metrics({"stage": "student", "epoch": 1, "train/loss": 1.0, "val/mae": 2.0})
    assert [path.name for path in learning_curves(tmp_path, metric="mae")] == ["loss.png", "metric.png"]
    assert draw_metric(read_metrics(tmp_path), metric="rmse") is None


def test_import_costs_no_matplotlib():
    code = "import sys, gnn_distill.results.figures; sys.exit(bool({'matplotlib', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
