"""Training throughput beside the peers: graphs a second, and the share of the machine's matrix products it takes."""

import statistics
from dataclasses import dataclass

import torch

from benchmarks.flops import training_flops
from benchmarks.graphs import drawn_task
from benchmarks.peers.batches import data_with_distances, data_with_paths, loss_of, plain_data
from benchmarks.peers.gps import GPS, GPSShape
from benchmarks.peers.graphormer import Graphormer, GraphormerShape
from benchmarks.peers.training import PeerTraining
from benchmarks.timing import interleave, matrix_product, times_faster
from benchmarks.workbench import PLAIN, Options, OwnTraining, Report, load
from gnn_distill.data.task import GraphTask
from gnn_distill.models import count_parameters
from gnn_distill.schema.run import TrainConfig
from gnn_distill.stages.runtime import Runtime

DTYPES = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass
class Case:
    """A student of ours and its peers, of equal width, depth, heads and dropout, on the same graphs."""

    overrides: tuple[str, ...]
    graphs: int
    """Training graphs of an epoch."""
    nodes: int = 0
    """Of generated graphs; 0: the data set that the overrides name."""
    peers: tuple[str, ...] = ("graphormer",)


WIDE = ("student.hidden_channels=80", "student.num_heads=8", "student.ffn_ratio=1")
NARROW = ("student.hidden_channels=64", "student.num_heads=4", "student.ffn_ratio=2")
DROPOUT = ("student.dropout=0.1", "student.attention_dropout=0.1")
DRY = ("student.dropout=0", "student.attention_dropout=0")
PAIRS = ("student=graphormer", "encoding=none", "encoding.degree=true", "encoding.spd=true", "encoding.max_spd=19")
ZINC = ("dataset=zinc", *PAIRS, *WIDE, "student.num_layers=12", "trainer.batch_size=256", *DROPOUT)
NCI1 = ("dataset=nci1", *PAIRS, *NARROW, "student.num_layers=4", "trainer.batch_size=128", *DROPOUT)
PEPTIDES = ("dataset=peptides_func", *PAIRS, *WIDE, "trainer.batch_size=32", *DROPOUT)
LARGE = (*PAIRS, *WIDE, "trainer.batch_size=8", *DROPOUT)
GPS_PEERS = ("GPSConv with GINE", "GPSConv, attention alone")

CASES = {
    "ZINC 12x80, edges of 19 hops": Case((*ZINC, "encoding.edge_hops=19"), 1280),
    "ZINC 12x80, edges of 5 hops": Case((*ZINC, "encoding.edge_hops=5"), 1280),
    "ZINC 12x80": Case(ZINC, 1280, peers=("graphormer", *GPS_PEERS)),
    "ZINC 12x80, no dropout": Case((*ZINC, *DRY), 1280, peers=("graphormer", *GPS_PEERS)),
    "NCI1 4x64": Case(NCI1, 1024, peers=("graphormer", *GPS_PEERS)),
    "Peptides 4x80": Case((*PEPTIDES, "student.num_layers=4"), 128, peers=("graphormer", *GPS_PEERS)),
    "Peptides 12x80": Case((*PEPTIDES, "student.num_layers=12"), 128, peers=("graphormer", *GPS_PEERS)),
    "512 nodes, 4x80": Case((*LARGE, "student.num_layers=4"), 16, 512, ("graphormer", *GPS_PEERS)),
    "512 nodes, 12x80": Case((*LARGE, "student.num_layers=12"), 16, 512, ("graphormer", *GPS_PEERS)),
}
SMALL = ("student.num_layers=2", *WIDE, *DROPOUT)
SMOKE = {
    "drawn graphs, edges of 5 hops": Case((*PAIRS, *SMALL, "encoding.edge_hops=5"), 48, 12),
    "drawn graphs": Case((*PAIRS, *SMALL), 48, 12, ("graphormer", *GPS_PEERS)),
}


def measure(options: Options) -> list[Report]:
    """A table for every case."""
    return [compare(name, case, options) for name, case in (SMOKE if options.smoke else CASES).items()]


def compare(name: str, case: Case, options: Options) -> Report:
    """Our student and its peers in turns: epochs with loading, and steps on batches that are at hand."""
    config = options.config(*PLAIN, *case.overrides)
    runtime = options.runtime(config)
    task = drawn_task(case.graphs + 8, case.nodes) if case.nodes else load(config, case.graphs)
    ours = OwnTraining(runtime, task, config, options.clock)
    trainings = {"ours": ours} | {peer: make_peer(peer, runtime, task, config, options) for peer in case.peers}
    device, precision = runtime.fabric.device, config.trainer.precision
    product, operations = matrix_product(device, DTYPES[precision], options.clock)
    epochs = interleave({k: v.epoch for k, v in trainings.items()} | {"product": product}, options.rounds)
    steps = interleave({k: v.step for k, v in trainings.items()}, options.rounds)
    tokens = task.graphs.num_nodes[task.splits.train] + (ours.student.token is not None)
    wanted = training_flops(config.student, tokens) / len(tokens)
    rows = []
    for who, training in trainings.items():
        model = ours.student if who == "ours" else training.plain
        seconds = statistics.median(epochs[who])
        row = {
            "model": config.student.name if who == "ours" else who,
            "parameters": count_parameters(model),
            "graphs/s": 1 / seconds,
            "step, ms/graph": 1e3 * statistics.median(steps[who]),
            "ours is faster": times_faster(epochs["ours"], epochs[who]),
            "in the step alone": times_faster(steps["ours"], steps[who]),
        }
        if who == "ours":
            share = wanted * times_faster(epochs["ours"], epochs["product"]) / operations
            row |= {"GFLOP/s": wanted / seconds / 1e9, "of matmul rate": share}
        rows.append(row)
    return Report(f"{name} ({len(tokens)} graphs, batches of {config.trainer.batch_size})", rows)


def make_peer(name: str, runtime: Runtime, task: GraphTask, config: TrainConfig, options: Options) -> PeerTraining:
    """A peer of the same width, depth, heads and dropout, with its graphs prepared as it wants them."""
    student, encoding, spec = config.student, config.encoding, task.spec
    common = {
        "channels": student.hidden_channels,
        "num_layers": student.num_layers,
        "num_heads": student.num_heads,
        "attention_dropout": student.attention_dropout,
    }
    train = task.splits.train
    if name == "graphormer":
        # GraphGPS drops nothing after its blocks; our student, which has one rate for all places, does.
        drop, distance, hops = student.dropout, encoding.max_spd + 1, encoding.edge_hops
        inside = {"mlp_dropout": drop, "input_dropout": drop, "ffn_ratio": student.ffn_ratio}
        # The path tensor is as wide as distances reach, one more than edges: so it is in GraphGPS.
        shape = GraphormerShape(**common, **inside, distance=distance, hops=distance if hops == distance - 1 else hops)
        model = Graphormer(shape, spec, paths=hops > 0)
        if hops:
            data_list = data_with_paths(task.graphs, train, distance, shape.hops)
        else:
            data_list = data_with_distances(task.graphs, train, distance)
    else:
        shape = GPSShape(**common, dropout=student.dropout, local=name == "GPSConv with GINE")
        model, data_list = GPS(shape, spec), plain_data(task.graphs, train, shape.walk_steps)
    mean, std = torch.tensor(spec.target_mean), torch.tensor(spec.target_std)
    for data in data_list:
        data.y = (data.y - mean) / std
    return PeerTraining(runtime.fabric, model, data_list, config.trainer.batch_size, loss_of(spec.kind), options.clock)
