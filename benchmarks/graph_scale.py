"""Data sets of up to half a million molecule-like graphs: batches, the teacher's outputs on disk, and memory."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.graphs import EDGE_TYPES, NODE_TYPES, drawn_task
from benchmarks.options import Options, Report
from benchmarks.own import make_runtime
from benchmarks.processes import Remote, remotes, resident
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.data.batching import collate
from gnn_distill.data.budget import evaluation_batches
from gnn_distill.data.packed import PackedGraphs, pointers
from gnn_distill.data.task import GraphTask, Splits
from gnn_distill.models import build_teacher
from gnn_distill.models.layers.standardise import Moments
from gnn_distill.pipeline.teacher_outputs import read_teacher
from gnn_distill.pipeline.teacher_plan import plan_teacher
from gnn_distill.storage import checkpoint

COUNTS = (10_000, 100_000, 500_000)
NODES, SPREAD = 23, 4.5
BATCH = 64


def measure(options: Options) -> list[Report]:
    """CPU seconds and memory by number of graphs, each in a process of its own; teacher: GIN, 4 layers of 64."""
    counts = (200, 400) if options.smoke else COUNTS
    overrides = ("dataset=zinc", "teacher=gin", "teacher.num_layers=4", "teacher.hidden_channels=64")
    config = options.config(*overrides, "student=transformer", "loss=kd", "signals.layers=all", "signals.dtype=float16")
    rows = []
    for count in counts:
        case = (replace(options, folder=options.folder / str(count)), config, count)
        case[0].folder.mkdir()
        with remotes({"scale": (Scale, *case)}) as running:
            rows.append(measured(count, running["scale"]))
    return [Report("By number of graphs: µs a graph, and memory", rows)]


def measured(count: int, scale: Remote) -> dict[str, Any]:
    """One row: the stages in their order."""
    row: dict[str, Any] = {"graphs": count, "collate": 1e6 * scale("collate")}
    row |= {f"{stage}, µs": 1e6 * scale(stage) / count for stage in ("teacher", "moments", "save")}
    row["moments / teacher"] = row["moments, µs"] / row["teacher, µs"]
    return row | {f"{what}, MiB": size / 2**20 for what, size in scale("memory").items()}


class Scale:
    """A data set of `count` graphs, and an untrained teacher."""

    def __init__(self, options: Options, config: TrainConfig, count: int) -> None:
        self.task, self.options = molecules(count), options
        self.runtime = make_runtime(options, config)
        self.keep = plan_teacher(config, self.task).outputs
        torch.manual_seed(0)
        self.model = build_teacher(config.teacher, self.task.spec).eval()

    def collate(self) -> float:
        """CPU seconds a graph for batches drawn at random from all graphs."""
        ids = torch.randperm(len(self.task.graphs), generator=torch.Generator().manual_seed(0))[: 200 * BATCH]
        started = time.process_time()
        for picked in ids.split(BATCH):
            collate(self.task.graphs, None, picked)
        return (time.process_time() - started) / len(ids)

    def teacher(self) -> float:
        """CPU seconds of the teacher's pass, its states written as they come."""
        graphs, ids = self.task.graphs, self.task.splits.train
        started = time.process_time()
        batches = (collate(graphs, None, picked) for picked in evaluation_batches(graphs.num_nodes, ids, 256, 10**6))
        self.outputs = read_teacher(self.model, self.model, batches, self.task, self.keep, self.options.folder)
        return time.process_time() - started

    def moments(self) -> float:
        """CPU seconds for the moments of all states."""
        started = time.process_time()
        self.outputs["moments"] = [Moments.of(states) for states in self.outputs["nodes"].values()]
        return time.process_time() - started

    def save(self) -> float:
        """CPU seconds to write them as the store does, with a checksum."""
        started = time.process_time()
        checkpoint.save(self.options.folder / "signals.safetensors", self.outputs)
        return time.process_time() - started

    def memory(self) -> dict[str, int]:
        """Of the process now: anonymous pages, all resident ones, and on disk the outputs; and the peak of all."""
        size = (self.options.folder / "signals.safetensors").stat().st_size
        return {"anonymous": resident("RssAnon"), "resident, peak": resident("VmHWM"), "outputs": size}


def molecules(count: int, seed: int = 0) -> GraphTask:
    """`count` trees of 8 to 38 nodes with up to four rings of six, made at once: about 23 nodes and 48 edges."""
    random = np.random.default_rng(seed)
    sizes = np.clip(np.rint(random.normal(NODES, SPREAD, count)), 8, 38).astype(np.int64)
    ptr = np.concatenate([[0], sizes.cumsum()])
    graph = np.repeat(np.arange(count), sizes)
    place = np.arange(ptr[-1]) - ptr[graph]
    child = np.flatnonzero(place > 0)
    back = (random.random(len(child)) < 0.25) * np.minimum(place[child] - 1, random.integers(0, 4, len(child)))
    closing = np.repeat(np.arange(count), random.integers(0, 5, count))
    first = (random.random(len(closing)) * (sizes[closing] - 6)).astype(np.int64)
    source = np.concatenate([place[child], first])
    target = np.concatenate([place[child] - 1 - back, first + 5])
    owner = np.concatenate([graph[child], closing])
    order = np.argsort(owner, kind="stable")
    bonds = torch.from_numpy(np.stack([source[order], target[order]]))
    graphs = PackedGraphs(
        x=torch.from_numpy(random.integers(0, NODE_TYPES, (ptr[-1], 1))),
        edge_index=torch.stack([bonds, bonds.flip(0)], dim=2).flatten(1),
        edge_attr=torch.from_numpy(random.integers(0, EDGE_TYPES, (len(owner), 1))).repeat_interleave(2, dim=0),
        y=torch.from_numpy(random.normal(size=(count, 1)).astype(np.float32)),
        node_ptr=torch.from_numpy(ptr),
        edge_ptr=pointers(torch.from_numpy(2 * np.bincount(owner, minlength=count))),
    )
    ids = torch.arange(count)
    return GraphTask(drawn_task(9, NODES).spec, graphs, Splits(ids[:-8], ids[-8:-4], ids[-4:]))
