"""The section on profiles by distance of the pages of runs and of groups of runs."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnn_distill.formatting import NOTHING, ROLES, counted
from gnn_distill.results.figures import COLOURS
from gnn_distill.results.pictures import Picture
from gnn_distill.results.profile_figures import colours_of, draw_errors, draw_influence, draw_layers, draw_lift
from gnn_distill.results.profile_groups import grouped
from gnn_distill.storage.checksums import read_json
from gnn_distill.storage.run_directory import PROFILE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gnn_distill.results.probe_numbers import Line

AGAIN = "gnn-distill probe makes it again."

COLUMNS = ("reach (hops)", "far share (%)", "reach, swapped", "attention (hops)", "entropy", "overlap")


def profile_section(folder: Path) -> dict[str, Any] | None:
    """The variables of templates/profiles.html for the profile of a run; None if it has none."""
    if not (folder / PROFILE).exists():
        return None
    profile = read_json(folder / PROFILE, AGAIN)
    for part in filter(None, (profile, profile["errors"])):
        part["models"] = {ROLES.get(role, role): model for role, model in part["models"].items()}
    return section_of(profile)


def profile_of_lines(lines: Iterable["Line"], name: str) -> dict[str, Any] | None:
    """The same for teacher, student alone and methods of several runs of a data set, laid over each other."""
    runs = {
        line.label: [
            (read_json(run.folder / PROFILE, AGAIN), line.role) for run in line.runs if (run.folder / PROFILE).exists()
        ]
        for line in lines
    }
    profile = grouped(runs)
    return section_of(profile, f", {name}") if profile else None


def section_of(profile: Mapping[str, Any], of: str = "") -> dict[str, Any]:
    """The same for a profile that has been read, or put together; `of` tells equal pictures of a page apart."""
    models, kinds = profile["models"], {colour: role for role, colour in COLOURS.items()}
    colours = colours_of(models)
    return {
        "figures": [Picture(f"{alt}{of}", figure, caption) for alt, figure, caption in _figures(profile)],
        "columns": COLUMNS,
        "rows": [(label, kinds.get(colour, ""), list(_row(models[label]))) for label, colour in colours.items()],
        "notes": list(_notes(profile)),
    }


def _figures(profile: Mapping[str, Any]) -> Iterator[tuple[str, "Figure", str]]:
    """The pictures: what each shows, itself, and its caption."""
    models, settings = profile["models"], profile["settings"]
    over = (
        counted(profile["graphs"], "held-out graph")
        if profile["units"] == "graphs"
        else counted(settings["roots"], "node")
    )
    if profile.get("runs", 1) > 1:
        over += f" of each of up to {profile['runs']} runs"
    if figure := draw_influence(models):
        caption = (
            "How much the input of a node at each distance moves the last state of a node, relative to that node's own "
            f"input: squared norm of the Jacobian, {over}, bands of 95 %. A line that leaves the picture is exactly "
            "zero from there on."
        )
        yield "influence by hop", figure, caption
    elif figure := draw_influence(models, "swap"):
        caption = (
            "How much the last state of a node moves when a node at each distance takes other features, relative to "
            f"its own taking them: {over}, bands of 95 %."
        )
        yield "influence by hop", figure, caption
    if profile.get("errors") and (figure := draw_errors(profile["errors"], profile["metric"])):
        part = {"val": "validation"}.get(profile["errors"]["part"], profile["errors"]["part"])
        yield "metric by distance", figure, f"The metric by distance, {part} part, with intervals of 95 %."
    if figure := draw_layers(models):
        yield "influence by layer and hop", figure, "The same influence after every layer; empty: exactly zero."
    if figure := draw_lift(models):
        caption = (
            "Attention of the last layer over uniform attention by distance: mean over heads, without a graph token, "
            "bands of 95 %. Where a model attends is not yet what reaches it: that is influence."
        )
        yield "attention by hop", figure, caption


def _row(model: Mapping[str, Any]) -> Iterator[str]:
    """The numbers of a model: with bounds, or from the least to the most over the heads of its last layer."""
    influence, swap, attention = (model.get(kind) for kind in ("influence", "swap", "attention"))
    yield _bounded(influence and influence["reach"], 2)
    yield _bounded(influence and influence["far_share"], 1, scale=100)
    yield _bounded(swap and swap["reach"], 2)
    heads = attention["layers"][-1]["heads"] if attention else {}
    for name, digits in (("distance", 1), ("entropy", 2), ("overlap", 2)):
        values = [value for value in heads.get(name, []) if value is not None]
        low, high = (f"{bound(values):.{digits}f}" for bound in (min, max)) if values else (NOTHING, NOTHING)
        yield low if low == high else f"{low} to {high}"


def _bounded(banded: Mapping[str, float | None] | None, digits: int, scale: float = 1) -> str:
    """`0.95 [0.94, 0.96]`."""
    if not banded or banded["value"] is None:
        return NOTHING
    value, low, high = (NOTHING if banded[name] is None else f"{scale * banded[name]:.{digits}f}" for name in banded)
    return f"{value} [{low}, {high}]"


def _notes(profile: Mapping[str, Any]) -> Iterator[str]:
    """What the columns mean."""
    far = profile["settings"]["far"][0]
    yield f"Reach: mean distance of the nodes that influence a node. Far share: that of nodes {far} or more hops away."
    if any(model.get("attention") for model in profile["models"].values()):
        distances = [
            model["attention"]["uniform"]["distance"] for model in profile["models"].values() if model["attention"]
        ]
        yield (
            "Attention, over the heads of the last layer: mean distance of what is attended to "
            f"(uniform: {distances[0]:.1f} hops), entropy (1: uniform), overlap with the nearest of 1 to 4 steps of "
            "propagation (1: the same)."
        )
    for label, model in profile["models"].items():
        if not model.get("swap"):
            yield f"The {label} has no states of nodes, which could be reached from near or far."
        elif not model.get("influence"):
            yield f"The {label} encodes features in its own way: it has no Jacobian at the common point, only swaps."
