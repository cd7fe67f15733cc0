"""scripts/measure_coverage.py counts which test labels lie in the region that `gnn-distill predict` would give."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
from saved_runs import save_run
from small_tasks import make_spec

from gnn_distill.data.task import TaskSpec
from gnn_distill.pipeline.kept_predictions import label_columns, output_columns
from gnn_distill.pipeline.student_ensemble import Ensemble

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "measure_coverage.py"))


def kept_run(folder: Path, spec: TaskSpec, outputs: np.ndarray, labels: np.ndarray) -> Path:
    """A run with as many validation as test examples."""
    run = save_run(folder, spec)
    columns = [*label_columns(spec), *output_columns(spec, "student")]
    frame = pd.DataFrame(np.hstack([labels, outputs]), columns=columns)
    frame.insert(0, "split", np.repeat(["val", "test"], len(frame) // 2))
    frame.insert(1, "id", range(len(frame)))
    frame.to_csv(run / "predictions.csv", index=False)
    return run


def test_intervals_of_a_regression(tmp_path: Path) -> None:
    random, spec = np.random.default_rng(0), make_spec("regression")
    outputs = random.normal(size=(100, 2))
    labels = outputs + random.normal(size=(100, 2)) * [1, 5]
    labels[60:70, 1] = np.nan
    run = kept_run(tmp_path / "run", spec, outputs, labels)
    ensemble = Ensemble([run])
    ensemble.calibrate(0.8)
    found = list(SCRIPT["covered"](run, 0.8))
    assert [row["labels"] for row in found] == [50, 40]
    for target, row in enumerate(found):
        half = ensemble.calibration.thresholds[target]
        known = ~np.isnan(labels[50:, target])
        errors = np.abs(labels[50:] - outputs[50:])[known, target]
        assert row["covered"] == (errors <= half).mean()
        assert np.isclose(row["size"], 2 * half)


def test_sets_of_classes(tmp_path: Path) -> None:
    random, spec = np.random.default_rng(1), make_spec("binary")
    outputs = random.uniform(size=(80, 1))
    labels = (random.uniform(size=(80, 1)) < outputs).astype(float)
    run = kept_run(tmp_path / "run", spec, outputs, labels)
    (row,) = SCRIPT["covered"](run, 0.8)
    likely = np.where(labels == 1, outputs, 1 - outputs)
    threshold = np.sort(1 - likely[:40, 0])[int(np.ceil(41 * 0.8)) - 1]
    assert row["covered"] == (1 - likely[40:] <= threshold).mean()
    assert row["size"] == np.mean((1 - outputs[40:] <= threshold).astype(int) + (outputs[40:] <= threshold))
    assert [*SCRIPT["measure"]([str(run)], 0.8)["covered"]] == [row["covered"]]
