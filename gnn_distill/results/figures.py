"""Figures drawn from a run's files."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnn_distill.errors import printable
from gnn_distill.formatting import PERCENT, metric_label, role_label
from gnn_distill.storage.run_directory import read_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curves = dict[str, dict[str, list[float]]]
COLOURS = {"teacher": "#0072b2", "alone": "#7f7f7f", "student": "#d55e00"}
WEIGHTED = ".weighted"
MOST_INSIDE = 4
"""Most lines whose legend fits inside a panel; longer legends are placed below it."""
MOST_TERMS, MOST_POINTS, MOST_LETTERS = 40, 5000, 200
"""Most lines per panel, points per line and letters per label, so that runs of any length can be drawn and read."""
ENDINGS = {"raw": "", "weighted": WEIGHTED}


def learning_curves(run_dir: Path | str, metric: str | None = None) -> list[Path]:
    """Draw metrics.csv into figures/: loss.png, metric.png and terms.png, as far as there are values.

    `metric` is the primary metric's name; by default the first val/ column that is not the loss.
    """
    curves = read_metrics(run_dir)
    folder = Path(run_dir) / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    drawings = {"loss": draw_losses(curves), "metric": draw_metric(curves, metric), "terms": draw_terms(curves)}
    paths = []
    for name, figure in drawings.items():
        if figure is not None:
            paths.append(folder / f"{name}.png")
            figure.savefig(paths[-1], dpi=120)
    return paths


def draw_losses(curves: Curves) -> "Figure | None":
    """Training and validation loss, one panel per stage."""
    stages = [stage for stage in curves if "train/loss" in curves[stage]]

    def draw(axes: "Axes", stage: str) -> None:
        colour = COLOURS.get(stage)
        _line(axes, curves[stage], "train/loss", label="training", color=colour)
        if "val/loss" in curves[stage]:
            _line(axes, curves[stage], "val/loss", label="validation", color=colour, linestyle="--")
        axes.set(title=role_label(stage), ylabel="loss")

    return _panels(stages, draw)


def draw_metric(curves: Curves, metric: str | None = None) -> "Figure | None":
    """The primary metric on the validation split, all models in one panel."""
    names = [name for stage in curves.values() for name in stage if name.startswith("val/") and name != "val/loss"]
    column = f"val/{metric}" if metric else next(iter(names), "")

    def draw(axes: "Axes", column: str) -> None:
        for stage in curves:
            if column in curves[stage]:
                _line(axes, curves[stage], column, label=role_label(stage), color=COLOURS.get(stage))
        name = column.removeprefix("val/")
        if name in PERCENT:
            axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g}")
        axes.set(ylabel=plain(f"validation {metric_label(name)}"))

    return _panels([column] if column in names else [], draw)


def draw_terms(curves: Curves, kinds: Sequence[str] = tuple(ENDINGS)) -> "Figure | None":
    """Each term of the student's loss, before and after weighting; logarithmic if the values span decades."""
    student = curves.get("student", {})
    terms = [name.removesuffix(WEIGHTED) for name in student if name.endswith(WEIGHTED)][:MOST_TERMS]

    def draw(axes: "Axes", title: str) -> None:
        shown = [(index, term) for index, term in enumerate(terms) if term + ENDINGS[title] in student]
        for index, term in shown:  # one colour per term in both panels
            _line(axes, student, term + ENDINGS[title], label=plain(term.removeprefix("train/")), color=f"C{index}")
        values = [value for _, term in shown for value in student[term + ENDINGS[title]] if 0 < value < math.inf]
        if values and max(values) > 100 * min(values):
            axes.set_yscale("log")  # terms of weight 0 are not visible there, and need not be
        axes.set(title=f"student, {title} terms", ylabel="loss term")

    return _panels(kinds if terms else [], draw)


def plain(text: str) -> str:
    """`text` shortened, with dollar signs escaped: matplotlib would read the text between two of them as a formula."""
    text = printable(text)
    text = text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…"
    return text.replace("$", r"\$")


def _line(axes: "Axes", curves: dict[str, list[float]], column: str, **style: Any) -> None:
    values = curves[column]
    epochs = curves.get("epoch", range(1, len(values) + 1))
    marker = "o" if len(values) < 10 else None  # a line of one point is invisible
    every = math.ceil(len(values) / MOST_POINTS) or 1
    axes.plot(epochs[::every], values[::every], marker=marker, markersize=3, linewidth=1.3, **style)


def _panels(titles: Sequence[str], draw: Callable[["Axes", str], None]) -> "Figure | None":
    """A row of panels with one legend each; None if there are no panels."""
    if not titles:
        return None
    from matplotlib.figure import Figure  # not pyplot, which keeps figures alive and looks for a screen
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(5 * len(titles), 3.4), layout="constrained")
    for axes, title in zip(figure.subplots(1, len(titles), squeeze=False)[0], titles, strict=True):
        draw(axes, title)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3, linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        if len(axes.get_lines()) > MOST_INSIDE:
            axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3)
        else:
            axes.legend(frameon=False, fontsize=8)
    return figure
