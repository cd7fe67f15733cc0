"""The results of a sweep: by setting, mean and spread over the seeds, folds and splits that repeat it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gnn_distill.config.listing import show
from gnn_distill.formatting import Format, counted, metric_label
from gnn_distill.results.out_of_fold import write_out_of_fold
from gnn_distill.results.replicates import describe_interval
from gnn_distill.results.sweeps import Sweep, read_sweep

SPLITS = {"val": "validation", "test": "test"}
MOST_LINES = 20


class Score(NamedTuple):
    """Mean and standard deviation (ddof=1) over `count` runs; NaN if there are too few."""

    mean: float
    std: float
    count: int


@dataclass(frozen=True)
class Setting:
    """Values of the varied keys, without seeds and folds, and the scores of the runs with these values."""

    values: dict[str, str]
    """By key; empty if a sweep only repeats one setting."""
    scores: dict[str, Score]
    """On `val` and, if it was read, on `test`."""


def settings_of(sweep: Sweep) -> list[Setting]:
    """The settings of the finished runs of a sweep, the best mean on validation first; one if only seeds vary."""
    if sweep.runs.empty:
        return []
    splits = [split for split in SPLITS if sweep.runs[split].notna().any()]
    scores = sweep.scores(*sweep.keys).sort_values(("val", "mean"), ascending=sweep.lower_is_better, kind="stable")
    return [
        Setting(
            dict(zip(sweep.keys, values if isinstance(values, tuple) else (values,), strict=False)),
            {split: Score(line[split, "mean"], line[split, "std"], int(line[split, "count"])) for split in splits},
        )
        for values, line in scores.iterrows()
    ]


def describe_scores(sweep: Sweep, settings: list[Setting]) -> Iterator[list[str]]:
    """By setting, `81.2 ± 0.4` per split, in the scale and digits of the metric."""
    number = Format.of(sweep.metric, [score.mean for setting in settings for score in setting.scores.values()])
    for setting in settings:
        yield [
            number(score.mean) + (f" ± {number(score.std)}" if score.count > 1 else "")
            for score in setting.scores.values()
        ]


def describe_repeats(sweep: Sweep) -> Iterator[str]:
    """Mean and interval of a sweep that repeats one setting, on test if it was read; nothing of others."""
    if sweep.keys or len(sweep.runs) < 2:
        return
    unit = "seed" if not sweep.split_keys else "fold" if sweep.split_keys == ["dataset.fold"] else "split"
    for part in [part for part in SPLITS if sweep.runs[part].notna().any()][-1:]:
        found = sweep.interval(part)
        (score,) = sweep.scores()[part].itertuples(index=False)
        told = describe_interval(found, score.std, sweep.metric, unit, int(score.count) // max(found.n, 1))
        yield f"{SPLITS[part].capitalize()}: {told}"


def print_sweep(folder: Path) -> None:
    """Print the settings of the sweep below a folder with their scores; nothing for a single run."""
    sweep = read_sweep(folder)
    settings = settings_of(sweep)
    if len(sweep.runs) < 2:
        return
    shown, metric = settings[:MOST_LINES], metric_label(sweep.metric)
    columns = [*sweep.keys, *(f"{SPLITS[split]} {metric}" for split in shown[0].scores), "runs"]
    rows = [
        [*setting.values.values(), *scores, str(max(score.count for score in setting.scores.values()))]
        for setting, scores in zip(shown, describe_scores(sweep, settings), strict=False)
    ]
    repeats = " and ".join(f"{key} {', '.join(sweep.runs[key].cat.categories)}" for key in sweep.repeats)
    print(f"\n{counted(len(sweep.runs), 'run')}{f': mean ± standard deviation over {repeats}' if repeats else ''}")
    show(columns, rows)
    for text in describe_repeats(sweep):
        print(text)
    if sweep.split_keys and not sweep.keys:
        for text in write_out_of_fold(folder, (folder / name for name in sweep.runs.index)):
            print(text)
    if left := len(settings) - len(shown):
        print(f"and {counted(left, 'more setting')} with worse validation scores: gnn-distill report {folder}")
    for what in (*sweep.damaged, *(f"{name}: {why or 'without a result'}" for name, why in sweep.unfinished.items())):
        print(f"Note: {what}")
