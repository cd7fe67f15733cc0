"""Runs of one sweep as a frame: what was varied, and how each came out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from gnn_distill.errors import UserError, making_sense, suggest
from gnn_distill.results.run_page import CONFIG, Run, read_run
from gnn_distill.schema.data import LOWER_IS_BETTER

REPEATS = ("seed", "dataset.fold", "dataset.split_seed")
"""Keys that repeat a setting; they are averaged over."""
PLACES = ("paths", "tracker", "hydra")


@dataclass(frozen=True)
class Sweep:
    """The runs below a folder."""

    runs: pd.DataFrame
    """A line a finished run, by its folder: the varied keys, then the metric on `val` and `test`."""
    keys: list[str]
    """What was varied, the key with the most values first; repeats left out."""
    repeats: list[str]
    """The varied keys of REPEATS."""
    metric: str
    lower_is_better: bool
    unfinished: list[str]
    """Folders of the runs without a result."""
    damaged: list[str]
    """What is wrong with the runs whose files are damaged, or of another version."""

    def scores(self, *keys: str) -> pd.DataFrame:
        """By `keys`, columns (val, mean), (val, std) with ddof=1, (val, count), and the same of test."""
        return self.runs.groupby(list(keys), sort=True, observed=True)[["val", "test"]].agg(["mean", "std", "count"])

    def best(self) -> pd.Series | None:
        """The line of scores(*keys) with the best mean on validation, if any run has one."""
        means = self.scores(*self.keys)["val", "mean"].dropna() if self.keys and len(self.runs) else []
        if not len(means):
            return None
        return self.scores(*self.keys).loc[means.idxmin() if self.lower_is_better else means.idxmax()]


def is_sweep(folder: Path) -> bool:
    """Whether there are runs below the folder."""
    return next(iter(folder.glob(f"**/{CONFIG.as_posix()}")), None) is not None


def read_sweep(folder: Path, metric: str | None = None) -> Sweep:
    """The runs below `folder`; `metric` by default is their primary one.

    Raises:
        UserError: if no run has that metric.
    """
    runs: list[Run] = []
    damaged: list[str] = []
    for path in sorted(folder.glob(f"**/{CONFIG.as_posix()}")):
        try:
            with making_sense(path.parents[1], "Its files are damaged, or another program's."):
                runs.append(read_run(path.parents[1], curves=False))
        except UserError as error:
            damaged.append(str(error))
    finished = [run for run in runs if run.summary]
    asked = {key: [_value(run, key) for run in finished] for key in _keys(runs)}
    varied = {key: values for key, values in asked.items() if len(set(values)) > 1}
    metric = metric or next((run.metric for run in finished), "")
    known = list(dict.fromkeys(name for run in finished for name in _scores(run).get("val", {})))
    if finished and metric not in known:
        raise UserError(f"report.metric={metric}: no run has it. Choices: {', '.join(known)}.{suggest(metric, known)}")
    frame = pd.DataFrame(
        {key: _ordered(values) for key, values in varied.items()}
        | {split: [_scores(run).get(split, {}).get(metric) for run in finished] for split in ("val", "test")},
        index=[_name(run, folder) for run in finished],
    )
    frame[["val", "test"]] = frame[["val", "test"]].astype(float)
    lower = [run.summary.get("higher_is_better") is False and run.metric == metric for run in finished]
    return Sweep(
        runs=frame,
        keys=sorted((key for key in varied if key not in REPEATS), key=lambda key: -len(set(varied[key]))),
        repeats=[key for key in varied if key in REPEATS],
        metric=metric,
        lower_is_better=any(lower) or metric in LOWER_IS_BETTER,
        unfinished=[_name(run, folder) for run in runs if not run.summary],
        damaged=damaged,
    )


def _keys(runs: list[Run]) -> list[str]:
    """Everything that some run was told, places left out."""
    names = (override.partition("=")[0].lstrip("+~") for run in runs for override in run.overrides)
    return [name for name in dict.fromkeys(names) if name.split(".")[0] not in PLACES]


def _value(run: Run, key: str) -> float | str:
    """What a run was told about a key; what it had anyway, where it was not told."""
    told = {name.lstrip("+~"): value for name, _, value in (text.partition("=") for text in run.overrides)}
    value: Any = told.get(key)
    if value is None:
        value = OmegaConf.select(run.config, key)
        value = "default" if isinstance(value, DictConfig) or value is None else str(value)
    try:
        return float(value)
    except ValueError:
        return value


def _ordered(values: list[float | str]) -> pd.Categorical:
    """Numbers in their order, then words."""
    numbers = sorted({value for value in values if isinstance(value, float)})
    words = sorted({value for value in values if isinstance(value, str)})
    return pd.Categorical(
        [_told(value) for value in values], categories=[_told(value) for value in [*numbers, *words]], ordered=True
    )


def _told(value: float | str) -> str:
    return f"{value:g}" if isinstance(value, float) else value


def _scores(run: Run) -> dict[str, dict[str, float]]:
    return run.summary.get("student") or run.summary.get("teacher") or {}


def _name(run: Run, folder: Path) -> str:
    return run.path.relative_to(folder).as_posix()
