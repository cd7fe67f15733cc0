"""Runs of one sweep as a frame: the varied keys, and the scores of each run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.schema.data import LOWER_IS_BETTER
from gnn_distill.errors import UserError, reading_foreign, suggest
from gnn_distill.results.run_files import CONFIG, Run, read_run
from gnn_distill.results.significance import Interval, interval
from gnn_distill.storage.provenance import LOCATION_SECTIONS

REPEATS = ("seed", "dataset.fold", "dataset.split_seed")
"""Keys that repeat a setting; they are averaged over."""


@dataclass(frozen=True)
class Sweep:
    """The runs below a folder."""

    runs: pd.DataFrame
    """One line per finished run, by its folder: the varied keys, then the metric on `val` and `test`."""
    keys: list[str]
    """The varied keys without REPEATS, the key with the most values first."""
    repeats: list[str]
    """The varied keys of REPEATS."""
    metric: str
    lower_is_better: bool
    unfinished: dict[str, str]
    """Folders of the runs without a result, with the first line of the error if they failed."""
    damaged: list[str]
    """Errors of the runs whose files are damaged, or of another version."""
    overlap: float = 0.0
    """Mean number of test examples by that of training examples."""
    datasets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    """The data sets, and the students and teachers (`graphormer ← gin`), of the runs, finished or not."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Number of examples of each part, where all runs have the same."""

    def scores(self, *keys: str) -> pd.DataFrame:
        """By `keys`, columns (val, mean), (val, std) with ddof=1, (val, count), and the same of test.

        Without keys, one line over all runs.
        """
        by = list(keys) or (lambda run: "all")
        return self.runs.groupby(by, sort=True, observed=True)[["val", "test"]].agg(["mean", "std", "count"])

    @property
    def split_keys(self) -> list[str]:
        """The varied keys that choose another split."""
        return [key for key in self.repeats if key != "seed"]

    def interval(self, part: str) -> Interval:
        """The mean of a sweep that repeats one setting, seeds averaged within a split, and its interval.

        Where splits vary, their training parts overlap, and the interval is corrected for that.
        """
        values = self.runs[part].dropna()
        if splits := [self.runs.loc[values.index, key] for key in self.split_keys]:
            values = values.groupby(splits, observed=True).mean()
        return interval(values.to_numpy(), self.overlap if splits else 0.0)

    def best(self) -> pd.Series | None:
        """The line of scores(*keys) with the best mean on validation, if any; without keys, the only line.

        None of runs on several data sets: one that is easier is no better setting.
        """
        if len(self.datasets) > 1:
            return None
        means = self.scores(*self.keys)["val", "mean"].dropna() if len(self.runs) else []
        if not len(means):
            return None
        return self.scores(*self.keys).loc[means.idxmin() if self.lower_is_better else means.idxmax()]

    def chosen(self) -> dict[str, str]:
        """The values of the keys of the best setting; empty without keys, and where there is no best."""
        best = self.best()
        if best is None or not self.keys:
            return {}
        return dict(zip(self.keys, best.name if isinstance(best.name, tuple) else (best.name,), strict=True))


def is_sweep(folder: Path) -> bool:
    """Whether there are runs below the folder."""
    return next(iter(folder.glob(f"**/{CONFIG.as_posix()}")), None) is not None


def read_sweep(folder: Path, metric: str | None = None) -> Sweep:
    """The runs below `folder`; `metric` is by default their primary metric.

    Raises:
        UserError: if no run has that metric.
    """
    runs: list[Run] = []
    damaged: list[str] = []
    for path in sorted(folder.glob(f"**/{CONFIG.as_posix()}"), key=_in_order):
        try:
            with reading_foreign(path.parents[1], "Its files are damaged, or were written by another program."):
                runs.append(read_run(path.parents[1], curves=False))
        except UserError as error:
            damaged.append(str(error).replace(f"{folder}/", ""))
    finished = [run for run in runs if run.summary]
    sizes = [run.summary["split"]["sizes"] for run in finished if run.summary.get("split")]
    words = [_overridden(run) for run in finished]
    values_of = {key: [_value(run, own, key) for run, own in zip(finished, words, strict=True)] for key in _keys(runs)}
    varied = {key: values for key, values in values_of.items() if len(set(values)) > 1}
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
        unfinished={_name(run, folder): run.error.partition("\n")[0] for run in runs if not run.summary},
        damaged=damaged,
        overlap=_overlap(sizes),
        datasets=tuple(dict.fromkeys(run.dataset for run in runs if run.dataset)),
        models=tuple(dict.fromkeys(run.models for run in runs if run.models)),
        sizes=sizes[0] if sizes and all(one == sizes[0] for one in sizes) else {},
    )


def _in_order(path: Path) -> list[tuple[int, str]]:
    """Jobs by their numbers: 2 comes before 10."""
    return [(int(part) if part.isdecimal() and len(part) < 9 else -1, part) for part in path.parts]


def _keys(runs: list[Run]) -> list[str]:
    """All keys that some run overrides, without locations."""
    names = (name for run in runs for name in _overridden(run))
    return [name for name in dict.fromkeys(names) if name.split(".")[0] not in LOCATION_SECTIONS]


def _overridden(run: Run) -> dict[str, str]:
    """The overrides of a run, by key."""
    return {name.lstrip("+~"): value for name, _, value in (text.partition("=") for text in run.overrides)}


def _value(run: Run, overrides: dict[str, str], key: str) -> float | str:
    """The value of a key in the overrides of a run, else in its config."""
    value: Any = overrides.get(key)
    if value is None:
        value = OmegaConf.select(run.config, key)
        value = "default" if isinstance(value, DictConfig) or value is None else str(value)
    try:
        return float(value)
    except ValueError:
        return value


def _ordered(values: list[float | str]) -> pd.Categorical:
    """Numbers in ascending order, then words."""
    numbers = sorted({value for value in values if isinstance(value, float)})
    words = sorted({value for value in values if isinstance(value, str)})
    return pd.Categorical(
        [_text(value) for value in values], categories=[_text(value) for value in [*numbers, *words]], ordered=True
    )


def _text(value: float | str) -> str:
    return f"{value:g}" if isinstance(value, float) else value


def _overlap(sizes: list[dict[str, int]]) -> float:
    return sum(one["test"] for one in sizes) / sum(one["train"] for one in sizes) if sizes else 0.0


def _scores(run: Run) -> dict[str, dict[str, float]]:
    return run.summary.get("student") or run.summary.get("teacher") or {}


def _name(run: Run, folder: Path) -> str:
    return run.path.relative_to(folder).as_posix()
