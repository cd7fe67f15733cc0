"""Training throughput, compared with peers: graphs per second, and share of the machine's rate of matrix products."""

import statistics
from functools import partial

from benchmarks.contenders import GPS_PEERS, Case, Products, make_case, make_own, make_peer
from benchmarks.options import PLAIN, Options, Report
from benchmarks.processes import remotes
from benchmarks.timing import interleave, times_faster

WIDE = ("student.hidden_channels=80", "student.num_heads=8", "student.ffn_ratio=1")
NARROW = ("student.hidden_channels=64", "student.num_heads=4", "student.ffn_ratio=2")
DROPOUT = ("student.dropout=0.1", "student.attention_dropout=0.1")
DRY = ("student.dropout=0", "student.attention_dropout=0")
# The structure that both Graphormers read: degrees, and hop distances of which GraphGPS distinguishes 20.
PAIRS = ("student=graphormer", "encoding=none", "encoding.degree=true", "encoding.spd=true", "encoding.max_spd=19")
ZINC = ("dataset=zinc", *PAIRS, *WIDE, "student.num_layers=12", "trainer.batch_size=256", *DROPOUT)
NCI1 = ("dataset=nci1", *PAIRS, *NARROW, "student.num_layers=4", "trainer.batch_size=128", *DROPOUT)
PEPTIDES = ("dataset=peptides_func", *PAIRS, *WIDE, "trainer.batch_size=32", *DROPOUT)
LARGE = (*PAIRS, *WIDE, "trainer.batch_size=8", *DROPOUT)

WARM_UP = 3
"""Epochs of warm-up: batches are few, of other shapes every time, and oneDNN compiles a kernel per shape."""

GRAPHORMER = ("textbook Graphormer",)
ALL = (*GRAPHORMER, *GPS_PEERS)
CASES: dict[str, tuple[tuple[str, ...], int, int, tuple[str, ...]]] = {
    "ZINC 12x80, edges of 19 hops": ((*ZINC, "encoding.edge_hops=19"), 1280, 0, GRAPHORMER),
    "ZINC 12x80, edges of 5 hops": ((*ZINC, "encoding.edge_hops=5"), 1280, 0, GRAPHORMER),
    "ZINC 12x80": (ZINC, 1280, 0, ALL),
    "ZINC 12x80, no dropout": ((*ZINC, *DRY), 1280, 0, ALL),
    "NCI1 4x64": (NCI1, 1024, 0, ALL),
    "NCI1 4x64, as configured": (("dataset=nci1", "trainer.batch_size=128"), 1024, 0, ()),
    "Peptides 4x80": ((*PEPTIDES, "student.num_layers=4"), 128, 0, ALL),
    "Peptides 12x80": ((*PEPTIDES, "student.num_layers=12"), 128, 0, ALL),
    "512 nodes, 4x80": ((*LARGE, "student.num_layers=4"), 16, 512, ALL),
    "512 nodes, 12x80": ((*LARGE, "student.num_layers=12"), 16, 512, ALL),
}
"""By name: overrides, training graphs per epoch, nodes of generated graphs or 0, and peers."""
SMALL = (*PAIRS, *WIDE, "student.num_layers=2", "trainer.batch_size=16", *DROPOUT)
SMOKE = {
    "Generated graphs, edges of 5 hops": ((*SMALL, "encoding.edge_hops=5"), 48, 12, GRAPHORMER),
    "Generated graphs": (SMALL, 48, 12, ALL),
}


def measure(options: Options) -> list[Report]:
    """A table per case."""
    cases = SMOKE if options.smoke else CASES
    return [
        compare(name, make_case(options, (*PLAIN, *overrides), graphs, nodes), peers, options)
        for name, (overrides, graphs, nodes, peers) in cases.items()
    ]


def compare(name: str, case: Case, peers: tuple[str, ...], options: Options) -> Report:
    """Our student and its peers in turns: epochs with loading, and steps without.

    The share is the rate of useful operations (without padding) over that of square matrix products, with PyTorch's
    defaults and with the kernels that our training chooses ("tuned").
    """
    makers = {"ours": (make_own, options, case)} | {peer: (make_peer, peer, options, case) for peer in peers}
    products = {"matmul rate": (Products, options, case, False), "tuned rate": (Products, options, case, True)}
    with remotes(makers | products) as running:
        whole = {who: partial(remote, "epoch") for who, remote in running.items()}
        epochs = interleave(whole, options.rounds, WARM_UP)
        steps = interleave({who: partial(running[who], "step") for who in makers}, options.rounds)
        parameters = {who: running[who]("parameters") for who in makers}
        flops, graphs, batches = (running["ours"](what) for what in ("flops", "graphs", "batches"))
    rows = [
        {
            "model": who,
            "parameters": parameters[who],
            "graphs/s": 1 / statistics.median(epochs[who]),
            "ms per graph": 1e3 * statistics.median(steps[who]),
            "ours faster": times_faster(epochs["ours"], epochs[who]),
            "step alone": times_faster(steps["ours"], steps[who]),
        }
        for who in makers
    ]
    rows[0] |= {"GFLOP/s": flops * rows[0]["graphs/s"] / 1e9} | {
        f"of {which}": flops * times_faster(epochs["ours"], epochs[which]) for which in products
    }
    return Report(f"{name} ({graphs} graphs in {batches} batches)", rows)
