"""Figures of profiles by distance: influence and attention by hop, layers by hop, errors by distance."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gnn_distill.formatting import Format, metric_label
from gnn_distill.results.figures import COLOURS, plain
from gnn_distill.results.panels import new_figure, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Models = Mapping[str, Mapping[str, Any]]
"""The models of a profile, by label, in the order of the legend."""
LEAST = 1e-6
"""The least influence per node that is drawn, relative to a node's own."""
OTHERS = ("#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f3c8d", "#a5aa99")
"""Colours of methods beyond the first."""


def colours_of(labels: Iterable[str]) -> dict[str, str]:
    """The teacher's colour, black for the student alone, the student's for the first method, others in turn."""
    labels = list(labels)
    methods = iter((COLOURS["student"], *OTHERS * len(labels)))
    fixed = {"teacher": COLOURS["teacher"], "student alone": "#000000"}
    return {label: fixed.get(label) or next(methods) for label in labels}


def draw_influence(models: Models, kind: str = "influence") -> "Figure | None":
    """Influence per node at each hop relative to the node's own, logarithmic, with bands: one line per model.

    A line that falls out of the picture has come to exactly zero. kind: influence (the Jacobian's) or swap.
    """
    shown = {label: model[kind] for label, model in models.items() if model.get(kind)}
    if not shown:
        return None
    figure, axes = new_figure(5, 3.5)
    bins, hops = _filled(profile["per_node"]["value"] for profile in shown.values())
    colours = colours_of(models)
    for label, profile in shown.items():
        reach = profile["reach"]["value"]
        name = label if reach is None else f"{label}, reach {reach:.2f}"
        _band(axes, profile["per_node"], bins, plain(name), colours[label])
    axes.set_yscale("log", nonpositive="clip")
    lows = [value for profile in shown.values() for value in _numbers(profile["per_node"]["value"], bins) if value > 0]
    axes.set_ylim(max(min(lows) / 2, LEAST), 1.5 * max(lows))
    axes.set(xlabel="hops", ylabel="influence per node")
    _hops(axes, bins, hops)
    quiet(axes)
    _legend(axes, len(shown))
    return figure


def draw_lift(models: Models) -> "Figure | None":
    """Attention mass by hop over that of uniform attention, last layer, with bands: one line per model that has it."""
    shown = {
        label: model["attention"]["layers"][-1]["lift"] for label, model in models.items() if model.get("attention")
    }
    if not shown:
        return None
    figure, axes = new_figure(5, 3.5)
    bins, hops = _filled(lift["value"] for lift in shown.values())
    colours = colours_of(models)
    for label, lift in shown.items():
        _band(axes, lift, bins, plain(label), colours[label])
    axes.axhline(1, color="#000000", linewidth=0.8, alpha=0.5)
    axes.set(xlabel="hops between query and key", ylabel="attention over uniform")
    axes.set_ylim(bottom=0)
    _hops(axes, bins, hops)
    quiet(axes)
    _legend(axes, len(shown))
    return figure


def draw_layers(models: Models) -> "Figure | None":
    """Influence per node by layer and hop, logarithmic: one panel per model; empty where it is exactly zero."""
    from matplotlib.colors import LogNorm

    shown = {label: model["influence"]["layers"] for label, model in models.items() if model.get("influence")}
    if not shown:
        return None
    bins, hops = _filled(layer["per_node"] for layers in shown.values() for layer in layers)
    values = {
        label: np.array([_numbers(layer["per_node"], bins) for layer in layers]) for label, layers in shown.items()
    }
    known = np.concatenate([grid[grid > 0] for grid in values.values()])
    deepest = max(len(grid) for grid in values.values())
    figure, panels = new_figure(5, 0.7 + len(shown) * (0.75 + 0.24 * deepest), len(shown))
    scale = LogNorm(max(known.min(), LEAST), 1.0)
    for axes, (label, grid) in zip(np.ravel(panels), values.items(), strict=True):
        picture = axes.imshow(
            np.where(grid > 0, grid, np.nan), cmap="YlGnBu", norm=scale, aspect="auto", origin="lower"
        )
        axes.set_title(plain(label), fontsize=10)
        axes.set_yticks(range(len(grid)), [str(number + 1) for number in range(len(grid))])
        axes.set_ylabel("layer")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        _hops(axes, bins, hops)
    np.ravel(panels)[-1].set_xlabel("hops")
    figure.colorbar(picture, ax=list(np.ravel(panels)), label="influence per node", aspect=30)
    return figure


def draw_errors(errors: Mapping[str, Any], metric: str) -> "Figure | None":
    """The metric by distance with intervals: one group of dots per bin, one colour per model."""
    models = {label: bins for label, bins in errors["models"].items() if bins}
    if not models:
        return None
    figure, axes = new_figure(5, 3.5)
    scale = Format.of(metric, ()).scale
    apart, colours = min(0.6 / len(models), 0.15), colours_of(models)
    for number, (label, bins) in enumerate(models.items()):
        place = np.arange(len(bins)) + (number - (len(models) - 1) / 2) * apart
        value, low, high = (scale * _numbers([one[name] for one in bins]) for name in ("value", "low", "high"))
        colour = colours[label]
        axes.errorbar(
            place, value, yerr=np.maximum([value - low, high - value], 0), fmt="o", markersize=5, linewidth=1.3,
            capsize=2, color=colour, label=plain(label),
        )  # fmt: skip
    labels = [
        str(one["nearest"]) if one["nearest"] == one["farthest"] else f"{one['nearest']}–{one['farthest']}"
        for one in bins
    ]
    counts = [one["examples"] for one in bins]
    axes.set_xticks(range(len(bins)), [f"{label}\n{count:,}" for label, count in zip(labels, counts, strict=True)])
    axes.set_xlim(-0.6, len(bins) - 0.4)
    what = {"label": "hops that the label depends on", "diameter": "diameter of the graph"}[errors["distance"]]
    axes.set(xlabel=f"{what}; number of examples", ylabel=metric_label(metric))
    quiet(axes)
    axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)  # dots fill the panel
    return figure


def _band(axes: "Axes", banded: Mapping[str, Any], bins: Sequence[int], label: str, colour: str) -> None:
    value, low, high = (_numbers(banded[name], bins) for name in ("value", "low", "high"))
    places = range(len(bins))
    axes.plot(places, value, color=colour, linewidth=1.6, marker="o", markersize=3.5, label=label)
    axes.fill_between(places, low, high, color=colour, alpha=0.18, linewidth=0)


def _numbers(values: Sequence[float | None], bins: Sequence[int] | None = None) -> np.ndarray:
    """Values of some bins, None as NaN."""
    numbers = np.array([np.nan if value is None else value for value in values], dtype=float)
    return numbers if bins is None else numbers[list(bins)]


def _filled(curves: Iterable[Sequence[float | None]]) -> tuple[list[int], int]:
    """The bins by hop in which a curve has a value, without the unreachable; and the last hop with its own bin."""
    grid = np.array([_numbers(curve) for curve in curves])
    return [place for place in range(grid.shape[1] - 1) if np.isfinite(grid[:, place]).any()], grid.shape[1] - 3


def _hops(axes: "Axes", bins: Sequence[int], hops: int) -> None:
    """The hops on the x axis; one bin holds all beyond `hops`."""
    axes.set_xticks(range(len(bins)), [str(place) if place <= hops else f">{hops}" for place in bins])


def _legend(axes: "Axes", lines: int) -> None:
    if lines > 4:
        axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    else:
        axes.legend(frameon=False, fontsize=8)
