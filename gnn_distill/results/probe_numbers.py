"""Awareness by method: means over runs with intervals, gains over the student alone with tests, and a verdict."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from gnn_distill.results.probes import Method, ProbedRun, common_pairs
from gnn_distill.results.significance import Interval, Outcome, corrected_t, differences, holm, interval, paired_t

RANGES = ("local", "far")
STATES = ("last", "all")
STUDENT, TEACHER, UNTRAINED = "student", "teacher", "{} untrained"


@dataclass(frozen=True)
class Line:
    """A row of the table: a method's student, the teacher, or untrained twins."""

    label: str
    kind: str
    """told, untrained, teacher, alone or distilled."""
    runs: tuple[ProbedRun, ...]
    role: str
    """Key of the model in probe.json."""

    def models(self) -> Iterator[dict[str, Any]]:
        """What probe.json holds of this model, by run."""
        yield from (run.probe["models"][self.role] for run in self.runs if self.role in run.probe["models"])

    def values(self, state: str, key: str) -> np.ndarray:
        """A quantity of a representation, such as `local` of `last`, by run; those that are missing are left out."""
        found = (model["states"].get(state, {}).get(key) for model in self.models())
        values = (value["value"] if isinstance(value, dict) else value for value in found)
        return np.array([value for value in values if value is not None], dtype=float)

    def interval(self, state: str, key: str) -> Interval:
        """Mean and interval: over units of runs; of one run that over its graphs."""
        values = self.values(state, key)
        units = unit_means(self.runs, values) if len(values) == len(self.runs) else values
        over_runs = interval(units, overlap_of(self.runs))
        found = [model["states"].get(state, {}).get(key) for model in self.models()]
        if math.isnan(over_runs.low) and len(found) == 1 and isinstance(found[0], dict):
            low, high = (math.nan if found[0][bound] is None else found[0][bound] for bound in ("low", "high"))
            return Interval(over_runs.mean, low, high, 1)
        return over_runs


@dataclass(frozen=True)
class Gain:
    """A method's awareness minus that of the student alone, over common pairs."""

    method: str
    state: str
    reach: str
    effect: Interval
    outcome: Outcome
    p_holm: float = math.nan
    """Adjusted for the ranges and methods of the same states."""


def lines(methods: list[Method]) -> list[Line]:
    """Rows: untrained twins, the teacher, the student alone, each method."""
    first, found = methods[0], []
    taught = next((method for method in methods if any(TEACHER in run.probe["models"] for run in method.runs)), None)
    if any(UNTRAINED.format(STUDENT) in run.probe["models"] for run in first.runs):
        found.append(Line("student untrained", "untrained", tuple(first.runs), UNTRAINED.format(STUDENT)))
    if taught and any(UNTRAINED.format(TEACHER) in run.probe["models"] for run in taught.runs):
        found.append(Line("teacher untrained", "untrained", tuple(taught.runs), UNTRAINED.format(TEACHER)))
    if taught:
        found.append(Line("teacher", "teacher", tuple(taught.runs), TEACHER))
    for method in methods:
        if any(STUDENT in run.probe["models"] for run in method.runs):
            kind = "alone" if method.alone else "distilled"
            found.append(Line(method.label, kind, tuple(method.runs), STUDENT))
    return found


def gains(methods: list[Method]) -> list[Gain]:
    """Every method against the student alone, by range and representation; empty without such a student.

    Paired by fold, split seed and seed; of several folds by corrected t. Holm over ranges and methods.
    """
    alone = next((method for method in methods if method.alone), None)
    if alone is None:
        return []
    others = [method for method in methods if method is not alone]
    others = [method for method in others if any(STUDENT in run.probe["models"] for run in method.runs)]
    made: list[Gain] = []
    for state in STATES:
        of_state = [_gain(method, alone, state, reach) for method in others for reach in RANGES]
        adjusted = holm(pd.Series([gain.outcome.p for gain in of_state], dtype=float))
        made += [
            Gain(gain.method, gain.state, gain.reach, gain.effect, gain.outcome, float(p))
            for gain, p in zip(of_state, adjusted, strict=True)
        ]
    return made


def _gain(method: Method, alone: Method, state: str, reach: str) -> Gain:
    one, other = (Line("", "", tuple(runs), STUDENT) for runs in _zipped(common_pairs(method, alone)))
    values = [line.values(state, reach) for line in (one, other)]
    overlap = overlap_of(one.runs)
    d = differences(*values) if len(values[0]) == len(values[1]) == len(one.runs) else np.array([])
    d = unit_means(one.runs, d) if len(d) else d
    outcome = corrected_t(d, overlap) if overlap else paired_t(d)
    return Gain(method.label, state, reach, interval(d, overlap), outcome)


def _zipped(pairs: list[tuple[ProbedRun, ProbedRun]]) -> tuple[list[ProbedRun], list[ProbedRun]]:
    return [one for one, _ in pairs], [other for _, other in pairs]


def unit_means(runs: Iterable[ProbedRun], values: np.ndarray) -> np.ndarray:
    """Means by split if there are several, since seeds of one split are no further samples; else the values."""
    splits = [run.pair[:2] for run in runs]
    if len(set(splits)) < 2:
        return values
    frame = pd.DataFrame(splits, columns=["fold", "split_seed"]).assign(value=values)
    return frame.groupby(["fold", "split_seed"])["value"].mean().to_numpy()


def overlap_of(runs: Iterable[ProbedRun]) -> float:
    """n_test / n_train, if the runs have several folds, whose training parts overlap; else 0."""
    runs = list(runs)
    if len({run.pair[0] for run in runs}) < 2:
        return 0.0
    sizes = runs[0].summary["split"]["sizes"]
    return sizes["test"] / sizes["train"]


def verdict(made: list[Gain], method: str, state: str = "last") -> str:
    """In words what distillation did to a method's awareness, by the two paired intervals.

    `synergy` only if both lie above 0.
    """
    found = {gain.reach: gain.effect for gain in made if (gain.method, gain.state) == (method, state)}
    if not found or any(effect.n == 0 for effect in found.values()):
        return "no pair with the student alone"
    if all(math.isnan(effect.low) for effect in found.values()):
        return "one pair, or equal differences: not tested"
    words = {reach: _outcome(effect) for reach, effect in found.items()}
    if set(words.values()) == {"gained"}:
        return "local gained, far gained: synergy"
    if set(words.values()) == {"not shown"}:
        return "neither shown"
    return ", ".join(f"{reach} {word}" for reach, word in words.items())


def _outcome(effect: Interval) -> str:
    if math.isnan(effect.low):
        return "not tested"
    return "gained" if effect.low > 0 else "lost" if effect.high < 0 else "not shown"


def curve(line: Line, state: str, key: str = "by_hop") -> pd.DataFrame:
    """A by hop: mean, low and high over the runs of a line, as `Line.interval` gives them."""
    hops = sorted({at["hop"] for model in line.models() for at in model["states"].get(state, {}).get(key, [])})
    rows = []
    for hop in hops:
        found = [
            at
            for model in line.models()
            for at in model["states"].get(state, {}).get(key, [])
            if at["hop"] == hop and at["value"] is not None
        ]
        values = np.array([at["value"] for at in found])
        over = interval(unit_means(line.runs, values) if len(values) == len(line.runs) else values)
        low, high = (found[0]["low"], found[0]["high"]) if len(found) == 1 else (over.low, over.high)
        rows.append({"hop": hop, "mean": over.mean, "low": low, "high": high})
    return pd.DataFrame(rows, columns=["hop", "mean", "low", "high"]).astype(float)


def long_frame(dataset: str, methods: list[Method]) -> pd.DataFrame:
    """One line per row, representation and quantity, with its interval and number of runs; unknown values are NaN."""
    rows: list[dict[str, Any]] = []
    for line in lines(methods):
        for state in ("last", "all"):
            for key in ("local", "far", "local_shells", "far_shells", "control", "selectivity"):
                values = line.values(state, key)
                if len(values):
                    rows.append({"dataset": dataset, "row": line.label, "states": state, "quantity": key,
                                 **line.interval(state, key)._asdict()})  # fmt: skip
            for at in curve(line, state).to_dict("records"):
                rows.append({"dataset": dataset, "row": line.label, "states": state,
                             "quantity": f"awareness at {at['hop']:.0f} hops", "n": len(line.runs),
                             **{key: at[key] for key in ("mean", "low", "high")}})  # fmt: skip
        for state, truths in truth_scores(line).items():
            rows += [
                {"dataset": dataset, "row": line.label, "states": state, "quantity": f"AUROC of {name}",
                 "mean": value, "low": math.nan, "high": math.nan, "n": len(line.runs)}
                for name, value in truths.items()
            ]  # fmt: skip
    for gain in gains(methods):
        rows.append({"dataset": dataset, "row": gain.method, "states": gain.state,
                     "quantity": f"gain over the student alone, {gain.reach}", **gain.effect._asdict(),
                     "p": gain.outcome.p, "p_holm": gain.p_holm})  # fmt: skip
    columns = ["dataset", "row", "states", "quantity", "mean", "low", "high", "n", "p", "p_holm"]
    return pd.DataFrame(rows, columns=columns)


def truth_scores(line: Line) -> dict[str, dict[str, float]]:
    """Mean AUROC of each task truth over runs, by representation; empty without truths."""
    found: dict[str, dict[str, list[float]]] = {}
    for model in line.models():
        for state, values in model["states"].items():
            for name, truth in values.get("truths", {}).items():
                if truth["auroc"] is not None:
                    found.setdefault(state, {}).setdefault(name, []).append(truth["auroc"])
    return {state: {name: float(np.mean(v)) for name, v in truths.items()} for state, truths in found.items()}


def as_json(dataset: str, methods: list[Method]) -> dict[str, Any]:
    """Everything about one data set in plain types."""
    made = gains(methods)
    return {
        "dataset": dataset,
        "methods": {
            method.label: {"runs": [str(run.folder) for run in method.runs], "alone": method.alone}
            for method in methods
        },
        "rows": [
            {"label": line.label, "kind": line.kind, "runs": len(line.runs)}
            | {
                state: {key: line.interval(state, key)._asdict() for key in RANGES if len(line.values(state, key))}
                for state in STATES
            }
            for line in lines(methods)
        ],
        "gains": [asdict(gain) | {"effect": gain.effect._asdict(), "outcome": gain.outcome._asdict()} for gain in made],
        "verdicts": {method.label: verdict(made, method.label) for method in methods if not method.alone},
    }
