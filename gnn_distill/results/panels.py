"""What figures with panels have in common: their size, their labels, a quiet grid."""

import math
from collections.abc import Callable, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from gnn_distill.results.figures import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREY, FLOOR = "#8a8f98", "#009e73"
"""Colours of what is a reference, and of what costs nothing."""
ACROSS = 3
"""Panels per row of a figure."""


def label_rows(axes: "Axes", labels: Sequence[str]) -> None:
    """Row labels, the first on top."""
    axes.set_yticks(range(len(labels)), [short(label) for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def short(label: str) -> str:
    """A label broken into short lines."""
    return plain("\n".join(wrap(label, 24)))


def in_panels(titles: Sequence[str], draw: Callable[["Axes", str], None], height: float) -> "Figure | None":
    """Panels, ACROSS per row; None if there are none."""
    if not titles:
        return None
    across = min(len(titles), ACROSS)
    down = math.ceil(len(titles) / across)
    figure, panels = new_figure(4.8 * across, height * down, down, across)
    for axes, title in zip_longest(np.ravel(panels), titles):
        if title is None:
            axes.remove()
        else:
            draw(axes, title)
            quiet(axes)
    return figure


def new_figure(width: float, height: float, down: int = 1, across: int = 1) -> tuple["Figure", Any]:
    """A figure of so many inches, and its panels."""
    from matplotlib.figure import Figure  # not pyplot, which keeps figures alive and looks for a screen

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(down, across)


def quiet(axes: "Axes") -> None:
    """A faint grid, and no frame but the axes."""
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
