"""One large graph on disk: CPU time and anonymous memory of a whole run, by its number of nodes; Linux only."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from benchmarks.options import Options, Report

SIZES, SMOKE = (10_000, 100_000, 1_000_000), (2_000,)
CLASSES, FEATURES, EDGES, SAME = 10, 64, 6, 0.6
"""Of the graphs: edges per node before their reverses, and the share of them that stays within a class."""
ONE_EPOCH = ("trainer.max_epochs=1", "pretrain.max_epochs=1", "tracker=none")
MODELS = ("teacher=sage", "student=nagphormer")
POLL = 0.2
"""Seconds between two looks at a process."""


def measure(options: Options) -> list[Report]:
    """Conversion and `gnn-distill train` with one epoch each, as processes of their own.

    Anonymous memory is what no file backs: pages of memory maps can be dropped at any time.
    """
    rows = [one_size(nodes, options) for nodes in (SMOKE if options.smoke else SIZES)]
    return [Report("One epoch of teacher and student on a graph on disk", rows)]


def one_size(nodes: int, options: Options) -> dict[str, float | int]:
    """The row of a graph of so many nodes."""
    home = options.folder / str(nodes)
    home.mkdir()
    edges = write_graph(home / "graph.npz", nodes)
    convert, _ = watched("convert", home / "graph.npz", "-o", home / "nodes")
    run = home / "run"
    settings = [f"dataset.path={home / 'nodes'}", f"paths.store={home / 'store'}", f"hydra.run.dir={run}"]
    train, anonymous = watched("train", "dataset=node_folder", *MODELS, *ONE_EPOCH, *settings, *options.overrides)
    summary = json.loads((run / "summary.json").read_text())
    stages = {f"{stage}, s": summary["seconds"][stage] for stage in ("teacher", "signals", "student", "evaluation")}
    return {
        "nodes": nodes,
        "edges": 2 * edges,
        "convert, CPU s": convert,
        "train, CPU s": train,
        "CPU µs per node": 1e6 * train / nodes,
        "anonymous, MiB": anonymous,
        **stages,
        "teacher": summary["teacher"]["test"]["accuracy"],
        "student": summary["student"]["test"]["accuracy"],
    }


def watched(*words: str | Path) -> tuple[float, float]:
    """CPU seconds, and most MiB of anonymous memory, of `gnn-distill <words>`."""
    command = [sys.executable, "-m", "gnn_distill", *map(str, words)]
    most = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while True:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            most = max(most, *(int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)
            time.sleep(POLL)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed")
    return used.ru_utime + used.ru_stime, most / 1024


def write_graph(file: Path, nodes: int, seed: int = 0) -> int:
    """A degree-corrected stochastic block model with noisy class means as features; returns its number of edges."""
    random = np.random.default_rng(seed)
    y, weight = random.integers(0, CLASSES, nodes), random.pareto(2.5, nodes) + 1
    source, target = drawn(weight, EDGES * nodes, random), drawn(weight, EDGES * nodes, random)
    same = random.random(len(source)) < SAME
    for kind in range(CLASSES):
        members, places = np.flatnonzero(y == kind), np.flatnonzero(same & (y[source] == kind))
        target[places] = members[drawn(weight[members], len(places), random)]
    edges = np.stack([source, target])[:, source != target].astype(np.int32)
    means = random.normal(0, 0.25, (CLASSES, FEATURES)).astype(np.float32)
    x = means[y] + random.standard_normal((nodes, FEATURES), dtype=np.float32)
    part = np.full(nodes, 2)
    order = random.permutation(nodes)
    part[order[: int(0.6 * nodes)]], part[order[int(0.6 * nodes) : int(0.8 * nodes)]] = 0, 1
    masks = {f"{name}_mask": part == number for number, name in enumerate(("train", "val", "test"))}
    np.savez(file, x=x, edge_index=edges, y=y, **masks)
    return edges.shape[1]


def drawn(weight: Float[np.ndarray, " nodes"], count: int, random: np.random.Generator) -> Int[np.ndarray, " count"]:
    """Nodes in proportion to their weight."""
    total = weight.cumsum()
    return np.searchsorted(total, random.random(count) * total[-1]).clip(max=len(weight) - 1)
