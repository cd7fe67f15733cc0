"""The page of `gnn-distill explain`: pictures of graphs, teacher, student and attention side by side."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from gnn_distill.analysis.attribution import Attribution
from gnn_distill.formatting import NOTHING, role_label
from gnn_distill.results.drawings import SHARE, Colouring, draw
from gnn_distill.results.explanations import EDGES, GRAPHS, NODES, Explained, Explanations, agreement
from gnn_distill.results.report import fill
from gnn_distill.storage.files import replace_file

PAGE = "explain.html"
METHODS = {"integrated": "Integrated gradients", "gradient": "Gradient × input"}


def write_page(folder: Path, explanations: Explanations) -> Path:
    """Write explain.html; returns its path."""
    replace_file(folder / PAGE, fill("explain.html", explain_page(explanations)))
    return folder / PAGE


def explain_page(explanations: Explanations) -> dict[str, Any]:
    """The variables of templates/explain.html."""
    return {
        "title": "What carries these predictions",
        "subject": f"{explanations.data}, {explanations.name}",
        "facts": dict(_facts(explanations)),
        "notes": [*_meaning(explanations), *explanations.notes],
        "graphs": [
            {
                "name": one.smiles or f"graph {one.name}",
                "asked": f"graph {one.name}, f: {one.asked}" if one.smiles else f"f: {one.asked}",
                "pictures": list(_pictures(one, explanations)),
            }
            for one in explanations.graphs
        ],
    }


def _facts(explanations: Explanations) -> Iterator[tuple[str, str]]:
    yield "method", METHODS[explanations.method]
    yield "graphs", f"{len(explanations.graphs):,}"
    if explanations.unit:
        yield "f", f"{explanations.unit} of the class that is named"
    for role in explanations.roles:
        errors = [one.models[role].error for one in explanations.graphs]
        missed = len(explanations.inaccurate(role))
        over = f"; {missed} above {_percent(explanations.tolerance)}" if missed else ""
        yield (
            role_label(role),
            f"completeness error: median {_percent(np.median(errors))}, largest {_percent(max(errors))}{over}",
        )
    ranks = [rank for one in explanations.graphs if (rank := agreement(one)) is not None]
    if ranks:
        yield (
            "agreement",
            f"rank correlation of teacher and student over nodes: median {np.median(ranks):.2f}".replace("-", "−"),
        )
    yield "tables", f"{NODES}, {EDGES}, {GRAPHS}"


def _meaning(explanations: Explanations) -> Iterator[str]:
    """How to read the pictures."""
    yield (
        "Green speaks for f, purple against it; the strongest part of each picture has the full colour. f(baseline) is "
        "f of the same graph without features: no embedding of a category, 0 of a number (or its mean, where a model "
        "standardises). Structure stays, so what a model reads from it alone (degrees, walks, hop distances, who is "
        "joined) is in f(baseline)."
    )
    if explanations.method == "integrated":
        yield "The parts of a graph add up to f − f(baseline) but for the error, which is measured for each."
        for role in explanations.roles:
            if missed := explanations.inaccurate(role):
                names = ", ".join(one.name for one in missed[:10]) + (", …" if len(missed) > 10 else "")
                yield (
                    f"Not accurate, {role}: graph {names} after the largest number of gradients. Set "
                    "steps= higher; where f − f(baseline) is nearly 0 the relative error says little."
                )
    else:
        yield "Gradient × input is local: its parts need not add up, and the error says by how much they do not."
    if any(one.attention is not None for one in explanations.graphs):
        yield (
            "Attention rollout is where the student's layers look, mean over heads, whatever values are found there "
            "and for whatever class. It has no sign, and is no share of f."
        )


def _pictures(one: Explained, explanations: Explanations) -> Iterator[tuple[Markup, str, str, str]]:
    """Each picture, the role of its heading, the heading, and its caption."""
    for role in explanations.roles:
        carried = one.models[role]
        colouring = Colouring(carried.nodes, carried.edges)
        alt = f"graph {one.name}, {role}"
        yield draw(one, colouring, alt), role, role_label(role), _caption(carried, explanations.tolerance)
    if one.attention is not None:
        picture = draw(one, Colouring(one.attention, None, SHARE), f"graph {one.name}, attention")
        most = int(np.argmax(one.attention))
        caption = f"most on {one.names[most]}: {_percent(one.attention[most])}"
        yield picture, "alone", "attention of the student", caption


def _caption(carried: Attribution, tolerance: float) -> str:
    """`f 0.42, f(baseline) −0.1, error 0.3 %, 17 gradients`."""
    late = " (above the tolerance)" if carried.error > tolerance else ""
    values = f"f {carried.value:.3g}, f(baseline) {carried.baseline:.3g}".replace("-", "−")
    return f"{values}, error {_percent(carried.error)}{late}, {carried.gradients} gradients"


def _percent(share: float) -> str:
    return f"{100 * share:.2g}\N{NO-BREAK SPACE}%" if np.isfinite(share) else NOTHING
