"""The page of `gnn-distill explain`: pictures of graphs, teacher, student and attention side by side."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from gnn_distill.analysis.attribution import Attribution
from gnn_distill.analysis.hops import bin_of
from gnn_distill.formatting import NOTHING, role_label
from gnn_distill.results.drawings import SHARE, Colouring, draw
from gnn_distill.results.explanations import EDGES, GRAPHS, HOPS, NODES, Explained, Explanations, agreement, shares_of
from gnn_distill.results.report import fill
from gnn_distill.storage.files import replace_file

PAGE = "explain.html"
DRAWN = 30
"""Nodes in the picture of an explained node, the strongest."""
NEAR = 2
FARTHEST = 5
"""Hops that the table of an explained node tells apart."""
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
                "name": one.title,
                "asked": f"graph {one.name}, f: {one.asked}" if one.smiles else f"f: {one.asked}",
                "pictures": list(_pictures(one, explanations)),
                "by_hop": None if one.root is None else _by_hop(one, explanations),
            }
            for one in explanations.graphs
        ],
    }


def _facts(explanations: Explanations) -> Iterator[tuple[str, str]]:
    yield "method", METHODS[explanations.method]
    yield "nodes" if explanations.of_nodes else "graphs", f"{len(explanations.graphs):,}"
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
    if explanations.of_nodes:
        near = [f"{role_label(role)} {_percent(_near(explanations, role))}" for role in explanations.roles]
        yield f"share of Σ|a| within {NEAR} hops", f"{', '.join(near)} (median)"
    elif ranks:
        yield (
            "agreement",
            f"rank correlation of teacher and student over nodes: median {np.median(ranks):.2f}".replace("-", "−"),
        )
    yield "tables", ", ".join((NODES, EDGES, GRAPHS, *([HOPS] if explanations.of_nodes else [])))


def _near(explanations: Explanations, role: str) -> float:
    """The median share of what the nodes up to NEAR hops have."""
    return float(
        np.median([_shares_by_hop(one, one.models[role].nodes)[: NEAR + 1].sum() for one in explanations.graphs])
    )


def _shares_by_hop(one: Explained, values: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " hops"]:
    """Shares of Σ|values| of the nodes at 0, 1, …, FARTHEST hops, beyond, and without a path."""
    return np.bincount(bin_of(one.hops, FARTHEST), shares_of(values), FARTHEST + 3)


def _by_hop(one: Explained, explanations: Explanations) -> dict[str, list]:
    """How much the nodes at each distance of the explained one have."""
    counts = np.bincount(bin_of(one.hops, FARTHEST), minlength=FARTHEST + 3)
    columns = {role_label(role): one.models[role].nodes for role in explanations.roles}
    if one.attention is not None:
        columns["attention of the student"] = one.attention
    shares = [_shares_by_hop(one, values) for values in columns.values()]
    names = [*map(str, range(FARTHEST + 1)), f"more than {FARTHEST}", "no path"]
    lines = [
        [name, f"{count:,}", *(_percent(share[place]) for share in shares)]
        for place, (name, count) in enumerate(zip(names, counts.tolist(), strict=True))
        if count
    ]
    return {"header": ["hops", "nodes", *columns], "rows": lines}


def _meaning(explanations: Explanations) -> Iterator[str]:
    """How to read the pictures."""
    yield (
        "Green speaks for f, purple against it; the strongest part of each picture has the full colour. f(baseline) is "
        "f of the same graph without features: no embedding of a category, 0 of a number (or its mean, where a model "
        "standardises). Structure stays, so what a model reads from it alone (degrees, walks, hop distances, who is "
        "joined) is in f(baseline)."
    )
    if explanations.method == "integrated":
        yield (
            "The parts of a graph add up to f − f(baseline) but for the error, which is measured for each, relative to "
            "f − f(baseline), or to a tenth of Σ|a| where parts for and against f nearly cancel."
        )
        for role in explanations.roles:
            if missed := explanations.inaccurate(role):
                names = ", ".join(one.name for one in missed[:10]) + (", …" if len(missed) > 10 else "")
                yield (
                    f"Not accurate, {role}: {'node' if explanations.of_nodes else 'graph'} {names} after the largest "
                    "number of gradients. Set steps= higher."
                )
    else:
        yield "Gradient × input is local: its parts need not add up, and the error says by how much they do not."
    if explanations.of_nodes:
        yield (
            f"All nodes of the graph are parts of an explained node's f; drawn are the {DRAWN} strongest, with the "
            "explained one in the middle and others on circles by their hops to it, those without a path outside. "
            "What stands in a node is its label, of test nodes, too."
        )
    if any(one.attention is not None for one in explanations.graphs):
        yield (
            "Attention rollout is where the student's layers look, mean over heads, whatever values are found there "
            "and for whatever class. It has no sign, and is no share of f."
        )


def _pictures(one: Explained, explanations: Explanations) -> Iterator[tuple[Markup, str, str, str]]:
    """Each picture, the role of its heading, the heading, and its caption."""
    shown, name = one.strongest(DRAWN), one.numbered
    for role in explanations.roles:
        colouring = Colouring(shown.models[role].nodes, shown.models[role].edges)
        caption = _caption(one.models[role], explanations.tolerance)
        yield draw(shown, colouring, f"{name}, {role}"), role, role_label(role), caption
    if one.attention is not None:
        picture = draw(shown, Colouring(shown.attention, None, SHARE), f"{name}, attention")
        most = int(np.argmax(one.attention))
        caption = f"most on {one.names[most]}: {_percent(one.attention[most])}"
        yield picture, "alone", "attention of the student", caption


def _caption(carried: Attribution, tolerance: float) -> str:
    """`f 0.42, f(baseline) −0.1, error 0.3 %, 17 gradients`."""
    late = " (above the tolerance)" if carried.error > tolerance else ""
    values = f"f {carried.value:.3g}, f(baseline) {carried.baseline:.3g}".replace("-", "−")
    return f"{values}, error {_percent(carried.error)}{late}, {carried.gradients} gradients"


def _percent(share: float) -> str:
    digits = ".0f" if share >= 0.1 else ".2g"
    return f"{100 * share:{digits}}\N{NO-BREAK SPACE}%" if np.isfinite(share) else NOTHING
