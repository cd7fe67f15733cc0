"""`gnn-distill runs`: the finished runs, the newest first."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.listing import show
from gnn_distill.config.schema.runs import RunsCommand
from gnn_distill.formatting import counted, metric_label, shown
from gnn_distill.results.runs import read_runs

COLUMNS = ("finished", "data set", "teacher", "score", "student", "score", "floor", "metric", "folder")


def main(cfg: DictConfig) -> None:
    """Print a line for every run directory below the places, and its test scores."""
    command: RunsCommand = OmegaConf.to_object(cfg)
    found = read_runs(command.places, lambda text: print(f"Warning: {text}", file=sys.stderr))
    found = found[found["path"] != ""].sort_values("finished", ascending=False, kind="stable")
    if found.empty:
        print(f"No finished runs below {', '.join(command.places)} in {Path.cwd()}.")
        return
    lines = found.head(command.last) if command.last else found
    show(COLUMNS, [list(_cells(line)) for line in lines.itertuples()])
    if left := len(found) - len(lines):
        print(f"and {counted(left, 'older one')}: gnn-distill runs last=0")


def _cells(run: "pd.core.frame.Pandas") -> Iterator[str]:
    """One line; a run's name begins with its models, `student<-teacher` or the one it has."""
    student, _, teacher = run.name.split(" ")[0].partition("<-")
    if not teacher and pd.isna(run.student_val):
        student, teacher = "", student if student != "floors" else ""
    yield run.finished[:10]
    yield run.dataset
    for name, score in ((teacher, run.teacher_test), (student, run.student_test)):
        yield name
        yield _score(score, run.metric) if name else ""
    yield _score(run.floor_test, run.metric)
    yield metric_label(run.metric)
    yield run.path


def _score(value: float, metric: str) -> str:
    return "" if pd.isna(value) else shown(value, metric)
