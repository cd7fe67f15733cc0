"""The part of a run's page that says how far to trust its scores: floors, intervals, and tests of differences."""

from collections.abc import Iterator, Sequence

from gnn_distill.formatting import Format, bounds, describe_difference, describe_evidence, role_label, shown
from gnn_distill.results.run_files import Run


def lead_in_words(run: Run) -> str:
    """How sure it is who of student and teacher is ahead: `2 of 19 graphs, p 0.500: no difference shown`."""
    found = run.summary.get("uncertainty", {})
    pair = {"first": "student", "second": "teacher"}
    made = next((one for one in found.get("differences", ()) if pair.items() <= one.items()), None)
    return describe_evidence(made, found["unit"]) if made else ""


def floors(run: Run, metrics: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """What costs nothing, and its metrics on the split of the result."""
    for name, scores in run.summary.get("floors", {}).items():
        chosen = " (best on validation)" if name == run.summary["floor"]["name"] else ""
        values = [shown(scores.get(run.read_split, {}).get(metric), metric) for metric in metrics]
        yield f"{role_label(name)}{chosen}", values


def intervals(run: Run) -> Iterator[tuple[str, str, str, str]]:
    """By model its score, the interval, and how that was found."""
    found = run.summary.get("uncertainty", {})
    for role, one in found.get("intervals", {}).items():
        number = Format.of(run.metric, [one["value"] or 0.0])
        method = f"{one['method']}, {one['n']:,} {found['split']} {found['unit']}s"
        yield role_label(role), shown(one["value"], run.metric), bounds(one["low"], one["high"], number), method


def differences(run: Run) -> Iterator[str]:
    """A sentence for each pair of models that was compared on the same examples."""
    found = run.summary.get("uncertainty", {})
    number = Format.of(run.metric, [one["value"] or 0.0 for one in found.get("intervals", {}).values()])
    for one in found.get("differences", ()):
        test = "McNemar's exact test" if one["test"] == "McNemar" else "paired bootstrap"
        yield f"{describe_difference(one, number, found['unit'])} ({test})"
