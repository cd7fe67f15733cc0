"""What all parts share: options, configs as `gnn-distill train` composes them, and our own training as a contender."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from benchmarks.timing import CLOCKS, wait_for_device
from gnn_distill import schema
from gnn_distill.cli import CONF_DIR
from gnn_distill.console import Console
from gnn_distill.data.batching import StructureBatch
from gnn_distill.data.feed import Feed, make_feed
from gnn_distill.data.loading import load_task
from gnn_distill.data.task import GraphTask
from gnn_distill.interruption import Interruption
from gnn_distill.losses.labels import make_labels
from gnn_distill.run_directory import RunDirectory
from gnn_distill.schema.run import TrainConfig
from gnn_distill.stages.distill import student_and_objective
from gnn_distill.stages.encode import encode
from gnn_distill.stages.pretrain import pretrain
from gnn_distill.stages.runtime import Runtime, make_fabric
from gnn_distill.stages.signals import signals
from gnn_distill.stages.structure import with_distances
from gnn_distill.store import Store
from gnn_distill.tracking import Tracker
from gnn_distill.training import fit

PLAIN = ("loss=task", "alignment=none", "teacher=none")
"""Overrides of training from labels alone."""


@dataclass
class Options:
    """What the command line says."""

    folder: Path
    """For what is written on the way; removed at the end."""
    rounds: int = 5
    smoke: bool = False
    """Small generated graphs instead of data sets."""
    clock: str = "wall"
    overrides: tuple[str, ...] = ()
    """Of `gnn-distill train`, for every config there is."""
    run: Path | None = None
    """Run directory; None: the folder."""

    def config(self, *overrides: str) -> TrainConfig:
        """The config of `gnn-distill train` with these overrides, then those of the command line."""
        small = (f"paths.store={self.folder / 'store'}", "trainer.batch_size=16") if self.smoke else ()
        every = ["tracker=none", "pretrain.max_epochs=1", *overrides, *small, *self.overrides]
        schema.register()
        with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            return OmegaConf.to_object(compose("train", overrides=every))

    def runtime(self, config: TrainConfig) -> Runtime:
        """Device, store and an empty run directory."""
        fabric, store = make_fabric(config.trainer), Store(config.paths.store)
        return Runtime(
            fabric, store, Console(sys.stderr), RunDirectory(self.run or self.folder), Tracker(), Interruption()
        )


@dataclass
class Report:
    """A table of results; rows have like keys."""

    title: str
    rows: list[dict[str, Any]]


def load(config: TrainConfig, graphs: int | None = None) -> GraphTask:
    """The config's data set with its first `graphs` training graphs, and a few to validate on."""
    task = load_task(config.dataset, config.paths)
    train = task.splits.train
    # Training ids are sorted, and so may the graphs be: take them from all over the set.
    chosen = train if graphs is None else train[torch.linspace(0, len(train) - 1, graphs).long().unique()]
    return replace(task, splits=replace(task.splits, train=chosen, val=task.splits.val[:4]))


class NoKeeper:
    """Keeps no state: what is measured is training."""

    path = Path("nowhere")

    def load(self) -> None:
        return None

    def check(self) -> None:
        pass

    def keep(self, state: dict[str, Any], last: bool) -> None:
        pass


class TimedFeed:
    """A feed that times its epochs, from the wish for the first batch until the last one's step is done.

    With `kept` batches these are all there is of every epoch: what a step costs without loading.
    """

    def __init__(self, feed: Feed, clock: str, kept: list[StructureBatch] | None = None) -> None:
        self.feed, self.task, self.kept = feed, feed.task, kept
        self.clock, self.epochs, self.seconds = CLOCKS[clock], 0, 0.0

    def train(self, epoch: int) -> Iterator[tuple[float, StructureBatch]]:
        """The batches of the next epoch."""
        self.epochs += 1
        batches = self.feed.train(self.epochs) if self.kept is None else ((0.0, batch) for batch in self.kept)
        wait_for_device()
        started = self.clock()
        yield from batches
        wait_for_device()
        self.seconds = self.clock() - started

    def fixed(self, split: str) -> Iterator[StructureBatch]:
        """All examples of a split."""
        return self.feed.fixed(split)


class OwnTraining:
    """A student of ours, trained by the package's own loop on what its stages have prepared."""

    def __init__(self, runtime: Runtime, task: GraphTask, config: TrainConfig, clock: str = "wall") -> None:
        self.runtime, self.task, self.config, self.clock = runtime, task, config, clock
        labels, known = make_labels(task, config.task), None
        teacher = None
        if config.teacher.name != "none":
            teacher, entry = pretrain(runtime, task, None, labels, config)
            known, _ = signals(runtime, task, None, teacher, entry, config)
        self.student, self.objective = student_and_objective(runtime, task, labels, known, config, teacher)
        encodings, _ = encode(runtime, task, config.encoding)
        if self.objective.reads.distances:
            encodings = with_distances(runtime, task, encodings)
        reads = self.objective.reads
        self.teacher_rows = partial(known.rows, reads=reads) if reads.teacher else None
        trainer = config.trainer
        feed = make_feed(
            task,
            encodings,
            batch_size=trainer.batch_size,
            max_pairs=trainer.max_pairs,
            seed=config.seed,
            device=runtime.fabric.device,
        )
        self.feed = TimedFeed(feed, clock)

    @cached_property
    def at_hand(self) -> TimedFeed:
        """The batches of one epoch, made once."""
        return TimedFeed(self.feed.feed, self.clock, [batch for _, batch in self.feed.feed.train(1)])

    @property
    def batches(self) -> int:
        """How many an epoch has."""
        return len(self.at_hand.kept)

    def epoch(self) -> float:
        """Seconds a graph in an epoch, loading included."""
        return self._fit(self.feed)

    def step(self) -> float:
        """Seconds a graph in an epoch whose batches are at hand."""
        return self._fit(self.at_hand)

    def _fit(self, feed: TimedFeed) -> float:
        fit(
            self.runtime.fabric,
            self.student,
            self.objective,
            feed,
            self.config.optim,
            max_epochs=1,
            patience=0,
            keeper=NoKeeper(),
            teacher_rows=self.teacher_rows,
        )
        return feed.seconds / len(self.task.splits.train)
