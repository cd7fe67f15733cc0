"""A regression whose predictions hardly vary is told, since its RMSE can look good by chance."""

import io
from dataclasses import replace

import pytest
import torch
from small_tasks import make_task

from gnn_distill.pipeline.kept_predictions import KeptPredictions
from gnn_distill.pipeline.messages import NEARLY_CONSTANT, describe_spread
from gnn_distill.training.console import Console
from gnn_distill.training.loop import FitResult

FITTED = FitResult(best_epoch=2, best={}, history=[{}] * 60, selected=(2,))


def test_spread_is_that_of_validation_in_units_of_the_training_labels() -> None:
    task = make_task("regression")
    splits, predictions = task.splits, KeptPredictions(task)
    logits = torch.randn(len(splits.val) + len(splits.test), task.spec.num_outputs)
    predictions.add("student", logits)
    expected = logits[: len(splits.val)].std(0, correction=0).max()
    assert predictions.spread("student") == pytest.approx(float(expected))


def test_what_is_nearly_constant_is_told_of_numbers_alone() -> None:
    spec = make_task("regression").spec
    console = Console(io.StringIO())
    for spread in (NEARLY_CONSTANT, 1.0, float("nan")):
        describe_spread(console, spec, "student", spread, FITTED)
    describe_spread(console, replace(spec, kind="binary"), "student", 0.0, FITTED)
    assert console.notices == []
    describe_spread(console, spec, "student", 0.034, FITTED)
    describe_spread(console, spec, "teacher", 0.02, None)
    student, teacher = console.notices
    assert "vary by 3.4% of what the training labels do" in student
    assert "best epoch on validation was 2 of 60" in student
    assert teacher.endswith("(standard deviations).")
