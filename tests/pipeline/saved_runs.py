"""Finished runs as far as predicting needs them: students with random weights, a summary, kept predictions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from small_tasks import awaken
from test_predict import make_config

from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.seen import Seen
from gnn_distill.data.task import TaskSpec
from gnn_distill.models import build_student
from gnn_distill.pipeline.kept_predictions import label_columns, output_columns
from gnn_distill.predict import save_student
from gnn_distill.storage.checksums import write_json


def save_run(
    folder: Path,
    spec: TaskSpec,
    seed: int = 0,
    pipeline: InputPipeline | None = None,
    seen: Seen | None = None,
    data: str = "d",
    student: str = "transformer",
) -> Path:
    """A run whose student differs by seed."""
    folder.mkdir(parents=True)
    config = make_config(student, "none")
    config.student = replace(config.student, dropout=0.0)
    torch.manual_seed(seed)
    save_student(folder, awaken(build_student(config.student, config.encoding, spec)), spec, config, pipeline, seen)
    write_json(folder / "summary.json", {"data": data})
    return folder


def keep(folder: Path, spec: TaskSpec, labels: np.ndarray, outputs: np.ndarray, split: str = "val") -> None:
    """A predictions.csv with these validation examples, and a test example that must not count."""
    frame = pd.DataFrame(np.hstack([labels, outputs]), columns=[*label_columns(spec), *output_columns(spec, "student")])
    frame = pd.concat([frame, 100 * frame[:1]], ignore_index=True)
    frame.insert(0, "split", [split] * len(labels) + ["test"])
    frame.insert(1, "id", range(len(frame)))
    frame.to_csv(folder / "predictions.csv", index=False)
