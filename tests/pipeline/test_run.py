"""One run from start to end: what is decided once, and what its summary holds."""

import json
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from gnn_distill.pipeline import run, teacher_plan

OLD = Path(__file__).parents[1] / "storage" / "written_by_version_1" / "finished" / "summary.json"
SMALL = (
    *("train", "dataset.num_train=16", "dataset.num_val=10", "dataset.num_test=10", "trainer.max_epochs=1"),
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
        for function in (run.plan_teacher, teacher_plan.checkpoint_hash, teacher_plan.visibility)
    )
    monkeypatch.setattr(run, "plan_teacher", plan)
    monkeypatch.setattr(teacher_plan, "checkpoint_hash", hashed)
    monkeypatch.setattr(teacher_plan, "visibility", seen)
    assert gnn_distill(*SMALL, "hydra.run.dir=run", weights)[0] == 0
    assert (plan.call_count, hashed.call_count, seen.call_count) == (1, 1, 1)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert list(summary) == list(json.loads(OLD.read_text()))
    assert summary["teacher"] == json.loads((tmp_path / "first" / "summary.json").read_text())["teacher"]
