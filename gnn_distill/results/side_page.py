"""The content of the report of several runs, side by side."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gnn_distill.errors import refuse
from gnn_distill.formatting import NOTHING, ROLES, Format, bounds, duration, metric_label, part_sizes, role_label, shown
from gnn_distill.results.run_files import Run, is_run, read_run
from gnn_distill.storage.provenance import AFTERWARDS, LOCATION_SECTIONS
from gnn_distill.storage.run_directory import SUMMARY

COMPARED = ("floor", *ROLES)
"""Models whose scores are shown."""
Line = tuple[str, list[str]]
AS_TYPED = {"True": "true", "False": "false", "None": "null"}
ABOUT = "dataset.card."
"""Keys that describe a data set, and set nothing."""


def side_page(folders: list[Path]) -> dict[str, Any]:
    """The variables of templates/runs.html. Raises UserError if a folder holds no finished run."""
    for folder in folders:
        if not (is_run(folder) and (folder / SUMMARY).is_file()):
            raise refuse("report.beside", folder, "no finished run is here. Only runs are shown side by side.")
    runs = [read_run(folder, curves=False) for folder in folders]
    return {
        "title": f"{len(runs)} runs side by side",
        "subject": ", ".join(dict.fromkeys(run.summary.get("dataset") or NOTHING for run in runs)),
        "names": [run.path.resolve().name for run in runs],
        "notes": list(_limits(runs)),
        "scores": list(_scores(runs)),
        "facts": [line for line in _facts(runs) if any(line[1])],
        "settings": list(_settings(runs)),
    }


def _limits(runs: list[Run]) -> Iterator[str]:
    """Why scores may not be comparable."""
    kinds: dict[str, Callable[[Run], Any]] = {
        "metrics": lambda run: run.metric,
        "data or splits": lambda run: run.summary.get("data"),
        "parts of the data": lambda run: run.read_split,
    }
    for what, value in kinds.items():
        if len({value(run) for run in runs}) > 1:
            yield f"These runs are measured with different {what}: their scores cannot be compared one to one."
    yield "One run each: how much another seed changes, several runs tell (gnn-distill compare, gnn-distill table)."


def _scores(runs: list[Run]) -> Iterator[Line]:
    """By model the score of the result with its interval, then that of validation."""
    for role in COMPARED:
        if any(role in run.summary for run in runs):
            yield role_label(role), [_with_interval(run, role) for run in runs]
    for role in COMPARED:
        values = [run.score(role, "val") if run.read_split != "val" else None for run in runs]
        if any(value is not None for value in values):
            cells = [shown(value, run.metric) for value, run in zip(values, runs, strict=True)]
            yield f"{role_label(role)}, validation", cells


def _with_interval(run: Run, role: str) -> str:
    value = run.score(role, run.read_split)
    if value is None:
        return NOTHING
    number = Format.of(run.metric, [value])
    found = run.summary.get("uncertainty", {}).get("intervals", {}).get(role, {})
    return f"{number(value)} {bounds(found.get('low'), found.get('high'), number)}".rstrip()


def _facts(runs: list[Run]) -> Iterator[Line]:
    """What each run is."""
    yield "metric", [metric_label(run.metric) for run in runs]
    yield "data set", [run.summary.get("dataset") or "" for run in runs]
    yield "examples", [part_sizes(run.summary.get("split", {}).get("sizes", {})) for run in runs]
    for role in ("teacher", "student"):
        yield role, [run.config.get(role, {}).get("name", "") for run in runs]
        counts = [run.summary.get("parameters", {}).get(role) for run in runs]
        yield f"parameters of the {role}", ["" if count is None else f"{count:,}" for count in counts]
    floors = [run.summary.get("floor", {}).get("name") for run in runs]
    yield "floor", [role_label(name) if name else "" for name in floors]
    for name in ("seed", "best_epoch", "epochs"):
        values = [run.summary.get(name) for run in runs]
        yield name.replace("_", " "), ["" if value is None else str(value) for value in values]
    yield "fold", [str(run.summary.get("split", {}).get("fold", "")) for run in runs]
    yield "took", [duration(sum(run.summary.get("seconds", {}).values())) for run in runs]
    yield "finished", [str(run.summary.get("finished", ""))[:10] for run in runs]
    yield "code", [str(run.summary.get("environment", {}).get("code", {}).get("commit", ""))[:10] for run in runs]


def _settings(runs: list[Run]) -> Iterator[Line]:
    """The keys of the config whose values differ, without those that say where a run is kept."""
    flat = [dict(_flat(run.config, "")) for run in runs]
    for key in dict.fromkeys(key for values in flat for key in values):
        values = [values.get(key, NOTHING) for values in flat]
        elsewhere = key.partition(".")[0] in (*LOCATION_SECTIONS, *AFTERWARDS)
        if len(set(values)) > 1 and not elsewhere and not key.startswith(ABOUT):
            yield key, values


def _flat(section: Any, prefix: str) -> Iterator[tuple[str, str]]:
    for name in section:
        value = section._get_node(name)._value()
        if isinstance(value, dict):
            yield from _flat(section[name], f"{prefix}{name}.")
        else:
            text = str(section[name])
            yield f"{prefix}{name}", AS_TYPED.get(text, text)
