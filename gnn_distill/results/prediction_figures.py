"""Figures of predictions: parity of a regression; ROC curves and calibration of classes."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gnn_distill.formatting import role_label
from gnn_distill.results.figures import COLOURS, plain
from gnn_distill.results.panels import FLOOR
from gnn_distill.results.predictions import Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_TARGETS = 6
"""Most targets that are drawn."""
MOST_POINTS = 3_000
CALIBRATION_BINS = 10
FEWEST = 5
"""Fewest examples of a bin of calibration that is drawn."""


def draw_parity(found: Predictions) -> "Figure | None":
    """Predicted over measured values of the main model, a panel for each of the first targets."""

    def draw(axes: "Axes", target: int) -> None:
        known = np.flatnonzero(found.known(target))
        known = known[:: -(-len(known) // MOST_POINTS) or 1]
        truth, said = found.labels[known, target], found.outputs[found.main][known, target]
        axes.scatter(truth, said, s=9, alpha=0.55, linewidths=0, color=COLOURS.get(found.main, FLOOR))
        low, high = min(truth.min(), said.min()), max(truth.max(), said.max())
        axes.plot([low, high], [low, high], color="#000000", alpha=0.4, linewidth=1)
        name = found.targets[target]
        measured = "" if "measured" in name.lower() else ", measured"
        axes.set(xlabel=plain(f"{name}{measured}"), ylabel="predicted")

    return _panels([target for target in range(len(found.targets)) if found.known(target).any()], draw)


def draw_roc(found: Predictions) -> "Figure | None":
    """ROC curves: of one target for every model, of several those of the main model."""
    from sklearn.metrics import roc_curve

    pairs = [(found.main, target) for target in range(len(found.targets))] if len(found.targets) > 1 else [
        (role, 0) for role in found.outputs
    ]  # fmt: skip
    pairs = [(role, target) for role, target in pairs if len(set(_labels(found, target).tolist())) == 2]

    def draw(axes: "Axes", _: int) -> None:
        for number, (role, target) in enumerate(pairs[:MOST_TARGETS]):
            known = found.known(target)
            false, true, _ = roc_curve(found.labels[known, target], found.outputs[role][known, target])
            several = len(found.targets) > 1
            colour = f"C{number}" if several else COLOURS.get(role, FLOOR)
            label = plain(found.targets[target][:24]) if several else role_label(role)
            axes.plot(false, true, color=colour, label=label, linewidth=1.3)
        axes.plot([0, 1], [0, 1], color="#000000", alpha=0.3, linewidth=1, linestyle=":")
        axes.set(xlabel="false positive rate", ylabel="true positive rate")
        axes.legend(frameon=False, fontsize=8, loc="lower right")

    return _panels([0] if pairs else [], draw)


def draw_calibration(found: Predictions) -> "Figure | None":
    """How often a class is true over how likely it was said to be, of all targets together, for every model.

    Of several classes: how often the likeliest is true. Bins of few examples are left out.
    """

    def draw(axes: "Axes", _: int) -> None:
        for role in found.outputs:
            said, true = _confidence(found, role)
            place = np.minimum((said * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
            bins = [place == number for number in range(CALIBRATION_BINS)]
            bins = [inside for inside in bins if inside.sum() >= FEWEST]
            points = [(said[inside].mean(), true[inside].mean()) for inside in bins]
            if points:
                axes.plot(*zip(*points, strict=True), marker="o", markersize=4, linewidth=1.3,
                          color=COLOURS.get(role, FLOOR), label=role_label(role))  # fmt: skip
        axes.plot([0, 1], [0, 1], color="#000000", alpha=0.3, linewidth=1, linestyle=":")
        what = "class is the likeliest" if found.kind == "multiclass" else "class 1"
        axes.set(xlabel=f"predicted probability ({what})", ylabel="share that is true")
        if axes.get_legend_handles_labels()[0]:  # there may be no bin of enough examples
            axes.legend(frameon=False, fontsize=8, loc="upper left")

    return _panels([0] if any(found.known(target).any() for target in range(len(found.targets))) else [], draw)


def _labels(found: Predictions, target: int) -> np.ndarray:
    return found.labels[found.known(target), target]


def _confidence(found: Predictions, role: str) -> tuple[np.ndarray, np.ndarray]:
    """What was said of the classes of all known labels, and whether they were true."""
    outputs = found.outputs[role]
    if found.kind == "multiclass":
        known = found.known(0)
        return outputs[known].max(axis=1), outputs[known].argmax(axis=1) == found.labels[known, 0]
    known = np.stack([found.known(target) for target in range(len(found.targets))], axis=1)
    return outputs[known], found.labels[known] == 1


def _panels(targets: Sequence[int], draw: Callable[["Axes", int], None]) -> "Figure | None":
    """Square panels, at most three in a row; None if there are none."""
    if not targets:
        return None
    from matplotlib.figure import Figure  # not pyplot, which keeps figures alive and looks for a screen

    targets = targets[:MOST_TARGETS]
    columns = min(3, len(targets))
    rows = -(-len(targets) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.6 * rows), layout="constrained")
    all_axes = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for axes, target in zip(all_axes, targets, strict=False):
        draw(axes, target)
        axes.grid(alpha=0.3, linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in all_axes[len(targets) :]:
        axes.set_visible(False)
    return figure
