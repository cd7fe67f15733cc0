"""The content of the report of a sweep: a map of the two keys that vary most, and the scores of all settings."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup
from omegaconf import OmegaConf

from gnn_distill.config.schema.report import ReportConfig
from gnn_distill.errors import refuse, suggest
from gnn_distill.formatting import Format, metric_label
from gnn_distill.results.inline import svg
from gnn_distill.results.out_of_fold import OUT_OF_FOLD
from gnn_distill.results.sweep_summary import describe_repeats
from gnn_distill.results.sweeps import Sweep, read_sweep
from gnn_distill.results.table_figures import draw_dots, draw_heat_map
from gnn_distill.storage.bounded import read_yaml
from gnn_distill.storage.privacy import command

MOST_LINES = 200
SPLITS = {"val": "validation", "test": "test"}


def sweep_page(folder: Path, config: ReportConfig) -> dict[str, Any]:
    """The variables of templates/sweep.html; writes heatmap.png, and heatmap_test.png if the test split was read."""
    sweep = read_sweep(folder, config.metric)
    axes = _axes(sweep, config)
    image_folder = Path(config.output).parent if config.output else folder
    return {
        "title": _title(sweep, axes),
        "subject": folder.resolve().name,
        "tiles": list(_tiles(sweep)),
        "facts": {name: value for name, value in _facts(sweep, folder) if value},
        "notes": list(_notes(sweep, axes)),
        "figures": list(_figures(sweep, axes, image_folder)),
        "keys": sweep.keys,
        "metric": metric_label(sweep.metric),
        "splits": [name for split, name in SPLITS.items() if sweep.runs[split].notna().any()],
        "settings": list(_settings(sweep)),
        "varied": [*sweep.keys, *sweep.repeats],
        "runs": list(_runs(sweep)),
        "failures": {name: why for name, why in sweep.unfinished.items() if why},
        "command": _command(folder),
    }


def _title(sweep: Sweep, axes: list[str]) -> str:
    """Names the keys that were varied."""
    if axes:
        return f"Sweep of {' and '.join(axes)}"
    return f"Runs over {' and '.join(sweep.repeats)}" if sweep.repeats else "Runs of one setting"


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


def _figures(sweep: Sweep, axes: list[str], image_folder: Path) -> Iterator[tuple[Markup, str]]:
    """One map per split that was read; with a single key, one dot per run."""
    if not axes and sweep.repeats and len(sweep.runs) > 1:
        yield from _dots_of_repeats(sweep)
    over = [key for key in [*sweep.keys, *sweep.repeats] if key not in axes]
    for split, name in SPLITS.items() if axes else ():
        if sweep.runs[split].isna().all():
            continue
        if len(axes) == 1:
            figure = draw_dots(sweep.runs[axes[0]], sweep.runs[split], sweep.metric)
            what = "one dot per run, a bar at their mean"
        else:
            means = sweep.scores(*axes)[split, "mean"].unstack(axes[0])
            figure = draw_heat_map(means, sweep.metric, sweep.lower_is_better)
            what = f"mean over {', '.join(over)}" if over else "one run per cell"
        figure.savefig(image_folder / ("heatmap.png" if split == "val" else f"heatmap_{split}.png"), dpi=150)
        yield svg(figure, f"{metric_label(sweep.metric)} on {name}"), f"{metric_label(sweep.metric)} on {name}; {what}."


def _dots_of_repeats(sweep: Sweep) -> Iterator[tuple[Markup, str]]:
    """Of one setting a dot per run, by the split, or else the seed."""
    key = (sweep.split_keys or sweep.repeats)[0]
    for split, name in SPLITS.items():
        if sweep.runs[split].notna().any():
            figure = draw_dots(sweep.runs[key], sweep.runs[split], sweep.metric)
            yield svg(figure, f"{metric_label(sweep.metric)} on {name}"), f"{metric_label(sweep.metric)} on {name}."


def _tiles(sweep: Sweep) -> Iterator[dict[str, str]]:
    """The score of the best setting, and the number of runs."""
    best = sweep.best()
    if best is not None:
        for split, name in SPLITS.items():
            if best[split, "count"]:
                what = {"val": f"best mean on {name}", "test": f"on {name}, same setting"}[split]
                if not sweep.keys:
                    what = f"on {name}, mean ± std of {best[split, 'count']:.0f} runs"
                value = _mean(best[split], Format.of(sweep.metric, [best[split, "mean"]]))
                yield {"name": metric_label(sweep.metric), "value": value, "what": what, "kind": split}
    count = len(sweep.runs)
    what = f"finished, {len(sweep.unfinished)} not" if sweep.unfinished else "all finished"
    yield {"name": "runs", "value": str(count), "what": what, "kind": "count"}


def _facts(sweep: Sweep, folder: Path) -> Iterator[tuple[str, str]]:
    """The best setting, the varied keys, and the folder."""
    best = sweep.best()
    if best is not None and sweep.keys:
        values = best.name if isinstance(best.name, tuple) else (best.name,)
        yield "Best at", ", ".join(f"{key}={value}" for key, value in zip(sweep.keys, values, strict=True))
    for title, keys in (("Varied", sweep.keys), ("Repeated", sweep.repeats)):
        yield title, "; ".join(f"{key}: {', '.join(sweep.runs[key].cat.categories)}" for key in keys)
    yield "Out-of-fold predictions", OUT_OF_FOLD if (folder / OUT_OF_FOLD).is_file() else ""
    yield "Folder", str(folder.resolve())


def _notes(sweep: Sweep, axes: list[str]) -> Iterator[str]:
    """How to read the numbers."""
    if sweep.runs["test"].notna().any() and sweep.keys:
        yield "Settings are selected on validation. The best of many on the test split is a biased estimate."
    elif sweep.runs["test"].isna().all() and len(sweep.runs):
        yield "The test split was not read."
    if len(axes) == 1:
        yield f"The runs differ in {axes[0]}: there is no map of two keys to draw."
    if not axes and len(sweep.runs) > 1:
        what = f"only in {' and '.join(sweep.repeats)}" if sweep.repeats else "in no override"
        yield f"The runs differ {what}: one setting, run several times."
        yield from describe_repeats(sweep)
    if sweep.unfinished:
        yield f"Runs without a result: {', '.join(sweep.unfinished)}."
    yield from sweep.damaged


def _settings(sweep: Sweep) -> Iterator[tuple[list[str], list[str], int]]:
    """Values, scores on each split that was read, and number of runs; the best on validation first."""
    if sweep.runs.empty:
        return
    scores = sweep.scores(*sweep.keys).sort_values(("val", "mean"), ascending=sweep.lower_is_better)
    splits = [split for split in SPLITS if sweep.runs[split].notna().any()]
    number = Format.of(sweep.metric, scores["val", "mean"])
    for values, line in list(scores.iterrows())[:MOST_LINES]:
        means = [_mean(line[split], number) for split in splits]
        names = list(values) if isinstance(values, tuple) else [values]
        yield names if sweep.keys else [], means, int(line["val", "count"])


def _runs(sweep: Sweep) -> Iterator[tuple[str, list[str], list[str]]]:
    """Folder, values and scores of each run, in the order of their folders' names."""
    splits = [split for split in SPLITS if sweep.runs[split].notna().any()]
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
