"""Gradients of every term in one step of one or of several processes, on shares of one uneven batch."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch
from objective_cases import FoundStructure, make_moments, random_tensor
from small_tasks import awaken, encode, make_separate_task, make_task, preset
from term_cases import CASES
from torch import Tensor, nn

from gnn_distill import ranks
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.objective import (
    AlignmentConfig,
    AlignmentWeights,
    BaselineConfig,
    LossConfig,
    LossWeights,
    MacroConfig,
    MicroConfig,
    OwnLossConfig,
    Ramp,
    ScheduleConfig,
    SoftConfig,
)
from gnn_distill.config.schema.run import TrainerConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.loaders import make_loader
from gnn_distill.data.packed import pointers
from gnn_distill.data.task import GraphTask
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.projectors import StudentShape
from gnn_distill.losses.task import TaskLoss
from gnn_distill.losses.term import Requires
from gnn_distill.models import build_student
from gnn_distill.models.layers.heads import Output
from gnn_distill.models.layers.standardise import Moments
from gnn_distill.models.reused_head import ReusingStudent
from gnn_distill.pipeline.kept_outputs import TeacherOutputs
from gnn_distill.pipeline.runtime import make_fabric
from gnn_distill.pipeline.teacher_attention import Attention
from gnn_distill.training.step import OwnDraws, Step, set_up

CHANNELS, GRAPHS, LAYERS = 6, 24, 2
KINDS = ("binary", "multiclass", "multilabel", "regression")
NONE = AlignmentConfig()


@dataclass(frozen=True)
class RankCase:
    """An objective, and the task whose batch it reads."""

    loss: LossConfig
    align: AlignmentConfig = field(default_factory=AlignmentConfig)
    level: str = "graph"
    kind: str = "multiclass"
    batch_size: int = 9


def only(**sections: object) -> LossConfig:
    return LossConfig(weights=LossWeights(task=0.0), **sections)


def cases() -> Iterator[tuple[str, RankCase]]:
    """Every term that a config may switch on, and forms of them that read a batch in another way."""
    levels = {"graph": "graph", "node": "separate"}
    for name, case in CASES.items():
        for level in case.levels:
            if level in levels:
                yield f"{name}, {level}", RankCase(case.loss, case.align, levels[level])
    everything = LossWeights(task=1.0, soft=0.5, micro=0.25, macro=2.0)
    scales = AlignmentConfig(weights=AlignmentWeights(node=1.0, subgraph=0.5, graph=0.25, contrast=0.5))
    late = ScheduleConfig(macro=Ramp(enter=[0.9, 1.0]), align=Ramp(enter=[0.9, 1.0]))
    for level in levels.values():
        for kind in KINDS:
            yield f"full objective of {kind}, {level}", RankCase(LossConfig(weights=everything), scales, level, kind)
            masked = LossConfig(weights=LossWeights(1, 1, 0, 0), soft=SoftConfig(exits=0.5, mask_missing=True))
            yield f"soft targets of {kind}, {level}", RankCase(masked, NONE, level, kind)
        yield f"sleeping terms, {level}", RankCase(LossConfig(weights=everything, schedule=late), scales, level)
        yield f"balanced, {level}", RankCase(LossConfig(weights=everything, balance="gradient"), scales, level)
        own = {"pairs": OwnLossConfig(target="rank_gradients.own_pairs", reads="nodes", weight=1.0)}
        yield f"own, {level}", RankCase(only(own=own), NONE, level)
        for samples in (5, 1000):
            few = AlignmentConfig(weights=AlignmentWeights(contrast=1.0), samples=samples)
            yield (
                f"{samples} samples, {level}",
                RankCase(only(baseline=BaselineConfig(gcrd=1, samples=samples)), few, level),
            )
        attention = MicroConfig(relation=0.0, attention=1.0, attention_samples=7)
        yield (
            f"attention of few, {level}",
            RankCase(LossConfig(weights=LossWeights(0, 0, 1, 0), micro=attention), NONE, level),
        )
    few = MacroConfig(samples=6)
    yield "relation of few nodes", RankCase(LossConfig(weights=LossWeights(0, 0, 0, 1), macro=few), NONE, "separate")
    yield "one graph for two", RankCase(LossConfig(weights=everything), scales, batch_size=1)


def own_pairs(student: Tensor, teacher: Tensor, batch: GraphBatch) -> Tensor:
    """A user's relation between all rows, which also asks for the graph of each."""
    apart = batch.wanted(batch.batch)[:, None] != batch.wanted(batch.batch)[None]
    return ((student @ student.T).tanh() * apart).mean() + (student[:, 0] - teacher[:, 0]).square().mean()


@cache
def the_task(level: str, kind: str) -> GraphTask:
    return make_task(kind, GRAPHS) if level == "graph" else make_separate_task(kind, GRAPHS)


def teacher_outputs(task: GraphTask) -> TeacherOutputs:
    """Random outputs for all graphs of two layers; edges and loops have random weights."""
    graphs = task.graphs
    nodes, edges = len(graphs.x), graphs.edge_index.size(1)
    states = {layer: random_tensor(nodes, CHANNELS, seed=layer) for layer in range(1, LAYERS + 1)}
    whole = random_tensor(GRAPHS, CHANNELS, seed=5)
    attention = Attention(torch.rand(edges), torch.rand(nodes), pointers(graphs.num_edges))
    moments = [*(Moments(*make_moments(layer)) for layer in states), Moments(*make_moments(3))]
    logits = random_tensor(len(graphs.y), task.spec.num_outputs, seed=6)
    kept = (logits, whole, states, LAYERS, moments)
    where = (torch.arange(GRAPHS), graphs.node_ptr[:-1], graphs.node_ptr)
    return TeacherOutputs(*where, *kept, task.spec.level, "all", attention=attention)


def student_of(case: RankCase, task: GraphTask, outputs: TeacherOutputs) -> nn.Module:
    size = {"hidden_channels": 8, "num_layers": 3, "num_heads": 4, "dropout": 0.0, "norm": "none"}
    name = "graphvit" if case.align.source == "patch" else "graphormer"
    patches = {"patches": "bisection", "num_patches": 3} if name == "graphvit" else {}
    student = build_student(preset("student", name, **size, **patches), EncodingConfig(spd=True), task.spec)
    if case.align.reuse_head:
        head = Output(CHANNELS, task.spec, "mean", 0.0)
        student = ReusingStudent(student, head, outputs.shape().nodes[LAYERS], "linear")
    return awaken(student, 0.3).train()


def gradients(case: RankCase) -> tuple[dict[str, float], Tensor]:
    """The terms' values in one step, and the gradient of the student and of what terms learn; 0 where there is none."""
    torch.manual_seed(0)
    task = the_task(case.level, case.kind)
    outputs = teacher_outputs(task)
    student = student_of(case, task, outputs)
    patches = (
        preset("student", "graphvit", patches="bisection", num_patches=3) if case.align.source == "patch" else None
    )
    encodings = encode(task.graphs, EncodingConfig(spd=True), patches)
    size = {"batch_size": case.batch_size, "max_pairs": 10**6, "seed": 0, "taught": "all"}
    loader = make_loader(task, encodings, **size, shared=True)
    structure = FoundStructure(task.graphs, among=torch.arange(len(task.graphs.x)))
    widths, task_loss = StudentShape.of(student, 1.0), TaskLoss(task.spec, split_by_graph=True)
    objective = Objective(task_loss, case.loss, case.align, outputs.shape(), widths, structure)
    fabric = make_fabric(TrainerConfig(accelerator="cpu", threads=1))
    parameters = [
        parameter for parameter in (*student.parameters(), *objective.parameters()) if parameter.requires_grad
    ]
    optimizer = torch.optim.SGD(parameters, lr=0.0)
    draws = OwnDraws(0, fabric.device)
    draws.start(1)
    step, _, _ = set_up(fabric, Step(student, objective, fabric.strategy.precision, draws), optimizer)
    requires = objective.requires | Requires(logits=True)
    _, batch, rows = next(iter(loader.train(1, lambda batch: outputs.rows(batch, requires))))
    torch.manual_seed(3)  # draws of terms
    total, terms, _, compared = step(batch, rows, 0.1, True)
    fabric.backward(total)
    found = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    values = {name: float(value) for name, value in terms.items()} | compared | {"total": float(total.detach())}
    return values, torch.cat([gradient.flatten() for gradient in found])


def main(rank: int, size: int, port: int, folder: str) -> None:
    """One of several processes: write what it finds for each case."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks.join("gloo")
    found = {name: gradients(case) for name, case in cases()}
    torch.save(found, Path(folder) / f"{rank}.pt")
    ranks.leave()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]), sys.argv[4])
