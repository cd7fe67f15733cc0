"""Probes of a finished run: what its models know of structure, into probe.json of its folder."""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from gnn_distill.analysis.examine import examine
from gnn_distill.analysis.functional_groups import readable
from gnn_distill.analysis.held_out import HeldOut, held_out
from gnn_distill.analysis.levels import MOST_PAIRS, rows_of
from gnn_distill.analysis.node_types import NodeTypes, node_types
from gnn_distill.analysis.shared import EXAMINE
from gnn_distill.analysis.targets import Targets, make_targets
from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.probe import ProbeSettings
from gnn_distill.data.task import GraphTask
from gnn_distill.pipeline.finished_run import FinishedRun, load_once
from gnn_distill.storage import checkpoint
from gnn_distill.storage.checksums import Damaged, OlderVersion, read_json, write_json
from gnn_distill.storage.code_hash import code_of
from gnn_distill.storage.run_directory import PROBE, strict
from gnn_distill.storage.store import Store
from gnn_distill.training.console import Console

AGAIN = "It is made again by gnn-distill probe."
TARGETS = "targets.safetensors"


def probe_run(
    run: FinishedRun,
    settings: ProbeSettings,
    paths: PathsConfig,
    console: Console,
    own_modules: bool = False,
    task: GraphTask | None = None,
) -> bool:
    """Write probe.json of a run, unless it holds what these settings and this code give; whether it was written.

    task: the run's data, if they are at hand. Neither weights nor random states nor other files of the run change.

    Raises:
        UserError: if its data or files have changed, or a control fails.
    """
    facts = facts_of(run, settings_of(settings), [EXAMINE])
    if is_made(run.folder / PROBE, facts):
        return False
    started = time.process_time()
    with torch.random.fork_rng(devices=[]):
        task, subjects = load_once(run, paths, own_modules, task)
        # A student alone is probed as a run of its own.
        subjects = {role: subject for role, subject in subjects.items() if role != "alone"}
        held = held_out(task, settings.graphs, settings.nodes, settings.seed)
        types = node_types(task, settings.types, settings.seed)
        seconds = {"data": time.process_time() - started}
        store = Store(paths.store, console.notice)
        targets = stored_targets(task, held, types, settings, store)
        seconds["targets"] = time.process_time() - started - sum(seconds.values())
        with console.work("probes") as work:
            found = examine(task, subjects, held, types, targets, settings, work.update, store)
        seconds["probes"] = time.process_time() - started - sum(seconds.values())
    for notice in found["notices"]:
        console.notice(notice)
    write_json(run.folder / PROBE, strict({**facts, **found, "cpu_seconds": seconds}))
    return True


def facts_of(run: FinishedRun, settings: Mapping[str, Any], modules: Iterable[str]) -> dict[str, Any]:
    """What determines the result of an examination by `modules`: the run, its data, the code and the settings."""
    return {
        "run": run.summary["config_hash"],
        "finished": run.summary.get("finished"),
        "data": run.summary.get("data"),
        "code": code_of(modules).digest,
        "settings": settings,
        "settings_hash": hash_of(settings),
    }


def is_made(file: Path, facts: Mapping[str, Any]) -> bool:
    """Whether a file holds the probes of this run by these settings and this code."""
    if not file.is_file():
        return False
    try:
        made = read_json(file, AGAIN)
    except (Damaged, OlderVersion):
        return False
    return all(made.get(key) == facts[key] for key in ("run", "finished", "data", "code", "settings_hash"))


def stored_targets(task: GraphTask, held: HeldOut, types: NodeTypes, settings: ProbeSettings, store: Store) -> Targets:
    """The targets of the held-out graphs, found in the store or computed now."""
    pairs = min(settings.pairs, -(-MOST_PAIRS // len(held.graphs))) if not held.single else 0
    parts = {
        "data": task.fingerprint,
        "graphs": hashlib.sha256(held.ids.numpy().tobytes()).hexdigest(),
        "settings": [settings.hops, settings.types, pairs, settings.seed],
        "made_with": code_of(["gnn_distill.analysis.targets"]).to_key(),
    }

    def compute(folder: Path) -> None:
        rows, groups = rows_of(task, held), readable(task.spec)
        made = make_targets(held, types, rows, settings.hops, pairs, settings.seed, groups)
        checkpoint.save(folder / TARGETS, made.to_state())

    entry = store.get("targets", parts, compute, f"targets of probes of {task.spec.name}")
    return Targets.from_state(checkpoint.load(entry.path / TARGETS, verify=False))


def settings_of(settings: ProbeSettings) -> dict[str, Any]:
    """The keys that determine what probes find."""
    values = asdict(settings)
    return {field.name: values[field.name] for field in fields(ProbeSettings)}


def hash_of(settings: Mapping[str, Any]) -> str:
    """Sixteen hex digits of the settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
