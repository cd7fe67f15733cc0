"""How often intervals, or sets of classes, hold the truth on the test parts of finished runs.

gnn-distill train -m dataset=esol dataset.split=random 'dataset.split_seed=range(20)'
python scripts/measure_coverage.py multirun/train/2026-01-31_12-00-00 0.9

Each run is calibrated on its own validation part, as `gnn-distill predict RUN ... coverage=0.9` does, and tested on its
own test part: one line per run and target with the share that is covered and the mean width, or number of classes,
then mean and standard deviation over runs. Missing labels are left out.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from gnn_distill.analysis.conformal import calibrate, class_sets, intervals
from gnn_distill.data.task import TaskSpec
from gnn_distill.pipeline.kept_predictions import read_part
from gnn_distill.predict import SETTINGS
from gnn_distill.results.probes import find_runs
from gnn_distill.storage.checksums import read_json
from gnn_distill.storage.run_directory import REPEAT_RUN


def covered(run: Path, coverage: float) -> Iterator[dict[str, object]]:
    """Of each target of a run the share of test labels that are covered, and the mean size of what covers them."""
    spec = TaskSpec.from_dict(read_json(run / SETTINGS, REPEAT_RUN)["spec"])
    val, test = read_part(run, spec, "val"), read_part(run, spec, "test")
    calibration = calibrate(spec, val.outputs, val.labels, coverage)
    known = ~np.isnan(test.labels)
    if spec.kind == "regression":
        low, high = intervals(calibration, test.outputs)
        inside, sizes, names = (low <= test.labels) & (test.labels <= high), high - low, spec.target_names
    else:
        members = class_sets(spec, calibration, test.outputs)
        truth = np.where(known, test.labels, 0).astype(int)
        inside, sizes = np.take_along_axis(members, truth[:, :, None], axis=2)[:, :, 0], members.sum(axis=2)
        names = ("class",) if spec.kind == "multiclass" else spec.target_names
    for target, name in enumerate(names):
        rows = known[:, target]
        yield {
            **{"run": run.name, "target": name, "labels": int(rows.sum())},
            **{"covered": inside[rows, target].mean(), "size": sizes[rows, target].mean()},
        }


def measure(places: list[str], coverage: float) -> pd.DataFrame:
    """A row for each run and target of the finished runs in or below `places`."""
    runs = [place.folder for place in find_runs(places, "runs", "measure_coverage.py FOLDER ... COVERAGE")]
    return pd.DataFrame([row for run in runs for row in covered(run, coverage)])


if __name__ == "__main__":
    *folders, share = sys.argv[1:]
    table = measure(folders, float(share))
    print(table.to_string(index=False, float_format="%.3f"))
    print(table.groupby("target")[["covered", "size"]].agg(["mean", "std", "count"]).to_string(float_format="%.3f"))
