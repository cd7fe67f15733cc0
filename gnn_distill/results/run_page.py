"""The content of the report of a single run, read from its directory."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnn_distill.config.schema.data import LOWER_IS_BETTER
from gnn_distill.formatting import ROLES, counted, duration, metric_label, part_sizes, shown
from gnn_distill.results.figures import WEIGHTED, draw_losses, draw_metric, draw_terms
from gnn_distill.results.pictures import Picture
from gnn_distill.results.prediction_page import prediction_section
from gnn_distill.results.probe_page import run_section
from gnn_distill.results.profile_page import profile_section
from gnn_distill.results.run_files import CONFIG, CONFIGURED, Run, read_run
from gnn_distill.results.run_trust import differences, floors, intervals, lead_in_words
from gnn_distill.results.unfinished import unfinished_section
from gnn_distill.storage.bounded import MOST_YAML, read_bytes
from gnn_distill.storage.privacy import command
from gnn_distill.storage.run_directory import SUMMARY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = tuple(reversed(ROLES))
"""The student comes first."""
CLASSES = 10
"""Number of classes that are named; the rest are counted."""


def run_page(folder: Path) -> dict[str, Any]:
    """The variables of templates/run.html."""
    run = read_run(folder)
    return {
        "title": run.models or run.path.resolve().name,
        "subject": run.dataset,
        "unfinished": unfinished_section(run),
        "tiles": list(_tiles(run)),
        "facts": {name: value for name, value in _facts(run) if value},
        "notes": list(_notes(run)),
        "metrics": [metric_label(metric) for metric in _metrics(run)],
        "results": _results(run),
        "floors": list(floors(run, _metrics(run))),
        "intervals": list(intervals(run)),
        "differences": list(differences(run)),
        "curves": list(_curves(run)),
        "terms": _terms(run),
        "term_curves": list(_term_curves(run)),
        "probes": run_section(folder) if run.summary else None,
        "profile": profile_section(folder),
        "predictions": prediction_section(run),
        "seconds": run.summary.get("seconds", {}),
        "overrides": run.overrides,
        "config": read_bytes(folder / CONFIG, MOST_YAML, folder).decode() if run.config else "",
        "environment": {name: value for name, value in _environment(run) if value not in (None, "")},
        "command": command(["gnn-distill", "train", *run.overrides]) if run.config else "",
        "commit": run.summary.get("environment", {}).get("code", {}).get("commit", ""),
    }


def _tiles(run: Run) -> Iterator[dict[str, str]]:
    """The result: the scores of student and teacher, and which is ahead."""
    split = run.read_split
    what = f"{ {'test': 'test', 'val': 'validation'}[split] } {metric_label(run.metric)}"
    scores = {role: run.score(role, split) for role in SHOWN if role in run.summary}
    for role, score in scores.items():
        yield {"name": ROLES[role], "value": shown(score, run.metric), "what": what, "kind": role}
    if {*CONFIGURED} <= scores.keys() and None not in scores.values():
        lower = not run.summary.get("higher_is_better", run.metric not in LOWER_IS_BETTER)
        lead = (scores["student"] - scores["teacher"]) * (-1 if lower else 1)
        yield {
            "name": "student ahead by" if lead >= 0 else "teacher ahead by",
            "value": shown(abs(lead), run.metric),
            "what": lead_in_words(run) or f"{metric_label(run.metric)}, {'lower' if lower else 'higher'} is better",
            "kind": "lead",
        }


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    """The data, models and circumstances of the run."""
    summary, environment = run.summary, run.summary.get("environment", {})
    split = summary.get("split", {})
    sizes = split.get("sizes", {})
    level = summary.get("level")
    yield "Data", part_sizes(sizes) + (f" {level}s" if level else "")
    if len(classes := summary.get("classes") or ()) > 1 and list(classes) != ["0", "1"]:
        more = f" and {len(classes) - CLASSES} more" if len(classes) > CLASSES else ""
        yield "Classes", ", ".join(f"{index} = {name}" for index, name in enumerate(classes[:CLASSES])) + more
    if split:
        yield "Split", f"{split['kind']}, fold {split['fold']}, split seed {split['split_seed']}"
    for role in CONFIGURED:
        if role in summary:
            count = f"{summary['parameters'][role]:,} parameters"
            yield role.capitalize(), ", ".join([run.config.get(role, {}).get("name", ""), count]).removeprefix(", ")
    if weights := summary.get("objective"):
        yield "Objective", " + ".join(f"{weight:g} {name}" for name, weight in weights.items())
    yield "Seed", str(summary.get("seed", run.config.get("seed", "")))
    if summary.get("teachers"):
        yield "Each teacher", ", ".join(_each_teacher(run))
    if summary.get("best_epoch"):
        yield "Selected", _selected(summary)
    if summary:
        moment = summary.get("finished") or (run.path / SUMMARY).stat().st_mtime
        moment = datetime.fromisoformat(moment) if isinstance(moment, str) else datetime.fromtimestamp(moment, UTC)
        yield "Finished", f"{moment:%Y-%m-%d %H:%M %Z}"
        yield "Took", duration(sum(summary["seconds"].values()))
    yield "Device", environment.get("device", "")
    yield "Folder", str(run.path.resolve())


def _each_teacher(run: Run) -> Iterator[str]:
    """Of several teachers each one's kind and score: the teacher's is that of their mean prediction."""
    for one in run.summary["teachers"]:
        yield f"{one['name']} {shown(one.get(run.read_split, {}).get(run.metric), run.metric)}"


def _selected(summary: dict[str, Any]) -> str:
    """Whose weights the student has."""
    of, best = f"of {summary['epochs']}", f"epoch {summary['best_epoch']}"
    if not (epochs := _averaged(summary)):
        return f"{best} {of}, on validation"
    first, last = epochs[0], epochs[-1]
    what = f"epoch {last}, the last {of}" if first == last else f"mean of the epochs {first} to {last} {of}"
    return f"{what} (best on validation: {best})"


def _chosen_epoch(summary: dict[str, Any]) -> int | None:
    """The last epoch whose weights the student has."""
    return (_averaged(summary) or [summary.get("best_epoch")])[-1]


def _averaged(summary: dict[str, Any]) -> list[int]:
    """The epochs whose mean weights the student has; none where it is the best one."""
    return summary.get("selected", {}).get("student", {}).get("epochs", [])


def _notes(run: Run) -> Iterator[str]:
    """What to know before trusting the numbers."""
    summary = run.summary
    if summary and run.read_split == "val":
        yield "The test split was not read (trainer.test=false); the scores are those of the validation split."
    if note := summary.get("note"):
        yield note
    control = (summary.get("control") or {}).get("name", "none")
    if control != "none":
        yield f"A control: teacher.control={control}."
    for pair, count in (summary.get("shared_molecules") or {}).items():
        if count:
            occur, both = counted(count, "molecule occurs", "molecules occur"), pair.replace("_", " and in ")
            yield f"{occur} both in {both}: scores may be too optimistic."
    if found := [kind for kind, found in summary.get("reused", {}).items() if found]:
        yield f"Reused from the store, made by an earlier run: {', '.join(found)}."
    if summary.get("environment", {}).get("code", {}).get("dirty"):
        yield "The code had changes that were not committed."
    yield from run.notices


def _metrics(run: Run) -> list[str]:
    """All metrics that were measured, the primary one first."""
    measured = [*(run.summary.get(role, {}) for role in SHOWN), *run.summary.get("floors", {}).values()]
    names = [name for scores in measured for split in scores.values() for name in split]
    return sorted(dict.fromkeys(names), key=lambda name: name != run.metric)


def _results(run: Run) -> list[dict[str, Any]]:
    """One block per role, one line per split, one value per metric; the split of the result comes first."""
    order = ("test", "val", "train")
    return [
        {
            "kind": role,
            "role": ROLES[role],
            "lines": [
                (
                    {"val": "validation"}.get(split, split),
                    [shown(run.summary[role][split].get(metric), metric) for metric in _metrics(run)],
                )
                for split in order
                if split in run.summary[role]
            ],
        }
        for role in SHOWN
        if role in run.summary
    ]


def _curves(run: Run) -> Iterator[Picture]:
    """The metric and the losses by epoch, each with its caption."""
    chosen = _chosen_epoch(run.summary)
    if figure := draw_metric(run.curves, run.metric or None):
        caption = "; ".join(text for text in ("The primary metric on validation", _marked(chosen)) if text)
        yield Picture("validation metric", _mark(figure, chosen), f"{caption}.")
    for role in SHOWN:
        if role in run.curves and (figure := draw_losses({role: run.curves[role]})):
            mark = chosen if role == "student" else None
            # The student is trained on more terms than it is validated on.
            what = "training: all terms, validation: the task's" if role == "student" and len(_terms(run)) > 1 else ""
            caption = "; ".join(text for text in (f"Loss of the {ROLES[role]}", what, _marked(mark)) if text)
            yield Picture(f"loss of the {ROLES[role]}", _mark(figure, mark), f"{caption}.")


def _mark(figure: "Figure", epoch: int | None) -> "Figure":
    """Mark the selected epoch by a line."""
    if epoch:
        figure.axes[0].axvline(epoch, color="#000000", alpha=0.35, linewidth=1, linestyle=":", zorder=0)
    return figure


def _marked(epoch: int | None) -> str:
    return f"dotted: the student's selected epoch, {epoch}" if epoch else ""


def _term_curves(run: Run) -> Iterator[Picture]:
    """The loss terms by epoch."""
    captions = {"raw": "Each term before weighting.", "weighted": "Each term times its weight."}
    for kind, caption in captions.items() if len(_terms(run)) > 1 else ():
        yield Picture(f"{kind} loss terms", draw_terms(run.curves, [kind]), caption)


def _terms(run: Run) -> list[dict[str, str]]:
    """One line per term of the student's loss, the largest first."""
    curves = run.curves.get("student", {})
    epochs = curves.get("epoch", [])
    chosen = _chosen_epoch(run.summary)
    at = epochs.index(chosen) if chosen in epochs else -1
    terms = {name.removesuffix(WEIGHTED): values[at] for name, values in curves.items() if name.endswith(WEIGHTED)}
    total = sum(map(abs, terms.values()))

    def value(column: str) -> str:
        return shown(curves[column][at]) if column in curves else ""

    return [
        {
            "name": term.removeprefix("train/"),
            "first": shown(curves[term][0]) if term in curves else "",
            "raw": value(term),
            "weighted": shown(weighted),
            "share": f"{100 * abs(weighted) / total:.0f}" if total > 0 else "",
            "gradient": value(f"{term}.grad_norm"),
            "cosine": value(f"{term}.grad_cosine"),
        }
        for term, weighted in sorted(terms.items(), key=lambda item: -abs(item[1]))
    ]


def _environment(run: Run) -> Iterator[tuple[str, Any]]:
    """Code, packages and machine as (name, value)."""
    environment = run.summary.get("environment", {})
    yield "gnn-distill", environment.get("code", {}).get("version")
    yield "commit", environment.get("code", {}).get("commit")
    yield "sources", environment.get("code", {}).get("sources")
    yield "config hash", run.summary.get("config_hash")
    yield "data", run.summary.get("data", "")[:16]
    for name in ("device", "cpus", "threads", "python", "platform"):
        yield name, environment.get(name)
    yield from environment.get("packages", {}).items()
