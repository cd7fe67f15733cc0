"""What a contender's process makes, from arguments that can be sent there."""

import warnings
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric

from benchmarks.graphs import drawn_task
from benchmarks.options import Options
from benchmarks.own import OwnTraining, load
from benchmarks.peers.batches import data_with_distances, data_with_paths, loss_of, plain_data
from benchmarks.peers.gps import GPS, GPSShape
from benchmarks.peers.graphormer import Graphormer, GraphormerShape
from benchmarks.peers.training import PeerTraining
from benchmarks.timing import CLOCKS, wait_for_device
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.cpu import default_threads, products_by_onednn
from gnn_distill.data.task import GraphTask

GPS_PEERS = {"GPSConv with GINE": True, "GPSConv, attention alone": False}
"""Whether the peer has message passing."""

DTYPES = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass
class Case:
    """One of our students and its training graphs."""

    config: TrainConfig
    graphs: int | None = None
    """Number of training graphs per epoch; None: all."""
    nodes: int = 0
    """Number of nodes of generated graphs; 0: the config's data set."""

    def task(self) -> GraphTask:
        """The graphs, with a few more to validate on."""
        return drawn_task(self.graphs + 8, self.nodes) if self.nodes else load(self.config, self.graphs)


def make_case(options: Options, overrides: tuple[str, ...], graphs: int | None = None, nodes: int = 0) -> Case:
    """The case of these overrides; generated graphs leave nothing in the user's store."""
    return Case(options.config(*overrides, keep=not nodes), graphs, nodes)


def make_own(options: Options, case: Case) -> OwnTraining:
    """Our training."""
    return OwnTraining(options, case.task(), case.config)


def make_peer(name: str, options: Options, case: Case) -> PeerTraining:
    """A peer of the same width, depth, heads and dropout, with its graphs in its own format."""
    # PyTorch wants two masks of one type; the recipe has a Boolean one and one of numbers.
    warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")
    config, task = case.config, case.task()
    student, encoding, spec, trainer = config.student, config.encoding, task.spec, config.trainer
    # PyTorch's defaults, without what our own make_fabric sets.
    torch.set_num_threads(trainer.threads or default_threads())
    fabric = Fabric(accelerator=trainer.accelerator, devices=1, precision=trainer.precision)
    fabric.launch()
    common = {
        "channels": student.hidden_channels,
        "num_layers": student.num_layers,
        "num_heads": student.num_heads,
        "attention_dropout": student.attention_dropout,
    }
    train = task.splits.train
    if name in GPS_PEERS:
        shape = GPSShape(**common, dropout=student.dropout, local=GPS_PEERS[name])
        model, data_list = GPS(shape, spec), plain_data(task.graphs, train, shape.walk_steps)
    else:
        # GraphGPS drops nothing after its blocks; our student, which has one rate for all places, does.
        drop, distance, hops = student.dropout, encoding.max_spd + 1, encoding.edge_hops
        inside = {"mlp_dropout": drop, "input_dropout": drop, "ffn_ratio": student.ffn_ratio}
        # GraphGPS's tensor of paths is as wide as there are distances, one more than there can be edges.
        width = distance if hops == distance - 1 else hops
        shape = GraphormerShape(**common, **inside, distance=distance, hops=width)
        model = Graphormer(shape, spec, paths=hops > 0)
        if hops:
            data_list = data_with_paths(task.graphs, train, distance, width)
        else:
            data_list = data_with_distances(task.graphs, train, distance)
    mean, std = torch.tensor(spec.target_mean), torch.tensor(spec.target_std)
    for data in data_list:
        data.y = (data.y - mean) / std
    return PeerTraining(fabric, model, data_list, trainer.batch_size, loss_of(spec.kind), options.clock)


class Products:
    """Square matrix products in the number format of training: 1024³ on a CPU, 8192³ on a GPU, to fill it.

    tuned: with the kernels that our training chooses, else with PyTorch's defaults.
    """

    def __init__(self, options: Options, case: Case, tuned: bool) -> None:
        trainer = case.config.trainer
        torch.set_num_threads(trainer.threads or default_threads())
        device = Fabric(accelerator=trainer.accelerator, devices=1).device
        self.tuned = tuned
        self.clock, self.size = CLOCKS[options.clock], 8192 if device.type == "cuda" else 1024
        dtype = DTYPES[trainer.precision]
        self.a, self.b = (torch.randn(self.size, self.size, device=device, dtype=dtype) for _ in range(2))

    def epoch(self) -> float:
        """Seconds per floating-point operation."""
        started = self.clock()
        with products_by_onednn(self.tuned):
            for _ in range(10):
                self.a @ self.b
        wait_for_device()
        return (self.clock() - started) / (10 * 2 * self.size**3)
