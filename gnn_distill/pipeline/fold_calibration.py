"""Runs of a cross-validation as folds, of which each calibrates what the others know."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from gnn_distill.analysis.fold_conformal import Fold
from gnn_distill.data.task import TaskSpec
from gnn_distill.errors import UserError
from gnn_distill.pipeline.kept_predictions import read_part
from gnn_distill.results.run_files import CONFIG
from gnn_distill.storage.bounded import read_yaml
from gnn_distill.storage.run_directory import REPEAT_RUN, verify_run


def groups_of(data: Sequence[str | None]) -> list[list[int]]:
    """Runs by the fingerprint of their data and split, each group in order."""
    return [[place for place, own in enumerate(data) if own == one] for one in dict.fromkeys(data)]


def are_folds(folders: Sequence[Path]) -> bool:
    """Whether the data settings of runs differ in their fold alone; false where a run does not say."""
    settings = [_data_settings(folder) for folder in folders]
    return all(one is not None and one == settings[0] for one in settings)


def _data_settings(folder: Path) -> dict[str, Any] | None:
    if not (folder / CONFIG).is_file():
        return None
    verify_run(folder, CONFIG.as_posix())
    dataset = OmegaConf.to_container(read_yaml(folder / CONFIG, folder, REPEAT_RUN)).get("dataset") or {}
    return {key: value for key, value in dataset.items() if key != "fold"}


def read_folds(folders: Sequence[Path], groups: Sequence[Sequence[int]], spec: TaskSpec) -> list[Fold]:
    """The mean outputs of each group for the examples that it tests, and their labels.

    Raises:
        UserError: if runs kept no test rows, or an example is tested by two groups: then it says nothing of either.
    """
    folds, tested = [], {}
    for group in groups:
        kept = [read_part(folders[place], spec, "test") for place in group]
        if any(one.ids != kept[0].ids for one in kept):
            raise UserError("Runs of one fold have other test examples in their predictions.csv. Repeat the runs.")
        for name in kept[0].ids:
            if (other := tested.setdefault(name, group[0])) != group[0]:
                raise UserError(
                    f"{folders[other]} and {folders[group[0]]} are tested on the same examples ({name}), so that they "
                    "are no folds of one cross-validation. Choose runs that differ in their seeds alone."
                )
        folds.append((np.mean([one.outputs for one in kept], axis=0), kept[0].labels))
    return folds
