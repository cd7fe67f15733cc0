"""How throughput and preprocessing scale with graphs, batches and data sets: tables, and a figure for the docs."""

import statistics
from functools import partial

from benchmarks.contenders import make_case, make_own, make_peer
from benchmarks.graphs import drawn_task
from benchmarks.options import PLAIN, Options, Report
from benchmarks.processes import remotes
from benchmarks.throughput import DROPOUT, NARROW, PAIRS, WARM_UP
from benchmarks.timing import interleave, timed
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.encodings.structural import compute_encodings

MODEL = (*PLAIN, *PAIRS, *NARROW, "student.num_layers=4", *DROPOUT)
PEERS = ("textbook Graphormer", "GPSConv, attention alone")
MOLECULE = 24
"""Number of nodes per molecule."""


def measure(options: Options) -> list[Report]:
    """Graphs per second by nodes per graph and by batch size; microseconds per graph by number of graphs."""
    nodes, batches, counts = (16, 32, 64, 128, 256, 512), (1, 4, 16, 64, 256), (1_000, 4_000, 16_000, 64_000)
    total = 8192
    if options.smoke:
        nodes, batches, counts, total = (8,), (4,), (32,), 64
    by_nodes = [trained("nodes", size, total // size, size, max(1, total // 2 // size), options) for size in nodes]
    by_batch = [trained("batch", size, min(512, 32 * size), MOLECULE, size, options) for size in batches]
    by_count = [prepared(count, options) for count in counts]
    return [
        Report("Graphs per second by nodes per graph", by_nodes),
        Report("Graphs per second by batch size", by_batch),
        Report("Microseconds per graph by number of graphs", by_count),
    ]


def trained(axis: str, value: int, graphs: int, nodes: int, batch: int, options: Options) -> dict[str, float]:
    """Our training and its peers' on generated graphs, with loading."""
    case = make_case(options, (*MODEL, f"trainer.batch_size={batch}"), graphs, nodes)
    makers = {"ours": (make_own, options, case)} | {peer: (make_peer, peer, options, case) for peer in PEERS}
    with remotes(makers) as running:
        whole = {who: partial(remote, "epoch") for who, remote in running.items()}
        seconds = interleave(whole, options.rounds, WARM_UP)
    return {axis: value} | {who: 1 / statistics.median(values) for who, values in seconds.items()}


def prepared(count: int, options: Options) -> dict[str, float]:
    """Hop distances of molecules, and the loader's time to select and collate them."""
    graphs, encoding = drawn_task(count, MOLECULE).graphs, EncodingConfig(degree=True, spd=True)
    case = make_case(options, (*MODEL, "trainer.batch_size=256"), count, MOLECULE)
    with remotes({"loader": (make_own, options, case)}) as running:
        contenders = {
            "hop distances": timed(lambda: compute_encodings(graphs, encoding), len(graphs), options.clock),
            "batches": partial(running["loader"], "load"),
        }
        seconds = interleave(contenders, options.rounds)
    return {"graphs": count} | {what: 1e6 * statistics.median(values) for what, values in seconds.items()}
