"""Figures of a table: boxes over pairs, differences to a row, means of further tables, curves of cells."""

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gnn_distill.formatting import Format, metric_label
from gnn_distill.results.figures import COLOURS, plain
from gnn_distill.results.panels import FLOOR, GREY, in_panels, label_rows, new_figure, quiet, short
from gnn_distill.results.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOR_A_BOX = 12
"""Number of values from which on a box tells more than mean and standard deviation."""


def draw_boxes(table: Table, columns: Sequence[str] | None = None) -> "Figure | None":
    """The value of every pair as a dot: one panel per column, one line per row.

    Below the dots lies a bar of one standard deviation each way with the mean marked, or a box if there are enough.
    """

    def draw(axes: "Axes", key: str) -> None:
        column = table.columns[key]
        number = Format.of(column.metric, ())
        for place, (row, cell) in enumerate(table.of_column(key).items()):
            values, colour = number.scale * cell.values.to_numpy(float), _colour(table, row)
            if len(values) >= FOR_A_BOX:
                axes.boxplot(
                    values, positions=[place], orientation="horizontal", widths=0.55, showfliers=False, showcaps=False,
                    patch_artist=True, boxprops={"facecolor": colour, "alpha": 0.18, "linewidth": 0},
                    medianprops={"color": colour, "linewidth": 2}, whiskerprops={"color": colour, "alpha": 0.6},
                )  # fmt: skip
            elif len(values) > 1:
                mean, deviation = values.mean(), values.std(ddof=1)
                axes.barh(place, 2 * deviation, 0.5, left=mean - deviation, color=colour, alpha=0.18, linewidth=0)
                axes.plot([mean, mean], [place - 0.3, place + 0.3], color=colour, linewidth=2)
            axes.plot(values, [place] * len(values), "o", color=colour, markersize=4, alpha=0.75)
        label_rows(axes, list(table.rows.values()))
        axes.set(title=short(column.head), xlabel=metric_label(column.metric))

    filled = [
        key for key in columns or table.columns if any(len(cell.values) for cell in table.of_column(key).values())
    ]
    return in_panels(filled, draw, height=1.1 + 0.34 * len(table.rows))


def draw_differences(table: Table, columns: Sequence[str] | None = None) -> "Figure | None":
    """The gain of each row over the reference, with its interval: one panel per column, one bar per row.

    A bar is pale where the difference is not significant.
    """
    rows = [row for row in table.rows if row != table.reference and row not in table.floors]

    def draw(axes: "Axes", key: str) -> None:
        column = table.columns[key]
        scale = Format.of(column.metric, ()).scale
        for place, row in enumerate(rows):
            made = table.cells[row, key].comparison
            if made and made.effect.n:
                alpha = 0.9 if made.mark else 0.35
                axes.barh(place, scale * made.effect.mean, 0.6, color=_colour(table, row), alpha=alpha, linewidth=0)
                ends = [scale * made.effect.low, scale * made.effect.high]
                axes.plot(ends, [place, place], color="#000000", linewidth=1.2)
        axes.axvline(0, color="#000000", linewidth=0.8)
        label_rows(axes, [table.rows[row] for row in rows])
        unit = "points" if scale == 100 else metric_label(column.metric)
        axes.set(title=short(column.head), xlabel=f"better by ({unit})")

    def compared(key: str) -> bool:
        made = [table.cells[row, key].comparison for row in rows]
        return any(comparison and comparison.effect.n for comparison in made)

    filled = [key for key in columns or table.columns if compared(key)]
    return in_panels(filled, draw, height=1.1 + 0.34 * len(rows))


def draw_further(table: Table) -> "Figure | None":
    """The mean of every row in each of the further tables, by column, with a line of one standard deviation each way.

    One panel per further table; the rows of a column lie below one another. None without such tables.
    """
    if not table.further:
        return None
    further = {one.title or one.name: one for one in table.further}
    colours, lines = distinct_colours(table), {}

    def draw(axes: "Axes", title: str) -> None:
        for place, key in enumerate(table.columns):
            axes.axhspan(place - 0.5, place + 0.5, color="#000000", alpha=0.04 * (place % 2), linewidth=0)
            for row, height in zip(table.rows, np.linspace(place - 0.35, place + 0.35, len(table.rows)), strict=True):
                cell = further[title].cells[row, key]
                if len(cell.values):
                    deviation = np.nan_to_num(cell.std)
                    lines[row] = axes.errorbar(
                        cell.mean, height, xerr=deviation, fmt="o", color=colours[row], markersize=5, linewidth=1.2
                    )
        label_rows(axes, [column.head for column in table.columns.values()])
        axes.set_title(plain(title), fontsize=10)

    figure = in_panels(list(further), draw, height=1 + (0.25 + 0.14 * len(table.rows)) * len(table.columns))
    named = [row for row in table.rows if row in lines]
    figure.legend(
        [lines[row] for row in named], [short(table.rows[row]) for row in named],
        frameon=False, loc="outside lower center", ncols=4,
    )  # fmt: skip
    return figure


def draw_cell_curves(
    cells: Mapping[str, Sequence[Mapping[str, Sequence[float]]]],
    metric: str,
    title: str = "",
    colours: Mapping[str, Any] | None = None,
) -> "Figure | None":
    """The validation metric by epoch: one line per row at the mean over its runs, with a band of one std (ddof=1).

    `cells` contains, by label, the columns of metrics.csv of one stage for each run. A run that stopped early is left
    out of the mean from there on. None if no run has the metric. `colours`: by label.
    """
    name = f"val/{metric}"
    found = {label: [run[name] for run in runs if name in run] for label, runs in cells.items()}
    found = {label: curves for label, curves in found.items() if curves}
    if not found:
        return None
    from matplotlib.ticker import MaxNLocator

    figure, axes = new_figure(5, 3.4 + 0.12 * len(found))
    scale = Format.of(metric, ()).scale
    for label, curves in found.items():
        frame = scale * pd.DataFrame(zip_longest(*curves, fillvalue=math.nan), dtype=float)  # [epoch, run]
        frame.index += 1
        mean, std = frame.mean(axis=1), frame.std(axis=1, ddof=1)
        (line,) = axes.plot(mean.index, mean, linewidth=1.4, label=short(label), color=(colours or {}).get(label))
        axes.fill_between(mean.index, mean - std, mean + std, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set(title=plain(title), xlabel="epoch", ylabel=plain(f"validation {metric_label(metric)}"))
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    quiet(axes)
    return figure


def means_of(table: Table) -> pd.DataFrame:
    """The means of a table by its labels, as draw_heat_map takes them."""
    means = {
        column.head: {label: table.cells[row, key].mean for row, label in table.rows.items()}
        for key, column in table.columns.items()
    }
    return pd.DataFrame(means, dtype=float)


def _colour(table: Table, row: str) -> str:
    """The colour of a row: one for the teacher, one for floors, grey for the reference, one for all others."""
    if row in table.floors:
        return FLOOR
    return {table.teacher: COLOURS["teacher"], table.reference: GREY}.get(row, COLOURS["student"])


def distinct_colours(table: Table) -> dict[str, Any]:
    """A colour for each row: those of teachers, floors and the student alone as elsewhere, others one by one."""
    from matplotlib import colormaps

    teachers = [row for row in (table.teacher, *table.teachers) if row]
    known = dict.fromkeys(table.floors, FLOOR) | dict.fromkeys(teachers, COLOURS["teacher"]) | {table.alone: GREY}
    students = [row for row in table.rows if row not in known]
    others = [COLOURS["student"], *colormaps["Dark2"].colors, *colormaps["Set1"].colors]
    return known | {row: others[number % len(others)] for number, row in enumerate(students)}
