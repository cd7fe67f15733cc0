"""Figures over settings: a map of two keys, a curve of one; also a table's means as a map."""

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gnn_distill.formatting import NOTHING, Format, metric_label
from gnn_distill.results.figures import COLOURS, plain
from gnn_distill.results.panels import GREY, new_figure, quiet, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

DARK, LIGHT = "#111111", "#ffffff"
READABLE = (0.08, 0.85)
"""The part of a colour map that is used: its ends are too pale, and too dark, for numbers on them."""
STEPS = 64
"""Of a colour bar."""
UPRIGHT = 8
"""Most letters of a label below a cell that is not turned."""


def draw_heat_map(
    means: pd.DataFrame, metric: str, lower_is_better: bool, chosen: tuple[str, str] | None = None
) -> "Figure":
    """A map of means with a colour bar, index on the y axis, columns on the x axis; darker is better, missing empty.

    chosen: the labels (index, column) of the cell that is outlined; None: the best one.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.patches import Rectangle

    values = means.to_numpy(float)
    known = values[np.isfinite(values)]
    figure, axes = new_figure(2.5 + 0.85 * values.shape[1], 1.2 + 0.6 * values.shape[0])
    colours, number = _colours(lower_is_better), Format.of(metric, known)
    scale = Normalize(*(number.scale * known.min(), number.scale * known.max()) if known.size else (0, 1))
    if chosen is None:
        best = (known.min() if lower_is_better else known.max()) if known.size else None
        outlined = values == best
    else:
        outlined = np.outer(means.index == chosen[0], means.columns == chosen[1])
    for (y, x), value in np.ndenumerate(values):
        if not math.isfinite(value):
            axes.text(x, y, NOTHING, ha="center", va="center", color=GREY)
            continue
        colour = colours(scale(number.scale * value) if scale.vmin < scale.vmax else 0.4)
        axes.add_patch(Rectangle((x - 0.48, y - 0.47), 0.96, 0.94, facecolor=colour, linewidth=0))
        bright = np.dot(colour[:3], (0.299, 0.587, 0.114)) > 0.55
        axes.text(x, y, number(value), ha="center", va="center", color=DARK if bright else LIGHT)
        if outlined[y, x]:
            axes.add_patch(Rectangle((x - 0.48, y - 0.47), 0.96, 0.94, fill=False, edgecolor="#000000", linewidth=2))
    axes.set(xlim=(-0.5, values.shape[1] - 0.5), ylim=(-0.5, values.shape[0] - 0.5))
    _label(axes, means)
    if known.size and scale.vmin < scale.vmax:
        bar = figure.colorbar(ScalarMappable(scale, colours), ax=axes, label=metric_label(metric))
        bar.outline.set_visible(False)
    return figure


def draw_curve(
    settings: pd.Series, values: pd.Series, metric: str, chosen: str | None = None, joined: bool = True
) -> "Figure":
    """One dot per run over an ordered categorical, a line through the means of numbers, or a bar at those of words.

    chosen: the value that is marked; joined: false of seeds and folds, of which a line shows the mean of all.
    """
    figure, axes = new_figure(5, 3.4)
    scale = Format.of(metric, ()).scale
    names = list(settings.cat.categories)
    means = [scale * values[settings == name].mean() for name in names]
    for place, name in enumerate(names):
        here = scale * values[settings == name].dropna().to_numpy(float)
        axes.plot([place] * len(here), here, "o", color=COLOURS["student"], markersize=4, alpha=0.6)
    if not joined:
        axes.axhline(np.nanmean(means), color="#000000", linewidth=1.2, linestyle="--")
    elif all(map(_is_number, names)):
        axes.plot(range(len(names)), means, color="#000000", linewidth=1.4)
    else:
        axes.hlines(means, np.arange(len(names)) - 0.25, np.arange(len(names)) + 0.25, color="#000000", linewidth=1.6)
    if chosen in names:
        place = names.index(chosen)
        axes.axvspan(place - 0.3, place + 0.3, color=GREY, alpha=0.2, linewidth=0)
        axes.text(place, 0.99, "chosen", transform=axes.get_xaxis_transform(), ha="center", va="top", fontsize=8)
    axes.set_xticks(range(len(names)), [plain(name) for name in names])
    _turn(axes, names, len(names) > UPRIGHT)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set(xlabel=plain(str(settings.name)), ylabel=metric_label(metric))
    quiet(axes)
    return figure


def _colours(lower_is_better: bool) -> "Colormap":
    """A colour map whose dark end is better."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    ends = READABLE[::-1] if lower_is_better else READABLE
    return ListedColormap(colormaps["YlGnBu"](np.linspace(*ends, STEPS)))


def _label(axes: "Axes", means: pd.DataFrame) -> None:
    """Names of keys and values on both axes of a map."""
    columns = [str(name) for name in means.columns]
    axes.set_xticks(range(len(columns)), [short(name) for name in columns])
    _turn(axes, columns)
    axes.set_yticks(range(len(means.index)), [short(str(name)) for name in means.index])
    axes.set_xlabel(plain(str(means.columns.name or "")), labelpad=6)
    axes.set_ylabel(plain(str(means.index.name or "")), labelpad=6)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _turn(axes: "Axes", names: list[str], crowded: bool = False) -> None:
    """Turn labels below an axis that are too long to stand beside each other."""
    if max(map(len, names), default=0) > (UPRIGHT // 2 if crowded else UPRIGHT):
        axes.tick_params(axis="x", rotation=35)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
