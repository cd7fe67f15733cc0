"""All probes of one run: what its models, and untrained twins of them, know of held-out graphs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from gnn_distill.analysis import awareness
from gnn_distill.analysis.awareness import Measured, describe, index, resamples, shells_index, summary
from gnn_distill.analysis.description_length import bits_saved
from gnn_distill.analysis.held_out import HeldOut
from gnn_distill.analysis.levels import Levels, graph_states, make_levels, pair_states, representations, rows_of
from gnn_distill.analysis.node_types import NodeTypes, one_hot
from gnn_distill.analysis.ridge import standardised
from gnn_distill.analysis.scores import Level, Scores, probe, why_left_out
from gnn_distill.analysis.shared import Examined, Shared
from gnn_distill.analysis.states import States, Subject, states_of
from gnn_distill.analysis.targets import Targets
from gnn_distill.config.schema.probe import ProbeSettings
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError
from gnn_distill.storage.store import Store

MOST_SHUFFLED = 0.02
"""Awareness of another graph's targets above which, beyond noise, something is wrong with the probes."""
UNTRAINED = "{role} untrained"
JOINED = ("last", "all")
"""Representations of whole graphs and pairs, too; others are those of single layers."""


@dataclass
class Told:
    """What is told of the targets of a level, of those that are probed, and why others are left out."""

    level: Level
    """With the targets that are probed alone."""
    scores: Scores
    left_out: list[dict[str, str]]


def examine(
    task: GraphTask,
    subjects: Mapping[str, Subject],
    held: HeldOut,
    types: NodeTypes,
    targets: Targets,
    settings: ProbeSettings,
    progress: Callable[[int, int], None] = lambda done, total: None,
    store: Store | None = None,
) -> dict[str, Any]:
    """What probe.json holds of a run's models by role: awareness by representation, with controls and floor.

    store: where what is found of models that other runs have, too, is kept: teachers and untrained twins.

    Raises:
        UserError: if probes find targets of other graphs: the numbers would be worthless.
    """
    marks = one_hot(types, rows_of(task, held))
    levels = make_levels(task, held, targets, list(subjects.values()), marks, settings)
    told = {name: tell(level) for name in ("node", "graph", "pair") if (level := getattr(levels, name)) is not None}
    weights = resamples(held.num_units, settings.resamples, settings.seed)
    shared = None if store is None else Shared(store, levels, settings)
    done, total = 0, len(subjects) * (1 + settings.untrained)
    models: dict[str, Any] = {}

    def found_of(subject: Subject, what: str, twin: bool, kept: bool) -> Examined:
        states = states_of(subject, held.graphs)
        take = partial(examine_one, states, held, levels, told, weights, settings, twin)
        return shared.get(states, twin, f"{what} of {task.spec.name}", take) if shared and kept else take()

    for role, subject in subjects.items():
        model = found_of(subject, role, twin=False, kept=role == "teacher")
        progress(done := done + 1, total)
        twins = []
        for number in range(settings.untrained):
            twins.append(found_of(subject.twin(number), f"untrained twin {number} of the {role}", twin=True, kept=True))
            progress(done := done + 1, total)
        models[role] = model.description | {"learned": learned(model, twins)}
        if twins:
            models[UNTRAINED.format(role=role)] = mean_of([twin.description for twin in twins])
    check_shuffled(models)
    return {
        "graphs": len(held.graphs),
        "nodes": int(held.kept.sum()),
        "units": "communities" if held.single else "graphs",
        "types": list(types.names),
        "colours": int(targets.colours.max()) + 1,
        "given": levels.told,
        "told": described_told(told, levels, settings),
        "left_out": [line for part in told.values() for line in part.left_out],
        "models": models,
        "notices": [*levels.notices, *nodeless(models, levels)],
    }


def nodeless(models: Mapping[str, Any], levels: Levels) -> list[str]:
    """A notice for each model without states of nodes."""
    probed = "its graph state alone is probed, and its indices are means over fewer families of targets"
    what = "nothing is asked of it" if levels.graph is None else probed
    return [f"The {role} has no states of nodes: {what}." for role, model in models.items() if model.get("nodeless")]


def tell(level: Level) -> Told:
    """Probe what is told alone, and leave out what it explains and what is constant."""
    scores = probe(level, None)
    why = why_left_out(level, scores)
    kept = np.array([not words for words in why], dtype=bool)
    left_out = [
        {"target": target.name, "level": target.level, "why": words}
        for target, words in zip(level.targets, why, strict=True)
        if words
    ]
    chosen = [target for target, keep in zip(level.targets, kept, strict=True) if keep]
    fewer = replace(level, targets=chosen, values=level.values[:, kept])
    return Told(fewer, Scores(scores.errors[:, kept], scores.spread[:, kept], scores.auroc[kept]), left_out)


def examine_one(
    states: States,
    held: HeldOut,
    levels: Levels,
    told: Mapping[str, Told],
    weights: np.ndarray,
    settings: ProbeSettings,
    twin: bool,
) -> Examined:
    """Awareness of one model by representation.

    Of single layers of an untrained twin, task truths alone.
    """
    found: dict[str, Any] = {}
    indices: dict[str, np.ndarray] = {}
    for name, nodes in representations(states, settings.layers).items():
        if twin and name not in JOINED:
            if levels.truth is not None:
                found[name] = {"truths": truths(levels.truth, nodes)}
            continue
        of_level = level_states(states, held, levels, name, nodes)
        parts = [
            (told[level].level.targets, probe(told[level].level, values), told[level].scores)
            for level, values in of_level.items()
            if level in told and told[level].level.targets
        ]
        if not parts:
            continue
        measured = Measured.of(parts, weights)
        if name in JOINED:
            indices |= {f"{name} {key}": values for key, values in indices_of(measured, settings).items()}
        found[name] = describe(measured, settings.local, settings.far)
        found[name]["truths"] = truths(levels.truth, nodes)
        if not twin:
            found[name]["targets"] = {
                target.name: {"awareness": float(a), "r2": float(r2), "auroc": float(area)}
                for target, a, r2, area in zip(
                    measured.targets, measured.value, measured.r2, measured.auroc, strict=True
                )
            }
    description: dict[str, Any] = {"states": found}
    if not twin:
        description |= {} if states.layers else {"nodeless": True}
        description["shuffled"] = shuffled(levels.shuffled, states, weights)
    if settings.mdl and states.layers:
        description["bits_saved"] = length(told["node"].level, states, settings.seed)
    return Examined(description, indices)


def indices_of(measured: Measured, settings: ProbeSettings) -> dict[str, np.ndarray]:
    """Local and far index, of all families and of typed shells alone: the value, then that of every resample."""
    return {
        f"{reach}{ending}": of(measured, reach, settings.local, settings.far)
        for reach in awareness.RANGES
        for ending, of in (("", index), ("_shells", shells_index))
    }


def level_states(
    states: States, held: HeldOut, levels: Levels, name: str, nodes: np.ndarray | None
) -> dict[str, np.ndarray]:
    """States for each level that a representation has: of single layers those of nodes alone."""
    found = {} if nodes is None else {"node": nodes}
    if name in JOINED:
        if levels.graph is not None:
            found["graph"] = graph_states(states, held, name)
        if levels.pair is not None and nodes is not None:
            found["pair"] = pair_states(nodes, levels.pairs)
    return found


def truths(level: Level | None, nodes: np.ndarray | None) -> dict[str, dict[str, Any]]:
    """AUROC of each task truth from the states alone."""
    if level is None or nodes is None:
        return {}
    scores = probe(level, nodes)
    return {
        target.name: {"reach": target.reach, "auroc": float(area)}
        for target, area in zip(level.targets, scores.auroc, strict=True)
    }


def shuffled(level: Level, states: States, weights: np.ndarray) -> dict[str, float] | None:
    """Awareness of the typed shells of other graphs of the same size; None if no two are, or nodes have no states."""
    if np.isnan(level.values).all() or not states.layers:
        return None
    before, after = probe(level, None), probe(level, states.last)
    measured = Measured.of([(level.targets, after, before)], weights)
    columns = np.flatnonzero(np.isfinite(measured.value) & (level_spread(before) > 0))
    return summary(measured.mean(columns)) if len(columns) else None


def level_spread(scores: Scores) -> np.ndarray:
    """Σ squared deviations of each target."""
    return scores.spread.sum(0)


def check_shuffled(models: Mapping[str, Any]) -> None:
    """Raise UserError if a model knows, beyond noise, structure of graphs that it did not see."""
    for role, model in models.items():
        found = model.get("shuffled")
        if found and found["low"] > MOST_SHUFFLED:
            raise UserError(
                f"The {role}'s states tell {100 * found['value']:.1f} % of the structure of other graphs (a control "
                "that must give nothing): the probes are at fault, or the graphs repeat. No result was written."
            )


def learned(model: Examined, twins: list[Examined]) -> dict[str, dict[str, Any]]:
    """A of the model − mean A of its untrained twins, by representation and range; empty without twins."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in model.indices.items() if twins else ():
        representation, key = name.split()
        floor = np.mean([twin.indices[name] for twin in twins], axis=0)
        found.setdefault(representation, {})[key] = summary(value - floor)
    return found


def mean_of(twins: list[Any]) -> Any:
    """Means over descriptions of the same form; under `twins` the values of each where these are indices."""
    first = twins[0]
    if isinstance(first, dict) and first.keys() == {"value", "low", "high"}:
        values = [twin["value"] for twin in twins]
        return {"value": float(np.mean(values)), "low": min(values), "high": max(values), "twins": values}
    if isinstance(first, dict):
        return {key: mean_of([twin[key] for twin in twins]) for key in first}
    if isinstance(first, list):
        return [mean_of([twin[place] for twin in twins]) for place in range(len(first))]
    return float(np.mean(twins)) if isinstance(first, float) else first


def length(level: Level, states: States, seed: int) -> dict[str, float]:
    """Bits a node that states of the last layer save, on what is told and without it; mean over typed shells."""
    shells = [column for column, target in enumerate(level.targets) if target.family == awareness.SHELLS]
    if not shells:
        return {}
    y, x = level.values[:, shells].astype(np.float64), standardised(states.last)
    alone = bits_saved(x, y, level.unit, seed)
    told = bits_saved(level.told, y, level.unit, seed)
    both = bits_saved(np.concatenate([level.told, x], axis=1), y, level.unit, seed)
    return {"states": float(alone.mean()), "told": float(told.mean()), "beside": float((both - told).mean())}


def described_told(told: Mapping[str, Told], levels: Levels, settings: ProbeSettings) -> dict[str, Any]:
    """R² of what is told: of typed shells by hop, and of every target that is probed."""
    shells: dict[int, list[float]] = {}
    targets = {}
    for part in told.values():
        for target, r2 in zip(part.level.targets, part.scores.r2(), strict=True):
            targets[target.name] = float(r2)
            if target.family == awareness.SHELLS:
                shells.setdefault(target.hop, []).append(float(r2))
    return {
        "by_hop": [{"hop": hop, "r2": float(np.mean(values))} for hop, values in sorted(shells.items())],
        "targets": targets,
    }
