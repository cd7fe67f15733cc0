"""predictions.csv is what the scores were computed from, and keeping it neither asks a model again nor changes it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from small_tasks import awaken, encode, make_node_task, make_runtime, make_separate_task, make_task, preset

from gnn_distill.config.schema.run import TrainerConfig
from gnn_distill.data.task import GraphTask
from gnn_distill.losses.task import TaskLoss
from gnn_distill.models import build_student
from gnn_distill.pipeline import kept_predictions
from gnn_distill.pipeline.evaluate import evaluate_splits
from gnn_distill.pipeline.kept_predictions import KeptPredictions, read_part
from gnn_distill.training.metrics import MEASURES

TASKS = {
    **{kind: lambda kind=kind: make_task(kind) for kind in ("binary", "multiclass", "multilabel", "regression")},
    "transductive": make_node_task,
    "inductive": lambda: make_node_task(setting="inductive"),
    "separate": lambda: make_separate_task("regression"),
}


def kept(task: GraphTask, folder: Path, trainer: TrainerConfig) -> tuple[dict, dict, int]:
    """Scores with and without keeping, and how often the model was asked beyond what evaluation needs."""
    student = preset("student", "transformer", hidden_channels=8, num_layers=1, num_heads=2)
    encoding, calls = preset("encoding", "none"), []
    model = awaken(build_student(student, encoding, task.spec))
    model.register_forward_hook(lambda *_: calls.append(1))
    runtime, arguments = make_runtime(folder), (model, task, encode(task.graphs, encoding), TaskLoss(task.spec))
    plain = evaluate_splits(runtime, *arguments, trainer)
    once, predictions = len(calls), KeptPredictions(task)
    with predictions.recording("student", model):
        scores = evaluate_splits(runtime, *arguments, trainer)
    asked = len(calls) - 2 * once
    evaluate_splits(runtime, *arguments, trainer)  # after it, nothing is recorded
    predictions.write(folder / "predictions.csv")
    return scores, plain, asked


@pytest.mark.parametrize("name", TASKS)
def test_scores_are_found_again_in_the_file(name: str, tmp_path: Path) -> None:
    task = TASKS[name]()
    if name == "binary":
        task.graphs.y[task.splits.val[0]] = torch.nan  # a missing label
        task = replace(task, lines=tuple(range(2, 2 + len(task.graphs))))
    scores, plain, asked = kept(task, tmp_path, TrainerConfig(batch_size=4))
    assert scores == plain
    assert asked == 0
    spec, file = task.spec, pd.read_csv(tmp_path / "predictions.csv")
    assert file["split"].tolist() == ["val"] * len(task.splits.val) + ["test"] * len(task.splits.test)
    ids = torch.cat([task.splits.val, task.splits.test])
    ids = ids if task.nodes is None else task.nodes[ids]
    assert file["id"].tolist() == (ids + 2 * (name == "binary")).tolist()
    targets = spec.num_targets
    for part in ("val", "test"):
        rows = torch.tensor(file[file["split"] == part].iloc[:, 2:].to_numpy())
        labels, outputs = rows[:, :targets], rows[:, targets:]
        measured = []
        for target in range(targets):
            known = ~labels[:, target].isnan()
            said = outputs[known].log() if spec.kind == "multiclass" else outputs[known, target]
            said = said if spec.kind in ("multiclass", "regression") else said.logit()
            measured.append(float(MEASURES[spec.metric](said, labels[known, target])))
        assert np.nanmean(measured) == pytest.approx(scores[part][spec.metric], rel=1e-5), part
    read = read_part(tmp_path, spec)
    assert read.ids == [str(number) for number in file["id"][file["split"] == "val"]]
    np.testing.assert_array_equal(np.hstack([read.labels, read.outputs]), file[file["split"] == "val"].iloc[:, 2:])


def test_a_closed_test_part_is_not_in_the_file(tmp_path: Path) -> None:
    kept(make_task(), tmp_path, TrainerConfig(test=False))
    assert {*pd.read_csv(tmp_path / "predictions.csv")["split"]} == {"val"}


@pytest.mark.parametrize(("most", "parts"), [(11, ["val"]), (5, []), (12, ["val", "test"])])
def test_parts_that_would_make_it_long_are_left_out(
    most: int, parts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_predictions, "MOST_ROWS", most)
    kept(make_task(), tmp_path, TrainerConfig())
    file = pd.read_csv(tmp_path / "predictions.csv")
    assert file["split"].unique().tolist() == parts
    assert [*file.columns] == ["split", "id", "label:a", "student:a"]
