"""What each objective costs: milliseconds of a training step, and its ratio to plain training, in one run.

python benchmarks/losses.py [--rounds 40] [--json costs.json] [overrides of `gnn-distill train` ...]

A step is what training does: gather the teacher's rows, forward, loss, backward, clip, optimizer. All presets take the
same batches in turn, so that a machine whose speed drifts slows them alike; figures are medians over the rounds, ratios
medians of ratios within a round. Only the batches themselves are made beforehand: they are the same for all.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from rich.console import Console as RichConsole
from rich.table import Table

from gnn_distill import schema
from gnn_distill.cli import CONF_DIR
from gnn_distill.console import Console
from gnn_distill.data.feed import make_feed
from gnn_distill.data.loading import load_task
from gnn_distill.data.task import GraphTask
from gnn_distill.losses.bridge import StudentShape
from gnn_distill.losses.labels import make_labels
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.reuse import ReusingStudent
from gnn_distill.models import build_student
from gnn_distill.run_directory import RunDirectory
from gnn_distill.schema.run import TrainConfig
from gnn_distill.stages.distill import head_of
from gnn_distill.stages.encode import encode
from gnn_distill.stages.pretrain import pretrain
from gnn_distill.stages.runtime import Runtime, make_fabric, seed_stage
from gnn_distill.stages.signals import signals
from gnn_distill.stages.structure import StoredStructure, with_distances
from gnn_distill.store import Store
from gnn_distill.tracking import Tracker
from gnn_distill.training import make_optimizer

BASE = ("dataset=nci1", "trainer.batch_size=128", "trainer.threads=1", "pretrain.max_epochs=1", "signals.layers=all")
PRESETS = {
    "plain training": ["loss=task", "alignment=none"],
    **{f"loss={name}": [f"loss={name}"] for name in ("kd", "fitnet", "at", "sp", "rkd", "pkt", "lsp", "gsp")},
    **{f"loss={name}": [f"loss={name}"] for name in ("gcrd", "crd", "mugsi", "simkd")},
    "full method": [],
    "full, head reused": ["alignment.reuse_head=true"],
    "full + attention": ["loss.micro.attention=1"],
    "full + edge": ["loss.micro.edge=1"],
    "full + distance profile": ["loss.macro.distance_profile=1"],
    "full + distribution": ["loss.macro.distribution=1"],
    "full, cosine": ["alignment.measure=cosine"],
    "full, CKA": ["alignment.measure=cka"],
    "full, InfoNCE": ["alignment.measure=infonce"],
}
"""Overrides by name; the first is what the others are compared with."""


def compose_config(overrides: list[str]) -> TrainConfig:
    """The config of `gnn-distill train` with these overrides."""
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return OmegaConf.to_object(compose("train", overrides=list(overrides)))


def make_step(runtime: Runtime, task: GraphTask, config: TrainConfig, batches: list) -> Callable[[int], None]:
    """A function that trains on batch number `index`."""
    labels = make_labels(task, config.task)
    teacher, entry = pretrain(runtime, task, None, labels, config)
    kept, _ = signals(runtime, task, None, teacher, entry, config)
    seed_stage(config.seed)
    student, shape = build_student(config.student, config.encoding, task.spec), kept.shape()
    if config.alignment.reuse_head:
        head, moments = head_of(teacher, config), shape.nodes[shape.num_layers]
        student = ReusingStudent(student, head, moments, config.alignment.projection)
    widths = StudentShape(student.state_channels, student.graph_channels)
    structure = StoredStructure(runtime, task, "train")
    objective = Objective(labels, config.loss, config.alignment, shape, widths, structure)
    optimizer = make_optimizer([student, objective], config.optim, runtime.fabric)
    gather = partial(kept.rows, reads=objective.reads) if objective.reads.teacher else lambda batch: None
    layers = frozenset(objective.reads.attention_layers)
    weights = [parameter for parameter in student.parameters() if parameter.requires_grad]
    student.train()

    def step(index: int) -> None:
        batch = batches[index % len(batches)]
        rows = gather(batch)
        out = student(batch, layers) if layers else student(batch)
        total, _, _ = objective(out, batch, rows, 0.5, weights)
        total.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), config.optim.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def measure(steps: dict[str, Callable[[int], None]], rounds: int, batches: int) -> dict[str, dict[str, float]]:
    """Median milliseconds of a step and median ratio to the first one's."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for index in range(batches + rounds):
        for name, step in steps.items():
            started = time.perf_counter()
            step(index)
            seconds[name].append(time.perf_counter() - started)
    # The first round over all batches warms up: subgraphs are searched, memory is taken.
    seconds = {name: values[batches:] for name, values in seconds.items()}
    plain = next(iter(seconds.values()))
    return {
        name: {
            "milliseconds": 1e3 * statistics.median(values),
            "ratio": statistics.median(mine / base for mine, base in zip(values, plain, strict=True)),
        }
        for name, values in seconds.items()
    }


def main() -> None:
    """Measure all presets and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", type=Path)
    arguments, overrides = parser.parse_known_args()
    schema.register()
    base = compose_config([*BASE, *overrides])
    fabric = make_fabric(base.trainer)
    with tempfile.TemporaryDirectory() as folder:
        runtime = Runtime(fabric, Store(base.paths.store), Console(sys.stderr), RunDirectory(folder), Tracker())
        task = load_task(base.dataset, base.paths)
        encodings, _ = encode(runtime, task, base.encoding)
        feed = make_feed(
            task,
            with_distances(runtime, task, encodings),
            batch_size=base.trainer.batch_size,
            max_pairs=base.trainer.max_pairs,
            seed=base.seed,
        )
        batches = [batch for _, batch, _ in feed.train(1)]
        steps = {
            name: make_step(runtime, task, compose_config([*BASE, *preset, *overrides]), batches)
            for name, preset in PRESETS.items()
        }
        costs = measure(steps, arguments.rounds, len(batches))
    table = Table(
        title=f"{task.spec.name}, {base.trainer.batch_size} graphs a batch, {torch.get_num_threads()} threads"
    )
    for column in ("objective", "ms a step", "ratio"):
        table.add_column(column, justify="left" if column == "objective" else "right")
    for name, cost in costs.items():
        table.add_row(name, f"{cost['milliseconds']:.1f}", f"{cost['ratio']:.2f}")
    RichConsole().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(costs, indent=2) + "\n")


if __name__ == "__main__":
    main()
