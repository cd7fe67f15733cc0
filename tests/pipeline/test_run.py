"""One run from start to end: what is decided once, and what its summary holds."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from gnn_distill.pipeline import run, teacher_plan
from gnn_distill.results.run_page import run_page
from gnn_distill.storage.run_directory import read_metrics

OLD = Path(__file__).parents[1] / "storage" / "written_by_version_1" / "finished" / "summary.json"
LATER = ("floor", "floors", "uncertainty", "throughput", "scores", "kind", "targets", "objective")
"""Keys that came when that file had been written."""
SMALL = (
    *("train", "dataset=typed_edges"),
    *("dataset.num_train=16", "dataset.num_val=10", "dataset.num_test=10", "trainer.max_epochs=1"),
    *("pretrain.max_epochs=1", "trainer.threads=1", "trainer.accelerator=cpu", "tracker=none"),
    *("teacher.hidden_channels=8", "student.hidden_channels=8", "student.num_layers=1", "student.num_heads=2"),
)


def test_a_run_plans_its_teacher_once_and_its_summary_has_the_keys_it_always_had(
    gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of a teacher's weights is hashed once, and the taught nodes are decided once."""
    assert gnn_distill(*SMALL, "hydra.run.dir=first")[0] == 0
    weights = "teacher.checkpoint=first/checkpoints/teacher.safetensors"
    plan, hashed, seen = (
        Mock(side_effect=function)
        for function in (run.plan_teachers, teacher_plan.checkpoint_hash, teacher_plan.visibility)
    )
    monkeypatch.setattr(run, "plan_teachers", plan)
    monkeypatch.setattr(teacher_plan, "checkpoint_hash", hashed)
    monkeypatch.setattr(teacher_plan, "visibility", seen)
    assert gnn_distill(*SMALL, "hydra.run.dir=run", weights)[0] == 0
    assert (plan.call_count, hashed.call_count, seen.call_count) == (1, 1, 1)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert [key for key in summary if key not in LATER] == list(json.loads(OLD.read_text()))
    assert set(summary) >= set(LATER)
    assert summary["teacher"] == json.loads((tmp_path / "first" / "summary.json").read_text())["teacher"]


def test_a_student_alone_beside_the_taught_one_is_that_of_a_run_without_a_teacher(
    gnn_distill: Callable, tmp_path: Path
) -> None:
    runs = {"both": ["alone=true"], "taught": [], "alone": ["teacher=none"]}
    output = {name: gnn_distill(*SMALL, *words, f"hydra.run.dir={name}") for name, words in runs.items()}
    assert {status for status, _, _ in output.values()} == {0}
    both, taught, alone = (json.loads((tmp_path / name / "summary.json").read_text()) for name in runs)
    assert (both["alone"], both["best_epoch_alone"]) == (alone["student"], alone["best_epoch"])
    for key in ("teacher", "student", "config_hash", "best_epoch"):
        assert both[key] == taught[key], key
    rows = {name: read_metrics(tmp_path / name) for name in runs}
    for columns in (stage for stages in rows.values() for stage in stages.values()):
        columns.pop("seconds")
    assert rows["both"] == rows["taught"] | {"alone": rows["alone"]["student"]}
    assert "student alone" in output["both"][1]
    assert "gain by its teacher" in output["both"][1]
    page = run_page(tmp_path / "both")
    assert [tile["name"] for tile in page["tiles"]][:3] == ["student", "student alone", "teacher"]
    assert [block["role"] for block in page["results"]] == ["student", "student alone", "teacher"]
    assert "Loss of the student alone." in [picture.caption for picture in page["curves"]]


@pytest.mark.parametrize("word", ["teacher=none", "student=none"])
def test_where_nobody_is_taught_there_is_no_student_alone_beside(
    word: str, gnn_distill: Callable, tmp_path: Path
) -> None:
    assert gnn_distill(*SMALL, "alone=true", word, "hydra.run.dir=run")[::2] == (0, "")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    (made,) = {"teacher", "student"} - {word.partition("=")[0]}
    assert list(summary["parameters"]) == [made]
    assert "alone" not in summary


def test_beside_a_student_taught_without_labels_the_one_alone_has_them(gnn_distill: Callable, tmp_path: Path) -> None:
    for name, words in {"both": ["loss=simkd", "alone=true"], "alone": ["teacher=none"]}.items():
        assert gnn_distill(*SMALL, *words, f"hydra.run.dir={name}")[::2] == (0, "")
    rows = {name: read_metrics(tmp_path / name) for name in ("both", "alone")}
    assert "train/task" not in rows["both"]["student"]
    assert rows["both"]["alone"]["train/task"] == rows["alone"]["student"]["train/task"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="inductor needs a C++ compiler")
def test_a_compiled_student_trains_and_is_another_run(gnn_distill: Callable, tmp_path: Path) -> None:
    summaries = []
    for word in ("true", "false"):
        assert gnn_distill(*SMALL, f"trainer.compile={word}", f"hydra.run.dir=compile_{word}")[::2] == (0, "")
        summaries.append(json.loads((tmp_path / f"compile_{word}" / "summary.json").read_text()))
    one, other = summaries
    assert one["config_hash"] != other["config_hash"]
    assert one["teacher"] == other["teacher"]
    assert one["throughput"]["flops_per_step"] == other["throughput"]["flops_per_step"]
