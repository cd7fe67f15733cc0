"""The content of the report of a sweep: a map of the two keys that vary most, and the scores of all settings."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from gnn_distill.config.schema.report import ReportConfig
from gnn_distill.errors import refuse, suggest
from gnn_distill.formatting import Format, bounds, counted, metric_label, part_sizes
from gnn_distill.results.out_of_fold import OUT_OF_FOLD
from gnn_distill.results.pictures import Picture, save
from gnn_distill.results.significance import CONFIDENCE
from gnn_distill.results.sweep_figures import draw_curve, draw_heat_map
from gnn_distill.results.sweep_summary import describe_repeats, settings_of
from gnn_distill.results.sweeps import Sweep, read_sweep
from gnn_distill.storage.bounded import read_yaml
from gnn_distill.storage.privacy import command

MOST_LINES = 200
MOST_NAMES = 3
"""Most models and data sets that a title lists."""
CHOSEN = {"val": ", the best of all settings", "test": ", of the setting chosen on validation"}
"""Which setting a headline is about."""
NOWHERE = ("", "")
"""A cell that no map has."""
SPLITS = {"val": "validation", "test": "test"}


def sweep_page(folder: Path, config: ReportConfig) -> dict[str, Any]:
    """The variables of templates/sweep.html; writes heatmap.png, and heatmap_test.png if the test split was read."""
    sweep = read_sweep(folder, config.metric)
    axes = _axes(sweep, config)
    image_folder = Path(config.output).parent if config.output else folder
    return {
        "title": _subject(sweep) or folder.resolve().name,
        "subject": _title(sweep, axes),
        "lead": _lead(sweep),
        "tiles": list(_tiles(sweep)),
        "facts": {name: value for name, value in _facts(sweep, folder) if value},
        "notes": list(_notes(sweep, axes)),
        "figures": list(_figures(sweep, axes, image_folder)),
        "keys": sweep.keys,
        "chosen": bool(sweep.chosen()),
        "metric": metric_label(sweep.metric),
        "splits": [*_splits(sweep).values()],
        "settings": list(_settings(sweep)),
        "varied": [*sweep.keys, *sweep.repeats],
        "runs": list(_runs(sweep)),
        "failures": {name: why for name, why in sweep.unfinished.items() if why},
        "command": _command(folder),
    }


def _splits(sweep: Sweep) -> dict[str, str]:
    """The splits with scores of any run, and their names."""
    return {split: name for split, name in SPLITS.items() if sweep.runs[split].notna().any()}


def _title(sweep: Sweep, axes: list[str]) -> str:
    """Names the keys that were varied."""
    if axes:
        return f"Sweep of {' and '.join(axes)}"
    return f"Runs over {' and '.join(sweep.repeats)}" if sweep.repeats else "Runs of one setting"


def _subject(sweep: Sweep) -> str:
    """Models and data set: `graphormer ← gin on ESOL`."""
    return " on ".join(_listed(names) for names in (sweep.models, sweep.datasets) if names)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _lead(sweep: Sweep) -> str:
    """What was run on what, and how the result was chosen, in two or three sentences."""
    sizes = f", {part_sizes(sweep.sizes)}" if sweep.sizes else ""
    runs = f"{_subject(sweep)}{sizes}: {counted(len(sweep.runs), 'finished run')}"
    if not sweep.keys:
        return f"{runs} of one setting."
    text = f"{runs} of {counted(len(settings_of(sweep)), 'setting')}."
    if not sweep.chosen():
        return text
    order = "lowest" if sweep.lower_is_better else "highest"
    text += f" The setting with the {order} mean {metric_label(sweep.metric)} on validation is chosen"
    return text + ("; its test score is the result." if "test" in _splits(sweep) else ".")


def _axes(sweep: Sweep, config: ReportConfig) -> list[str]:
    """The keys of the x and y axis: those in the config, else those that vary most."""
    varied = [*sweep.keys, *sweep.repeats]
    for name in ("x", "y"):
        key = getattr(config, name)
        if key is not None and key not in varied:
            known = f"Choices: {', '.join(varied)}." if varied else "Nothing was varied."
            raise refuse(f"report.{name}", key, f"the runs do not differ in it. {known}{suggest(key, varied)}")
    if config.x is not None and config.x == config.y:
        raise refuse("report.y", config.y, "is already the x axis. Choose another key, or omit it.")
    free = iter(key for key in sweep.keys if key not in (config.x, config.y))
    return [key for key in (config.x or next(free, None), config.y or next(free, None)) if key]


def _figures(sweep: Sweep, axes: list[str], image_folder: Path) -> Iterator[Picture]:
    """One map per split that was read; with a single key, one dot per run."""
    if not axes and sweep.repeats and len(sweep.runs) > 1:
        yield from _dots_of_repeats(sweep)
    over = [key for key in [*sweep.keys, *sweep.repeats] if key not in axes]
    values = [sweep.chosen().get(key) for key in axes]
    at = None if None in values else tuple(values)  # a seed on an axis was not chosen
    for split, name in _splits(sweep).items() if axes else ():
        if len(axes) == 1:
            figure = draw_curve(sweep.runs[axes[0]], sweep.runs[split], sweep.metric, *at or ())
            what = "one dot per run, black: their mean"
            mark = "grey"
        else:
            means = sweep.scores(*axes)[split, "mean"].unstack(axes[0])
            figure = draw_heat_map(means, sweep.metric, sweep.lower_is_better, at[::-1] if at else NOWHERE)
            what = f"mean over {', '.join(over)}" if over else "one run per cell"
            mark = "outlined"
        what += f"; {mark}: the setting chosen on validation" if at else ""
        save(figure, image_folder / ("heatmap.png" if split == "val" else f"heatmap_{split}.png"))
        shown = f"{metric_label(sweep.metric)} on {name}"
        yield Picture(shown, figure, f"{shown}; {what}.")


def _dots_of_repeats(sweep: Sweep) -> Iterator[Picture]:
    """Of one setting a dot per run, by the split, or else the seed."""
    key = (sweep.split_keys or sweep.repeats)[0]
    for split, name in _splits(sweep).items():
        figure = draw_curve(sweep.runs[key], sweep.runs[split], sweep.metric, joined=False)
        shown = f"{metric_label(sweep.metric)} on {name}"
        yield Picture(shown, figure, f"{shown}: one dot per run; dashed: the mean.")


def _tiles(sweep: Sweep) -> Iterator[dict[str, str]]:
    """The test score of the setting that was chosen on validation, its validation score, and the number of runs."""
    best = sweep.best()
    for split in reversed(SPLITS) if best is not None else ():
        if runs := int(best[split, "count"]):
            what = f"on {SPLITS[split]}" + (CHOSEN[split] if sweep.keys else "")
            what += f", mean ± std of {runs} runs" if runs > 1 else ""
            number = Format.of(sweep.metric, [best[split, "mean"]])
            if not sweep.keys and (between := bounds(*sweep.interval(split)[1:3], number)):
                what += f"; {100 * CONFIDENCE:g} % interval {between}"
            yield {"name": metric_label(sweep.metric), "value": _mean(best[split], number), "what": what, "kind": split}
    what = f"finished, {len(sweep.unfinished)} not" if sweep.unfinished else "all finished"
    yield {"name": "runs", "value": str(len(sweep.runs)), "what": what, "kind": "count"}


def _facts(sweep: Sweep, folder: Path) -> Iterator[tuple[str, str]]:
    """The setting that was chosen, the varied keys, and the folder."""
    yield "Chosen", ", ".join(f"{key}={value}" for key, value in sweep.chosen().items())
    for title, keys in (("Varied", sweep.keys), ("Repeated", sweep.repeats)):
        yield title, "; ".join(f"{key}: {', '.join(sweep.runs[key].cat.categories)}" for key in keys)
    yield "Out-of-fold predictions", OUT_OF_FOLD if (folder / OUT_OF_FOLD).is_file() else ""
    yield "Folder", str(folder.resolve())


def _notes(sweep: Sweep, axes: list[str]) -> Iterator[str]:
    """How to read the numbers."""
    if "test" in _splits(sweep) and sweep.keys:
        yield "Settings are selected on validation. The best of many on the test split is a biased estimate."
    elif "test" not in _splits(sweep) and len(sweep.runs):
        yield "The test split was not read."
    if (tied := _tied(sweep)) > 1:
        yield f"{tied} settings have the best validation score; the first of them is chosen."
    if len(sweep.datasets) > 1:
        yield f"Settings are not ranked: the runs are of several data sets, {_listed(sweep.datasets)}."
    if not axes and len(sweep.runs) > 1:
        what = f"only in {' and '.join(sweep.repeats)}" if sweep.repeats else "in no override"
        yield f"The runs differ {what}: one setting, run several times."
        yield from describe_repeats(sweep)
    if sweep.unfinished:
        yield f"Runs without a result: {', '.join(sweep.unfinished)}."
    yield from sweep.damaged


def _tied(sweep: Sweep) -> int:
    """Number of settings whose validation score is that of the chosen one."""
    best = sweep.best()
    return 0 if best is None else int((sweep.scores(*sweep.keys)["val", "mean"] == best["val", "mean"]).sum())


def _settings(sweep: Sweep) -> Iterator[tuple[list[str], list[str], int, bool]]:
    """Values, scores on each split that was read, number of runs, whether chosen; the best on validation first."""
    if sweep.runs.empty:
        return
    scores = sweep.scores(*sweep.keys).sort_values(("val", "mean"), ascending=sweep.lower_is_better)
    splits = _splits(sweep)
    number = Format.of(sweep.metric, scores["val", "mean"])
    best = sweep.best()
    for values, line in list(scores.iterrows())[:MOST_LINES]:
        means = [_mean(line[split], number) for split in splits]
        names = list(values) if isinstance(values, tuple) else [values]
        chosen = best is not None and values == best.name
        yield names if sweep.keys else [], means, int(line["val", "count"]), chosen and bool(sweep.keys)


def _runs(sweep: Sweep) -> Iterator[tuple[str, list[str], list[str]]]:
    """Folder, values and scores of each run, in the order of their folders' names."""
    splits = _splits(sweep)
    number = Format.of(sweep.metric, sweep.runs["val"])
    for name, line in list(sweep.runs.iterrows())[:MOST_LINES]:
        values = [str(line[key]) for key in (*sweep.keys, *sweep.repeats)]
        yield str(name), values, [number(line[split]) for split in splits]


def _mean(score: pd.Series, number: Format) -> str:
    """`81.2 ± 0.4`."""
    spread = f" ± {number(score['std'])}" if score["count"] > 1 else ""
    return f"{number(score['mean'])}{spread}"


def _command(folder: Path) -> str:
    """The command of a multirun; empty for other folders."""
    file = folder / "multirun.yaml"
    words = OmegaConf.select(read_yaml(file), "hydra.overrides.task") if os.path.lexists(file) else None
    return command(["gnn-distill", "train", "-m", *map(str, words)]) if words else ""
