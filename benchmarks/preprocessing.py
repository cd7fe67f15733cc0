"""Graphormer's encodings: of all graphs at once, compared with one graph after the other."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from benchmarks.graphs import drawn_task
from benchmarks.options import Options, Report
from benchmarks.own import make_runtime
from benchmarks.peers.batches import to_data
from benchmarks.peers.preprocessing import graphormer_recipe, scipy_distances
from benchmarks.processes import remotes
from benchmarks.timing import interleave, times_faster
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.data.encodings.structural import compute_encodings
from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.task import GraphTask
from gnn_distill.pipeline.encodings import stored_encodings
from gnn_distill.pipeline.runtime import make_fabric

DISTANCE = 20
ENCODINGS = {
    "distances": EncodingConfig(degree=True, spd=True),
    "paths": EncodingConfig(degree=True, spd=True, edge_hops=DISTANCE),
}
SAMPLES = {"GraphGPS's recipe": 50, "GraphGPS's recipe, with paths": 50, "scipy, graph by graph": 500}
"""Number of graphs per round for the slow ones."""


def measure(options: Options) -> list[Report]:
    """Ratios on molecules, and the time for whole data sets, with reading and writing."""
    reports = [ratios(options)]
    if not options.smoke:
        sets = [whole(options.config(f"dataset={name}"), options) for name in ("zinc", "peptides_func")]
        reports.append(Report("Whole sets: hop distances and degrees", sets))
    return reports


def molecules(options: Options) -> GraphTask:
    """ZINC, or a few generated graphs."""
    if options.smoke:
        return drawn_task(200, 20)
    config = options.config("dataset=zinc")
    return load_task(config.dataset, config.paths)


class OwnPreprocessing:
    """Encodings of all graphs at once, with the settings of training."""

    def __init__(self, options: Options, what: str) -> None:
        make_fabric(options.config().trainer)
        self.graphs, self.encoding = molecules(options).graphs, ENCODINGS[what]

    def epoch(self) -> float:
        """Wall seconds per graph: worker processes may take part, whose CPU time this process does not know."""
        started = time.perf_counter()
        compute_encodings(self.graphs, self.encoding)
        return (time.perf_counter() - started) / len(self.graphs)


class PeerPreprocessing:
    """One graph after the other, of the same sample for all."""

    def __init__(self, options: Options, name: str) -> None:
        graphs = molecules(options).graphs
        order = torch.randperm(len(graphs), generator=torch.Generator().manual_seed(0))
        self.data_list = [to_data(graphs, graph) for graph in order[: SAMPLES[name]].tolist()]
        self.function = scipy_distances if name.startswith("scipy") else partial(graphormer_recipe, distance=DISTANCE)
        if "paths" not in name:
            for data in self.data_list:
                data.edge_attr = None

    def epoch(self) -> float:
        """Wall seconds per graph."""
        started = time.perf_counter()
        for data in self.data_list:
            self.function(data)
        return (time.perf_counter() - started) / len(self.data_list)


def ratios(options: Options) -> Report:
    """Microseconds per graph, and ratios to our distances and to our paths."""
    makers = {f"ours, {what}": (OwnPreprocessing, options, what) for what in ENCODINGS}
    makers |= {name: (PeerPreprocessing, options, name) for name in SAMPLES}
    with remotes(makers) as running:
        seconds = interleave({name: partial(remote, "epoch") for name, remote in running.items()}, options.rounds)
    rows = [
        {
            "way": way,
            "µs per graph": 1e6 * statistics.median(values),
            "times our distances": times_faster(seconds["ours, distances"], values),
            "times our paths": times_faster(seconds["ours, paths"], values),
        }
        for way, values in seconds.items()
    ]
    return Report("Hop distances and degrees of molecules", rows)


def whole(config: TrainConfig, options: Options) -> dict[str, Any]:
    """Wall seconds to read a data set, to compute and store its hop distances and degrees, and to load them again."""
    runtime = make_runtime(options, options.config(keep=False))
    task, reading = clocked(lambda: load_task(config.dataset, config.paths))
    _, hashing = clocked(lambda: task.fingerprint)
    (_, entry), making = clocked(lambda: stored_encodings(runtime, task, ENCODINGS["distances"]))
    _, finding = clocked(lambda: stored_encodings(runtime, task, ENCODINGS["distances"]))
    return {
        "set": task.spec.name,
        "graphs": len(task.graphs),
        "largest": int(task.graphs.num_nodes.max()),
        "read, s": reading,
        "checksum, s": hashing,
        "compute and store, s": making,
        "find again, s": finding,
        "stored, MiB": sum(file.stat().st_size for file in entry.path.iterdir()) / 2**20,
    }


def clocked(function: Callable[[], Any]) -> tuple[Any, float]:
    """A function's return value, and its time in seconds."""
    started = time.perf_counter()
    return function(), time.perf_counter() - started
