"""What probes found, as panels of text: the same in Markdown, LaTeX and on pages."""

import math
from collections.abc import Iterator, Sequence

from gnn_distill.formatting import NOTHING, Format, metric_label, p_value
from gnn_distill.results.grids import Entry, Grid
from gnn_distill.results.probe_numbers import RANGES, STATES, STUDENT, Gain, Line, gains, lines, truth_scores, verdict
from gnn_distill.results.probes import Method
from gnn_distill.results.rendering import latex_grid, markdown, markdown_grid
from gnn_distill.results.significance import Interval

SHOWN = Format(1, 3)
TITLE = "What is in the states: {}"
CAPTION = (
    "Awareness A: the share of what the models were not told that a linear probe finds in their states "
    "(conditional R², cross-fitted by graph). local and far: mean over families of targets at the hops named; "
    "last: the states that the head reads; all: all layers joined."
)


def panels(dataset: str, methods: list[Method]) -> list[Grid]:
    """The panels of one data set: awareness, gains over the student alone, task truths by layer; none that is empty."""
    rows, made = lines(methods), gains(methods)
    found = [awareness_grid(dataset, rows)]
    if made:
        found.append(gains_grid(methods, made))
    return [*found, *truth_grids(rows)]


def awareness_grid(dataset: str, rows: list[Line]) -> Grid:
    """One row a model: A by range and states, [interval], the random-label control and the task's metric."""
    summary = rows[0].runs[0].summary
    settings = rows[0].runs[0].probe["settings"]
    hops = {reach: "–".join(map(str, settings[reach])) for reach in RANGES}
    header = ["", *(f"{reach} ({hops[reach]} hops), {state}" for reach in RANGES for state in STATES)]
    header += [f"typed shells alone, {reach}, last" for reach in RANGES]
    header += ["WL control, last", metric_label(summary["metric"])]
    number = Format.of(summary["metric"], [run.score for run in rows[-1].runs if run.score is not None])
    entries = [told_row(rows, settings)]
    for line in rows:
        cells = [shown(line, state, reach) for reach in RANGES for state in STATES]
        cells += [shown(line, "last", f"{reach}_shells") for reach in RANGES]
        entries.append([Entry(line.label), *cells, shown(line, "last", "control"), Entry(score(line, number))])
    return Grid("results", TITLE.format(dataset), header, entries)


def in_short(dataset: str, methods: list[Method]) -> Grid:
    """For a terminal: what the states that the head reads hold of either range, and the task's metric."""
    grid = awareness_grid(dataset, lines(methods))
    kept = (0, 1, 1 + len(STATES), -1)
    return Grid(grid.key, grid.title, [grid.header[i] for i in kept], [[row[i] for i in kept] for row in grid.rows[1:]])


def told_row(rows: Sequence[Line], settings: dict) -> list[Entry]:
    """What a probe on what is told reaches of typed shells, R², in place of A."""
    found = []
    for reach in RANGES:
        first, last = settings[reach]
        values = [
            at["r2"]
            for line in rows[-1:]
            for run in line.runs
            for at in run.probe["told"]["by_hop"]
            if first <= at["hop"] <= last and at["r2"] is not None
        ]
        found.append(Entry(f"R² {SHOWN(sum(values) / len(values))}" if values else NOTHING))
    return [Entry("told"), *[Entry(NOTHING)] * 4, *found, Entry(NOTHING), Entry(NOTHING)]


def shown(line: Line, state: str, key: str) -> Entry:
    """A mean with its interval."""
    if not len(line.values(state, key)):
        return Entry(NOTHING)
    value = line.interval(state, key)
    return Entry(SHOWN(value.mean), rest=bounds(value))


def bounds(value: Interval, sign: bool = False) -> str:
    """` [0.1, 0.3]`; empty if there are none."""
    if math.isnan(value.low):
        return ""
    return f" [{SHOWN(value.low, sign=sign)}, {SHOWN(value.high, sign=sign)}]"


def score(line: Line, number: Format) -> str:
    """The mean task metric of a student, or of the teacher."""
    if line.kind == "untrained":
        return NOTHING
    metric = line.runs[0].summary["metric"]
    role = STUDENT if line.role == STUDENT else "teacher"
    parts = [run.summary.get(role, {}) for run in line.runs]
    values = [part.get("test", part.get("val", {})).get(metric) for part in parts]
    known = [value for value in values if value is not None]
    return number(sum(known) / len(known)) if known else NOTHING


def gains_grid(methods: list[Method], made: list[Gain]) -> Grid:
    """One row a method: its gain by range and states, [interval], adjusted p, and the verdict."""
    header = ["", *(f"{reach}, {state}" for reach in RANGES for state in STATES), "verdict (last)"]
    rows = []
    for method in methods:
        if all(gain.method != method.label for gain in made):
            continue
        cells = []
        for reach in RANGES:
            for state in STATES:
                gain = next(g for g in made if (g.method, g.state, g.reach) == (method.label, state, reach))
                rest = f"{bounds(gain.effect, sign=True)}, {p_value(gain.p_holm)}" if gain.effect.n > 1 else ""
                cells.append(Entry(SHOWN(gain.effect.mean, sign=True), rest=rest))
        rows.append([Entry(method.label), *cells, Entry(verdict(made, method.label))])
    return Grid("gains", "Gain over the student alone [interval], adjusted p", header, rows)


def truth_grids(rows: list[Line]) -> Iterator[Grid]:
    """One panel for each task truth: AUROC by layer."""
    scores = {line.label: truth_scores(line) for line in rows}
    names = list(dict.fromkeys(name for by_state in scores.values() for truths in by_state.values() for name in truths))
    layers = sorted({int(state) for by_state in scores.values() for state in by_state if state.isdigit()})
    states = [*map(str, layers), "last", "all"]
    for place, name in enumerate(names):
        header = ["", *(f"h{layer}" for layer in layers), "last", "all"]
        entries = [
            [Entry(label), *(truth_entry(by_state.get(state, {}).get(name)) for state in states)]
            for label, by_state in scores.items()
        ]
        yield Grid(f"truth{place}", f"AUROC of a linear probe of the states: {name}", header, entries)


def truth_entry(value: float | None) -> Entry:
    """Two decimals."""
    return Entry(NOTHING if value is None else Format(1, 2)(value))


def notes(methods: list[Method]) -> list[str]:
    """How to read the numbers, and what limits them."""
    runs = [run for method in methods for run in method.runs]
    probe = runs[0].probe
    found = [CAPTION]
    found.append(
        f"On {probe['graphs']:,} held-out {'graphs' if probe['graphs'] > 1 else 'graph'} ({probe['nodes']:,} nodes), "
        f"types {', '.join(probe['types'])}. Told: {', '.join(probe['given'])}."
    )
    counts = {len(method.runs) for method in methods}
    if max(counts) == 1:
        found.append(
            f"One run a method: intervals are over {probe['units']} alone. They hide what another seed would give, "
            "which is often ten times as much."
        )
    else:
        found.append(f"Intervals are over runs (by seed, or by fold if there are several): {min(counts)} or more each.")
    found.append(
        "WL control: A of a random number per Weisfeiler-Leman colour. It rises with local knowledge; an index that "
        "does not exceed it may be memory of neighbourhoods."
    )
    found.append("Of untrained twins the bounds of a single run are the lowest and the highest twin.")
    found += dict.fromkeys(notice for run in runs for notice in run.probe["notices"])
    left_out = {line["target"]: line["why"] for line in probe["left_out"]}
    if left_out:
        told = [name for name, why in left_out.items() if why.startswith("told")]
        constant = len(left_out) - len(told)
        found.append(
            f"Left out of {runs[0].dataset}: {len(told)} targets that are told"
            + (f" ({', '.join(told[:8])}{', …' if len(told) > 8 else ''})" if told else "")
            + f", {constant} that are constant in nearly all graphs."
        )
    return found


def to_markdown(found: dict[str, list[Method]]) -> str:
    """A section for each data set: panels, then how to read them."""
    parts = []
    for dataset, methods in found.items():
        for grid in panels(dataset, methods):
            parts += [f"{'##' if grid.key == 'results' else '###'} {markdown(grid.title)}", markdown_grid(grid)]
        parts.append("\n".join(f"- {markdown(line)}" for line in notes(methods)))
    return "\n\n".join(parts) + "\n"


def to_latex(found: dict[str, list[Method]]) -> str:
    """Floats with booktabs, one a panel."""
    floats = [
        latex_grid(f"probe-{dataset}", TITLE.format(dataset), grid, CAPTION if grid.key == "results" else "")
        for dataset, methods in found.items()
        for grid in panels(dataset, methods)
    ]
    return "% Needs \\usepackage{booktabs}.\n" + "\n".join(floats)
