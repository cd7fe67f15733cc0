"""The tracker of a run, and what it gets of a finished one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from gnn_distill import ranks
from gnn_distill.config.naming import run_name, teacher_roles, title
from gnn_distill.config.schema.run import TrackerConfig, TrainConfig
from gnn_distill.formatting import ROLES
from gnn_distill.predict import SETTINGS, WEIGHTS
from gnn_distill.storage.run_directory import PREDICTIONS, RunDirectory
from gnn_distill.training.console import Console, Results
from gnn_distill.training.tracker import Tracker
from gnn_distill.training.tracking import cells, start_tracker

MOST_ROWS = 10_000
"""The first ones of predictions.csv go to the table; as a file it is whole."""


def track(cfg: DictConfig, config: TrainConfig, directory: RunDirectory, console: Console) -> Tracker:
    """The tracker of a run, which only the first of its processes has."""
    if not ranks.is_first():
        return Tracker()
    return start_tracker(
        cfg,
        directory.path,
        run_name(config),
        config.experiment or title(config.dataset),
        warn=console.warn,
        run_id=directory.facts["id"],
        resumed=directory.facts["resumed"] > 0,
        stages=[*ROLES, *teacher_roles(config.teacher)[1:]],
    )


def log_results(
    tracker: Tracker,
    config: TrackerConfig,
    folder: Path,
    summary: dict[str, Any],
    results: Results,
    figures: Sequence[Path],
) -> None:
    """Log summary and figures and, with `tracker.artifacts`, the student, and predictions as file and table."""
    tracker.summary(summary)
    for path in figures:
        tracker.image(path.stem, str(path))
    if config.name == "none" or not config.artifacts:
        return
    rows = [{"model": role, "part": part, **results[role][part]} for role in results for part in results[role]]
    tracker.table("scores", *cells(pd.DataFrame(rows)))
    tracker.table("predictions", *cells(pd.read_csv(folder / PREDICTIONS, nrows=MOST_ROWS)))
    tracker.artifact("predictions", "dataset", [str(folder / PREDICTIONS)])
    if (folder / WEIGHTS).exists():
        tracker.artifact("student", "model", [str(folder / WEIGHTS), str(folder / SETTINGS)])
