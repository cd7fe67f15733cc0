"""What a Graphormer reads of its graphs: all of them at once beside one after the other, from file to file."""

import statistics
import time

import torch

from benchmarks.graphs import drawn_task
from benchmarks.peers.batches import to_data
from benchmarks.peers.preprocessing import graphormer_recipe, scipy_distances
from benchmarks.timing import Contender, interleave, timed, times_faster
from benchmarks.workbench import PLAIN, Options, Report
from gnn_distill.data.loading import load_task
from gnn_distill.data.structure import compute_encodings
from gnn_distill.data.task import GraphTask
from gnn_distill.schema.encoding import EncodingConfig
from gnn_distill.stages.encode import encode

DISTANCE = 20
DISTANCES = EncodingConfig(degree=True, spd=True)
PATHS = EncodingConfig(degree=True, spd=True, edge_hops=DISTANCE)
SAMPLE = {"networkx": 50, "scipy": 500}
"""Graphs that the slow ones take in a round."""


def measure(options: Options) -> list[Report]:
    """Ratios on molecules, and how long whole sets take, reading and writing included."""
    if options.smoke:
        return [ratios(drawn_task(200, 20), options)]
    zinc = options.config(*PLAIN, "dataset=zinc")
    peptides = options.config(*PLAIN, "dataset=peptides_func")
    task = load_task(zinc.dataset, zinc.paths)
    return [ratios(task, options), Report("Whole sets", [whole(zinc, options), whole(peptides, options)])]


def ratios(task: GraphTask, options: Options) -> Report:
    """Microseconds a graph; ratios to our hop distances and degrees, or to our paths where a peer finds paths."""
    graphs = task.graphs
    order = torch.randperm(len(graphs), generator=torch.Generator().manual_seed(0))
    data_list = [to_data(graphs, graph) for graph in order[: SAMPLE["scipy"]].tolist()]
    few = data_list[: SAMPLE["networkx"]]
    without_edges = [data.clone() for data in few]
    for data in without_edges:
        data.edge_attr = None

    def each(function: object, some: list) -> Contender:
        return timed(lambda: [function(data) for data in some], len(some), options.clock)

    seconds = interleave(
        {
            "ours": timed(lambda: compute_encodings(graphs, DISTANCES), len(graphs), options.clock),
            "ours, with paths": timed(lambda: compute_encodings(graphs, PATHS), len(graphs), options.clock),
            "scipy, graph by graph": each(scipy_distances, data_list),
            "GraphGPS's recipe": each(lambda data: graphormer_recipe(data, DISTANCE), without_edges),
            "GraphGPS's recipe, with paths": each(lambda data: graphormer_recipe(data, DISTANCE), few),
        },
        options.rounds,
    )
    rows = [
        {
            "way": way,
            "µs a graph": 1e6 * statistics.median(values),
            "times ours": times_faster(seconds["ours"], values),
            "times ours with paths": times_faster(seconds["ours, with paths"], values),
        }
        for way, values in seconds.items()
    ]
    return Report(f"Hop distances and degrees of {task.spec.name} ({len(graphs)} graphs)", rows)


def whole(config: object, options: Options) -> dict[str, object]:
    """Wall seconds to read a set, to compute and store its hop distances and degrees, and to find them again."""
    store = options.folder / config.dataset.name
    runtime = options.runtime(options.config(*PLAIN, f"paths.store={store}"))
    task, reading = clocked(lambda: load_task(config.dataset, config.paths))
    _, hashing = clocked(lambda: task.fingerprint)
    (_, entry), making = clocked(lambda: encode(runtime, task, DISTANCES))
    _, finding = clocked(lambda: encode(runtime, task, DISTANCES))
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


def clocked(function: object) -> tuple[object, float]:
    """What a function gives, and how many seconds it took."""
    started = time.perf_counter()
    return function(), time.perf_counter() - started
