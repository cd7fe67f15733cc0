"""Our own training as a contender, with the package's stages and loop."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.flops import training_flops
from benchmarks.options import Options
from benchmarks.processes import resident
from benchmarks.timing import CLOCKS, wait_for_device
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.cpu import products_by_onednn
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.loaders import Extra, Loader, no_extra
from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.subgraphs.patching import patching_of
from gnn_distill.data.task import GraphTask
from gnn_distill.interruption import Interruption
from gnn_distill.losses.task import make_task_loss
from gnn_distill.pipeline.patches import stored_inputs
from gnn_distill.pipeline.runtime import Runtime, make_fabric
from gnn_distill.pipeline.student import student_and_objective
from gnn_distill.pipeline.subgraphs import with_distances
from gnn_distill.pipeline.teacher import train_teacher
from gnn_distill.pipeline.teacher_outputs import compute_teacher_outputs
from gnn_distill.pipeline.teacher_plan import plan_teacher
from gnn_distill.storage.run_directory import RunDirectory
from gnn_distill.storage.store import Store
from gnn_distill.training.console import Console
from gnn_distill.training.loop import Recorder, fit
from gnn_distill.training.recipe import student_recipe
from gnn_distill.training.tracking import Tracker


def make_runtime(options: Options, config: TrainConfig) -> Runtime:
    """Device, store and a temporary run directory."""
    fabric, store, directory = make_fabric(config.trainer), Store(config.paths.store), RunDirectory(options.folder)
    return Runtime(fabric, store, Console(sys.stderr), directory, Tracker(), Interruption())


def load(config: TrainConfig, graphs: int | None = None) -> GraphTask:
    """The config's data set with `graphs` of its training graphs, spread over the set, and a few to validate on."""
    task = load_task(config.dataset, config.paths)
    train = task.splits.train
    chosen = train if graphs is None else train[torch.linspace(0, len(train) - 1, graphs).long().unique()]
    return replace(task, splits=replace(task.splits, train=chosen, val=task.splits.val[:4]))


class NoCheckpointer:
    """Saves no state: what is measured is training."""

    path = Path("nowhere")

    def load(self) -> None:
        return None

    def check(self) -> None:
        pass

    def save(self, state: dict[str, Any], last: bool) -> None:
        pass


class TimedLoader:
    """A loader that times its epochs, from the request for the first batch to the end of the last step.

    With `kept` batches every epoch has just these: the time of steps without loading, except for the teacher's rows.
    """

    def __init__(self, loader: Loader, clock: str, kept: list[GraphBatch] | None = None) -> None:
        self.loader, self.task, self.kept = loader, loader.task, kept
        self.clock, self.epochs, self.seconds = CLOCKS[clock], 0, 0.0

    def train(self, epoch: int, extra: Extra = no_extra) -> Iterator[tuple[float, GraphBatch, Any]]:
        """The batches of the next epoch."""
        self.epochs += 1
        batches = self.loader.train(self.epochs, extra) if self.kept is None else self._with(extra)
        wait_for_device()
        started = self.clock()
        yield from batches
        wait_for_device()
        self.seconds = self.clock() - started

    def eval_batches(self, split: str) -> Iterator[GraphBatch]:
        """Batches of all examples of a split."""
        return self.loader.eval_batches(split)

    def validation(self, model: nn.Module) -> Iterable[GraphBatch]:
        """Batches of the validation split."""
        return self.loader.validation(model)

    def _with(self, extra: Extra) -> Iterator[tuple[float, GraphBatch, Any]]:
        for batch in self.kept:
            found = extra(batch)
            yield 0.0, batch, found and found.to(batch.ptr.device)


class OwnTraining:
    """One of our students, trained with the package's loop on the outputs of its stages."""

    def __init__(self, options: Options, task: GraphTask, config: TrainConfig) -> None:
        self.runtime = runtime = make_runtime(options, config)
        self.task, self.config, self.clock = task, config, options.clock
        task_loss, known = make_task_loss(task, config.task), None
        teacher = None
        if config.teacher.name != "none":
            plan = plan_teacher(config, task)
            teacher, entry = train_teacher(runtime, task, None, task_loss, plan)
            known, _ = compute_teacher_outputs(runtime, task, None, teacher, entry, plan)
        self.model, self.objective = student_and_objective(runtime, task, task_loss, known, config, teacher)
        encodings, _ = stored_inputs(runtime, task, config.encoding, patching_of(config.student, task.spec))
        requires = self.objective.requires
        if requires.distances:
            encodings = with_distances(runtime, task, encodings)
        self.teacher_rows = partial(known.rows, requires=requires) if requires.teacher else no_extra
        self.recipe = replace(student_recipe(config, task), max_epochs=1, patience=0)
        self.loader = TimedLoader(self.recipe.loader(task, encodings, runtime.fabric.device), options.clock)
        self.before = resident("VmRSS")

    @cached_property
    def at_hand(self) -> TimedLoader:
        """The batches of one epoch, made once."""
        return TimedLoader(self.loader.loader, self.clock, [batch for _, batch, _ in self.loader.loader.train(1)])

    def epoch(self) -> float:
        """Seconds per graph in an epoch, with loading."""
        return self._fit(self.loader)

    def step(self) -> float:
        """Seconds per graph in an epoch without loading."""
        return self._fit(self.at_hand)

    def load(self) -> float:
        """Seconds per graph to select and collate the batches of an epoch."""
        started = CLOCKS[self.clock]()
        for _ in self.loader.loader.train(1):
            pass
        return (CLOCKS[self.clock]() - started) / self.graphs()

    def graphs(self) -> int:
        """Number of training graphs per epoch."""
        return len(self.task.splits.train)

    def batches(self) -> int:
        """Number of steps per epoch."""
        return len(self.at_hand.kept)

    def parameters(self) -> int:
        """Number of learned scalars of the student."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def flops(self) -> float:
        """Operations of the student's matrix products per graph, without those on padding."""
        sizes = self.task.graphs.num_nodes[self.task.splits.train]
        return training_flops(self.config.student, sizes + (self.model.token is not None)) / len(sizes)

    def peak(self) -> dict[str, float]:
        """Peak bytes: of this process, of this since everything was loaded, and of tensors on a GPU."""
        peaks = {"process": resident("VmHWM"), "training": max(0, resident("VmHWM") - self.before)}
        if self.runtime.fabric.device.type == "cuda":
            peaks["GPU"] = torch.cuda.max_memory_allocated()
        return peaks

    def _fit(self, loader: TimedLoader) -> float:
        with products_by_onednn(self.recipe.repeats_shapes):
            fit(
                self.runtime.fabric,
                self.model,
                self.objective,
                loader,
                self.recipe,
                NoCheckpointer(),
                Recorder(),
                self.teacher_rows,
            )
        return loader.seconds / self.graphs()
