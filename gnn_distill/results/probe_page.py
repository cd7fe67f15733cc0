"""The page about probed runs, and the section of a run's own page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gnn_distill.results.pictures import Picture
from gnn_distill.results.probe_figures import draw_by_hop, draw_far_against_local, draw_layers
from gnn_distill.results.probe_numbers import gains, lines, verdict
from gnn_distill.results.probe_tables import notes, panels
from gnn_distill.results.probes import Method, Place, read_probed
from gnn_distill.results.profile_page import profile_of_lines
from gnn_distill.storage.privacy import command
from gnn_distill.storage.run_directory import PROBE

BY_HOP = "Awareness of typed shells by hop, {state}; bands are 95 % intervals, the blue tick the teacher's layers."
FAR_LOCAL = "Far against local awareness, states of the last layer; arrows lead from the student alone."
LAYERS = "Awareness of typed shells, layer over hop: where knowledge is, and where it is lost."


def page(folder: Path, found: dict[str, list[Method]], words: list[str]) -> dict[str, Any]:
    """The variables of templates/probe.html."""
    runs = [run for methods in found.values() for method in methods for run in method.runs]
    return {
        "title": "What the models know of structure",
        "subject": ", ".join(found),
        "tiles": [],
        "facts": {
            "Runs": str(len(runs)),
            "Data": ", ".join(found),
            "Took": f"{sum(sum(run.probe['cpu_seconds'].values()) for run in runs):.0f} CPU s of probes",
            "Folder": str(folder.resolve()),
        },
        "sections": [
            {
                "dataset": dataset,
                "verdicts": list(verdicts(methods)),
                "panels": panels(dataset, methods),
                "figures": list(figures(methods, dataset)),
                "notes": notes(methods),
                "profile": profile_of_lines(lines(methods), dataset),
            }
            for dataset, methods in found.items()
        ],
        "command": command(["gnn-distill", "probe", *words]),
        "files": ["probe.csv", "probe.md", "probe.tex", "probe.json"],
    }


def verdicts(methods: list[Method]) -> Iterator[tuple[str, str]]:
    """A method, and in words what distillation did to what its student knows."""
    made = gains(methods)
    for method in methods:
        if any(gain.method == method.label for gain in made):
            yield method.label, verdict(made, method.label)


def figures(methods: list[Method], name: str) -> Iterator[Picture]:
    """The figures of one data set, each with its caption."""
    rows = lines(methods)
    for state, words in (("last", "states of the last layer"), ("all", "all layers joined")):
        if figure := draw_by_hop(rows, state):
            yield Picture(f"awareness by hop, {words}, {name}", figure, BY_HOP.format(state=words))
    if figure := draw_far_against_local(rows):
        yield Picture(f"far against local awareness, {name}", figure, FAR_LOCAL)
    if figure := draw_layers(rows):
        yield Picture(f"awareness by layer and hop, {name}", figure, LAYERS)


def run_section(folder: Path) -> dict[str, Any] | None:
    """What the page of a run shows of its probes; None if it was not probed. Raises Damaged or OtherVersion."""
    if not (folder / PROBE).is_file():
        return None
    run = read_probed(Place(folder))
    methods = [Method("student", [run])]
    return {
        "panels": panels(run.dataset, methods),
        "figures": list(figures(methods, run.dataset)),
        "notes": notes(methods),
    }
