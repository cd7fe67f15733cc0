import csv
import json
import math

import pytest
import torch
from damage import assert_noticed
from test_files import file_size_limit

from gnn_distill.errors import UserError
from gnn_distill.storage import checkpoint
from gnn_distill.storage.checksums import NewerVersion, read_json, write_json
from gnn_distill.storage.run_directory import (
    RunDirectory,
    is_finished,
    listed_files,
    read_metrics,
    read_summary,
    verify_run,
)
from gnn_distill.storage.versions import FORMATS, Format


def rows_of(path):
    with open(path / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_metrics_is_a_whole_csv_after_every_row(tmp_path):
    run = RunDirectory(tmp_path)
    rows = [
        {"epoch": 1, "stage": "teacher", "train/loss": 0.1 + 0.2, "val/accuracy": 0.5},
        {"epoch": 2, "stage": "teacher", "train/loss": math.nan, "val/accuracy": 0.6},
        {"epoch": 1, "stage": "student", "lr": 1e-3, "train/soft, raw": 2.0, "val/accuracy": 0.7},
        {"stage": "student", "epoch": 2, "train/soft, raw": 1.0},
    ]
    for count, row in enumerate(rows, 1):
        run.append_metrics(row)
        read = rows_of(tmp_path)
        assert len(read) == count
        assert all(None not in line and None not in line.values() for line in read)  # as many cells as columns
        assert {key: value for key, value in read[-1].items() if value} == {k: str(v) for k, v in row.items()}
    assert list(read[0]) == ["stage", "epoch", "lr", "train/loss", "train/soft, raw", "val/accuracy"]
    assert float(read[0]["train/loss"]) == 0.1 + 0.2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["checkpoints", "figures", "metrics.csv"]


def test_read_metrics_gives_columns_by_stage(tmp_path):
    run = RunDirectory(tmp_path)
    run.append_metrics({"stage": "teacher", "epoch": 1, "val/accuracy": 0.5})
    run.append_metrics({"stage": "student", "epoch": 1, "train/soft": 3.0})
    run.append_metrics({"stage": "student", "epoch": 2, "val/accuracy": 0.7})
    curves = read_metrics(tmp_path)
    assert curves["teacher"] == {"epoch": [1.0], "val/accuracy": [0.5]}
    assert list(curves["student"]) == ["epoch", "train/soft", "val/accuracy"]
    assert curves["student"]["train/soft"][0] == 3.0
    assert math.isnan(curves["student"]["train/soft"][1])


def test_an_unfinished_run_in_the_same_folder_starts_afresh(tmp_path):
    RunDirectory(tmp_path).append_metrics({"stage": "teacher", "epoch": 1})
    run = RunDirectory(tmp_path)
    run.append_metrics({"stage": "teacher", "epoch": 1, "lr": 0.1})
    assert rows_of(tmp_path) == [{"stage": "teacher", "epoch": "1", "lr": "0.1"}]


@pytest.mark.parametrize(("facts", "kept"), [({}, False), ({"seconds": {}}, False), ({"seconds": {"data": 1.0}}, True)])
def test_a_run_that_has_ended_a_stage_is_not_started_afresh(tmp_path, facts, kept):
    RunDirectory(tmp_path).remember(id="1", **facts)
    if kept:
        with pytest.raises(UserError, match=r"holds an unfinished run\. Resume it: gnn-distill train resume="):
            RunDirectory(tmp_path)
    else:
        assert RunDirectory(tmp_path).facts == {}
    assert RunDirectory(tmp_path, resume=True).facts["id"] == "1"


def test_summary_is_strict_json_in_the_order_given(tmp_path):
    run = RunDirectory(tmp_path)
    run.write_summary(
        {
            "student": {"test": {"mae": math.nan, "accuracy": torch.tensor(0.5)}},
            "list": (1, -math.inf),
            "path": tmp_path,
        }
    )
    text = (tmp_path / "summary.json").read_text()
    summary = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert list(summary) == ["schema_version", "student", "list", "path", "checksum"]
    assert read_summary(tmp_path) == {
        "student": {"test": {"mae": None, "accuracy": 0.5}},
        "list": [1, None],
        "path": str(tmp_path),
    }
    assert list(summary["student"]["test"]) == ["mae", "accuracy"]


def test_a_failing_write_leaves_the_old_summary(tmp_path):
    run = RunDirectory(tmp_path)
    run.write_summary({"a": 1})

    with file_size_limit(500), pytest.raises(UserError, match=r"summary\.json: cannot be written.*is intact"):
        run.write_summary({"a": "x" * 1000})
    assert read_summary(tmp_path) == {"a": 1}


def test_a_finished_run_is_not_written_over(tmp_path):
    RunDirectory(tmp_path).write_summary({})
    with pytest.raises(UserError, match="finished run"):
        RunDirectory(tmp_path)


def test_a_folder_that_cannot_be_made_is_the_users_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"hydra\.run\.dir=.*cannot be written"):
        RunDirectory(tmp_path / "file" / "run")


@pytest.fixture
def finished(tmp_path):
    """A run directory with a file of every kind."""
    folder = tmp_path / "run"
    run = RunDirectory(folder)
    run.append_metrics({"stage": "teacher", "epoch": 1, "train/loss": 0.5})
    run.append_metrics({"stage": "teacher", "epoch": 2, "train/loss": 0.25})
    checkpoint.save(run.checkpoints / "last.safetensors", {"epoch": 2, "weights": torch.arange(50.0)})
    checkpoint.save_tensors(folder / "student.safetensors", {"weights": torch.arange(50.0)})
    write_json(folder / "student.json", {"student": "x" * 100})
    (run.figures / "loss.png").write_bytes(bytes(range(256)))
    (folder / ".hydra").mkdir()
    (folder / ".hydra" / "config.yaml").write_text("seed: 0\n" * 20)
    (folder / "run.log").write_text("not kept")
    run.write_summary({"metric": "accuracy"})
    return folder


def test_a_manifest_knows_every_file(finished):
    assert listed_files(finished) == [
        *("metrics.csv", "student.json", "student.safetensors", "checkpoints/last.safetensors", "figures/loss.png"),
        ".hydra/config.yaml",
    ]
    assert list(read_json(finished / "manifest.json")["files"]) == listed_files(finished)


READERS = {
    "summary.json": read_summary,
    "metrics.csv": read_metrics,
    "checkpoints/last.safetensors": lambda run: checkpoint.load(run / "checkpoints" / "last.safetensors"),
    "student.safetensors": lambda run: checkpoint.load_tensors(run / "student.safetensors"),
    "student.json": lambda run: read_json(run / "student.json"),
    "figures/loss.png": verify_run,
    ".hydra/config.yaml": lambda run: verify_run(run, ".hydra/config.yaml"),
    "manifest.json": verify_run,
}


@pytest.mark.parametrize("name", READERS)
def test_damage_to_any_file_is_noticed(finished, name):
    assert_noticed(finished / name, lambda: READERS[name](finished))
    if name not in ("summary.json", "manifest.json"):
        assert_noticed(finished / name, lambda: verify_run(finished))


def test_only_what_is_asked_for_is_tested(finished):
    (finished / "figures" / "loss.png").write_bytes(b"")
    verify_run(finished, "metrics.csv", "student.json")
    assert read_metrics(finished)["teacher"]["epoch"] == [1, 2]
    (finished / "figures" / "loss.png").unlink()
    verify_run(finished)  # what was removed is no damage


def test_what_an_unfinished_run_writes_is_not_tested(finished):
    (finished / "summary.json").unlink()
    assert not is_finished(finished)
    (finished / "checkpoints" / "last.safetensors").unlink()
    RunDirectory(finished).append_metrics({"stage": "teacher", "epoch": 7})
    assert read_metrics(finished)["teacher"]["epoch"] == [7]


def test_a_run_with_a_damaged_summary_is_not_finished(finished):
    assert is_finished(finished)
    (finished / "summary.json").write_text("{}")
    assert not is_finished(finished)
    assert not is_finished(finished)
    assert (finished / "summary.json.damaged").read_text() == "{}"


def test_a_summary_of_a_newer_version_is_not_set_aside(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(FORMATS, "summary.json", Format(("a", "b")))
        RunDirectory(tmp_path).write_summary({"metric": "accuracy"})
    with pytest.raises(NewerVersion, match=r"summary\.json: was written by a newer version"):
        is_finished(tmp_path)
    monkeypatch.setitem(FORMATS, "summary.json", Format(("a", "b", "c"), oldest=3))
    assert not is_finished(tmp_path)
    assert (tmp_path / "summary.json.damaged").exists()


def test_what_killed_writers_left_is_removed(tmp_path):
    run = RunDirectory(tmp_path)
    (run.checkpoints / ".last.safetensors.1234.tmp").touch()
    RunDirectory(tmp_path)
    assert not list(run.checkpoints.iterdir())
