"""How throughput and preprocessing grow with graphs, batches and data sets: tables, and a figure for the docs."""

import statistics

from benchmarks.graphs import drawn_task
from benchmarks.throughput import DROPOUT, NARROW, PAIRS, make_peer
from benchmarks.timing import Contender, interleave, timed
from benchmarks.workbench import PLAIN, Options, OwnTraining, Report
from gnn_distill.data.structure import compute_encodings
from gnn_distill.data.task import GraphTask
from gnn_distill.schema.encoding import EncodingConfig

MODEL = (*PLAIN, *PAIRS, *NARROW, "student.num_layers=4", *DROPOUT)
PEERS = ("graphormer", "GPSConv, attention alone")
MOLECULE = 24
"""Nodes of a molecule."""


def measure(options: Options) -> list[Report]:
    """Graphs a second over nodes a graph, batch size and number of graphs."""
    sizes, batches, counts = (16, 32, 64, 128, 256, 512), (1, 4, 16, 64, 256), (1_000, 4_000, 16_000, 64_000)
    if options.smoke:
        sizes, batches, counts = (8, 16), (4, 8), (32, 64)
    most = 64 if options.smoke else 8192
    return [
        Report(
            "Graphs a second by nodes a graph",
            [
                point("nodes", nodes, max(8, most // nodes), nodes, max(1, most // 2 // nodes), options)
                for nodes in sizes
            ],
        ),
        Report(
            "Graphs a second by batch size",
            [point("batch", batch, min(max(batches), 32 * batch), MOLECULE, batch, options) for batch in batches],
        ),
        Report("Microseconds a graph by number of graphs", [grown(count, options) for count in counts]),
    ]


def point(axis: str, value: int, graphs: int, nodes: int, batch: int, options: Options) -> dict[str, float]:
    """Our training and its peers' on drawn graphs, loading included."""
    config = options.config(*MODEL, f"trainer.batch_size={batch}")
    config.trainer.batch_size = batch  # smoke has a size of its own
    runtime, task = options.runtime(config), drawn_task(graphs + 8, nodes)
    epochs: dict[str, Contender] = {"ours": OwnTraining(runtime, task, config, options.clock).epoch}
    epochs |= {peer: make_peer(peer, runtime, task, config, options).epoch for peer in PEERS}
    seconds = interleave(epochs, options.rounds)
    return {axis: value} | {who: 1 / statistics.median(values) for who, values in seconds.items()}


def grown(count: int, options: Options) -> dict[str, float]:
    """Hop distances of molecules, and what the feed takes to cut and collate them."""
    task = drawn_task(count, MOLECULE)
    config = options.config(*MODEL, "trainer.batch_size=256")
    feed = OwnTraining(options.runtime(config), task, config, options.clock).feed.feed
    seconds = interleave(
        {
            "hop distances": distances(task, options),
            "batches": timed(lambda: list(feed.train(1)), count, options.clock),
        },
        options.rounds,
    )
    return {"graphs": count} | {what: 1e6 * statistics.median(values) for what, values in seconds.items()}


def distances(task: GraphTask, options: Options) -> Contender:
    """Hop distances and degrees of all graphs."""
    encoding = EncodingConfig(degree=True, spd=True)
    return timed(lambda: compute_encodings(task.graphs, encoding), len(task.graphs), options.clock)
