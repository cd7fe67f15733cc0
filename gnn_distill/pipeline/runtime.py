"""What all stages of a run share: device and precision, seed, store, console, run directory."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric, seed_everything
from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning_fabric.strategies import DDPStrategy
from torch import nn

from gnn_distill import ranks
from gnn_distill.config.schema.run import TrainerConfig
from gnn_distill.cpu import default_threads, keep_freed_memory, onednn_is_faster, usable_cpus
from gnn_distill.data.task import TaskSpec
from gnn_distill.errors import UserError
from gnn_distill.formatting import role_label
from gnn_distill.interruption import Interruption
from gnn_distill.models import count_parameters
from gnn_distill.storage.run_directory import RunDirectory
from gnn_distill.storage.store import Entry, Store, content_key, entry_key
from gnn_distill.training.console import Console
from gnn_distill.training.tracker import Tracker


@dataclass
class Runtime:
    """Passed to every stage."""

    fabric: Fabric
    store: Store
    console: Console
    directory: RunDirectory
    tracker: Tracker
    interruption: Interruption

    @property
    def numerics(self) -> dict[str, Any]:
        """What may change the last digits of a result: part of every key of the store."""
        return {
            "device": self.fabric.device.type,
            "precision": self.fabric._precision.precision,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            **({"products": "oneDNN"} if onednn_is_faster() else {}),
            **({"ranks": ranks.size()} if ranks.size() > 1 else {}),
        }

    def entry(
        self,
        kind: str,
        parts: dict[str, Any],
        made_with: dict[str, Any],
        make: Callable[[Path], None],
        what: str,
        together: bool = False,
    ) -> Entry:
        """The store's entry for `parts`, `made_with` code, packages and numerics that are part of its key.

        A resumed run keeps the entry that it started with, though another would be made now: its teacher does not
        change while its student learns. Of several processes the first alone asks the store, and makes what is missing;
        `together`: all of them call `make` then, and the first one writes.
        """
        told = False

        def made_by_all(folder: Path) -> None:
            nonlocal told
            told = True
            make(ranks.from_first(lambda: folder))

        entry = None
        if ranks.is_first():
            entry = self._entry_of_first(kind, parts, made_with, made_by_all if together else make, what)
        # The others are told of a folder or, where the entry was found, of none.
        if together and not told and (folder := ranks.from_first(lambda: None)) is not None:
            make(folder)
        return ranks.from_first(lambda: entry)

    def _entry_of_first(
        self, kind: str, parts: dict[str, Any], made_with: dict[str, Any], make: Callable[[Path], None], what: str
    ) -> Entry:
        started_with = self.directory.facts.setdefault("entries", {})
        same, now = content_key({"kind": kind, **parts}), entry_key(kind, parts | {"made_with": made_with})
        before = started_with.get(same, "")
        entry = self.store.get(kind, parts | {"made_with": made_with}, make, what, preferred=before)
        if before and before != entry.path.name:
            self.console.warn(f"The {what} that this run started with is gone from the store: another one is used.")
        elif entry.path.name != now:
            self.console.notice(f"This run keeps the {what} that it started with; now another would be made.")
        if before != entry.path.name:
            started_with[same] = entry.path.name
            self.directory.remember()
        return entry

    def announce(self, role: str, name: str, model: nn.Module, spec: TaskSpec) -> None:
        """Print a model's size, and a notice if the data have edge features that it does not read."""
        self.console.say(f"{role_label(role)}: {name}, {count_parameters(model):,} parameters")
        for notice in getattr(model, "notices", ()):
            self.console.notice(notice)
        if spec.edge_features is not None and not model.reads_edges:
            self.console.notice(f"{spec.name} has edge features; this {role} does not read them.")

    def record(self, stage: str, *rows: dict[str, float]) -> None:
        """Write epochs to metrics.csv and to the tracker, which is told what an earlier process has logged."""
        recorded = self.directory.recorded
        if known := [row for row in rows if (stage, row["epoch"]) in recorded]:
            self.tracker.restore(stage, known)
        for row in rows:
            self.directory.append_metrics({"stage": stage, **row})
            if (stage, row["epoch"]) not in recorded:
                self.tracker.log(stage, row)


def make_fabric(trainer: TrainerConfig, threads: int = 0) -> Fabric:
    """This process's device in the chosen precision, with the chosen number of CPU threads.

    Where no number is chosen, it is `threads`, with which the run started, if this process may use as many. On a GPU
    products of 32-true take TF32, whose 10 bits of mantissa are more than bfloat16's 7: the tensor cores know no
    other form of single precision. NVIDIA_TF32_OVERRIDE=0 in the environment forbids it.
    """
    fallback = threads if 0 < threads <= usable_cpus() else default_threads()
    torch.set_num_threads(trainer.threads or fallback)
    # A sum whose order is left to chance would make two equal runs differ.
    torch.use_deterministic_algorithms(trainer.deterministic, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if trainer.precision == "16-mixed" and not torch.cuda.is_available():
        raise UserError("trainer.precision=16-mixed: needs a CUDA device. Choose 32-true or bf16-mixed.")
    keep_freed_memory()
    chosen = {"accelerator": trainer.accelerator, "precision": trainer.precision}
    if ranks.size() > 1:
        # A term whose weight is 0 leaves its projection without a gradient, in all processes alike.
        together = DDPStrategy(find_unused_parameters=True, broadcast_buffers=False)
        each = {"devices": ranks.size() // trainer.num_nodes, "num_nodes": trainer.num_nodes}
        fabric = Fabric(**chosen, **each, strategy=together, plugins=TorchElasticEnvironment())
    else:
        # Fabric would look for SLURM, and refuse what a job may start, although this is one process.
        fabric = Fabric(**chosen, devices=1, plugins=LightningEnvironment())
    fabric.launch()
    if fabric.device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = True
    return fabric


def seed_stage(seed: int) -> None:
    """Start a stage from the seed alone, whatever ran before it (a stored teacher or a fresh one)."""
    seed_everything(seed, verbose=False)
