"""Figures of probes: awareness by hop, far against local awareness, and layer by hop."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gnn_distill.results.figures import COLOURS, plain
from gnn_distill.results.panels import GREY, short
from gnn_distill.results.probe_numbers import Line, curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OTHERS = ("#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f3c8d", "#a5aa99")
"""Colours of methods beyond the first."""


def colours_of(lines: Sequence[Line]) -> list[str]:
    """The teacher's colour, grey for the student alone and untrained twins, the student's for the first method."""
    methods = iter((COLOURS["student"], *OTHERS * len(lines)))
    fixed = {"teacher": COLOURS["teacher"], "alone": "#000000", "untrained": GREY}
    return [fixed.get(line.kind) or next(methods) for line in lines]


def draw_by_hop(lines: Sequence[Line], state: str = "last", title: str = "") -> "Figure | None":
    """A of typed shells by hop: one line a model with its interval; the local and the far range are shaded.

    A tick at the top marks the teacher's number of layers, beyond which it sees nothing.
    """
    curves = [curve(line, state) for line in lines]
    if all(frame.empty for frame in curves):
        return None
    figure, axes = _figure(6.4, 3.9)
    settings = lines[0].runs[0].probe["settings"]
    for reach in ("local", "far"):
        first, last = settings[reach]
        axes.axvspan(first - 0.4, last + 0.4, color=GREY, alpha=0.12, linewidth=0)
        axes.text((first + last) / 2, 0.99, reach, transform=axes.get_xaxis_transform(), ha="center", va="top",
                  fontsize=8, color=GREY)  # fmt: skip
    for line, frame, colour in zip(lines, curves, colours_of(lines), strict=True):
        if frame.empty:
            continue
        style = "--" if line.kind == "untrained" else "-"
        dots = "s" if line.role.startswith("teacher") else "o"
        axes.plot(frame["hop"], frame["mean"], style, marker=dots, markersize=3, color=colour, linewidth=1.4,
                  label=short(line.label))  # fmt: skip
        if frame["low"].notna().any():
            axes.fill_between(frame["hop"], frame["low"], frame["high"], color=colour, alpha=0.15, linewidth=0)
    layers = max((run.layers for line in lines if line.kind == "teacher" for run in line.runs), default=0)
    if layers:
        axes.plot([layers, layers], [0.96, 1.0], color=COLOURS["teacher"], transform=axes.get_xaxis_transform(),
                  linewidth=3, clip_on=False)  # fmt: skip
    axes.axhline(0, color="#000000", linewidth=0.6)
    axes.set(xlabel="hops", ylabel="awareness A", title=plain(title))
    axes.set_xticks(sorted({int(hop) for frame in curves for hop in frame["hop"]}))
    _below(axes)
    return figure


def draw_far_against_local(lines: Sequence[Line], state: str = "last") -> "Figure | None":
    """One point a model, far over local awareness with both intervals; arrows from the student alone to each method."""
    known = [line for line in lines if len(line.values(state, "local")) and len(line.values(state, "far"))]
    if not known:
        return None
    figure, axes = _figure(5.2, 3.9)
    places = {}
    for line, colour in zip(lines, colours_of(lines), strict=True):
        if line not in known:
            continue
        x, y = line.interval(state, "local"), line.interval(state, "far")
        places[line.label] = (x.mean, y.mean)
        shape = {"teacher": "*", "untrained": "D" if line.role.startswith("teacher") else "d"}.get(line.kind, "o")
        axes.plot([x.low, x.high], [y.mean, y.mean], color=colour, linewidth=1, alpha=0.6)
        axes.plot([x.mean, x.mean], [y.low, y.high], color=colour, linewidth=1, alpha=0.6)
        axes.plot(x.mean, y.mean, shape, color=colour, markersize=11 if shape == "*" else 6, label=short(line.label))
    alone = next((line for line in known if line.kind == "alone"), None)
    for line in known if alone else ():
        if line.kind == "distilled":
            arrow = {"arrowstyle": "->", "color": GREY, "shrinkA": 5, "shrinkB": 5}
            axes.annotate("", places[line.label], places[alone.label], arrowprops=arrow)
    axes.set(xlabel="local awareness", ylabel="far awareness")
    _below(axes)
    return figure


def draw_layers(lines: Sequence[Line]) -> "Figure | None":
    """A of typed shells, layer over hop: one panel a trained model; None unless every layer was probed."""
    grids = [(line, layer_map(line)) for line in lines if line.kind != "untrained"]
    grids = [(line, grid) for line, grid in grids if grid is not None]
    if not grids:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * len(grids) + 0.8, 3.2), layout="constrained")
    image = None
    for axes, (line, (layers, hops, values)) in zip(
        figure.subplots(1, len(grids), squeeze=False)[0], grids, strict=True
    ):
        image = axes.imshow(values, origin="lower", aspect="auto", vmin=0, vmax=1, cmap="YlGnBu")
        axes.set_xticks(range(len(hops)), hops, fontsize=7)
        axes.set_yticks(range(len(layers)), [f"h{layer}" for layer in layers], fontsize=7)
        axes.set(title=short(line.label), xlabel="hops")
    figure.colorbar(image, ax=figure.axes, label="awareness A", shrink=0.8)
    return figure


def layer_map(line: Line) -> tuple[list[int], list[int], np.ndarray] | None:
    """Layers, hops and mean A over runs [layer, hop]; None if layers were not probed."""
    layers = sorted({int(state) for model in line.models() for state in model["states"] if state.isdigit()})
    frames = [curve(line, str(layer)) for layer in layers]
    if not frames or any(frame.empty for frame in frames):
        return None
    return layers, [int(hop) for hop in frames[0]["hop"]], np.stack([frame["mean"].to_numpy() for frame in frames])


def _figure(width: float, height: float) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure  # not pyplot, which keeps figures alive and looks for a screen

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _below(axes: "Axes") -> None:
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=3)
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
