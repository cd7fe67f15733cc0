"""What a run leaves in summary.json."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from torch import nn

from gnn_distill.config.naming import run_name
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.encodings.structural import StructuralEncodings
from gnn_distill.data.task import GraphTask
from gnn_distill.models import count_parameters
from gnn_distill.pipeline.evaluate import constant_scores
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.pipeline.teacher_outputs import TeacherOutputs
from gnn_distill.storage.provenance import environment
from gnn_distill.storage.store import Entry
from gnn_distill.training.console import Results
from gnn_distill.training.loop import FitResult


@dataclass
class Made:
    """What the stages of a run have made so far, by role (as in ROLES) or kind of the store's entries."""

    models: dict[str, nn.Module] = field(default_factory=dict)
    encodings: dict[str, StructuralEncodings | None] = field(default_factory=lambda: {"teacher": None})
    entries: dict[str, Entry] = field(default_factory=dict)
    outputs: TeacherOutputs | None = None
    """The teacher's; None: there is nobody to teach, or to be taught."""
    fitted: FitResult | None = None
    """The student's training; None: there is no student."""
    alone: FitResult | None = None
    """That of the same student from labels alone; None: it is not asked for."""


def summarise(
    runtime: Runtime, config: TrainConfig, task: GraphTask, made: Made, results: Results, seconds: dict[str, float]
) -> dict[str, Any]:
    """The values of summary.json: metrics by role and split, what was run on what, and how long stages took."""
    directory, fitted, spec, splits = runtime.directory, made.fitted, task.spec, task.splits
    return {
        **results,
        "constant": constant_scores(task, config.trainer.test),
        "name": run_name(config),
        "dataset": spec.name,
        "classes": spec.classes,
        "level": spec.level,
        "metric": spec.metric,
        "higher_is_better": spec.higher_is_better,
        "note": spec.note,
        # As it started: files that the settings name may have been written again since they were read.
        # Smaller batches than the settings say make another run.
        "config_hash": directory.facts["config_hash"] + (f"-{fitted.parts}" if fitted and fitted.parts > 1 else ""),
        "batch_parts": fitted.parts if fitted else None,
        "seed": config.seed,
        "split": {
            "kind": splits.kind if config.dataset.split == "auto" else config.dataset.split,
            "asked": config.dataset.split,
            "fold": config.dataset.fold,
            "split_seed": config.dataset.split_seed,
            "sizes": split_sizes(task),
        },
        "visibility": {"setting": task.setting, "signals_on": made.outputs.visible if made.outputs else None},
        "control": describe_control(config.teacher, made.outputs),
        "data": task.fingerprint,
        "shared_molecules": task.shared,
        "shared_graphs": task.shared_graphs,
        "reused": {kind: entry.reused for kind, entry in made.entries.items()},
        "store": runtime.store.used,
        "best_epoch": fitted.best_epoch if fitted else None,
        "epochs": fitted.epochs if fitted else None,
        **({"best_epoch_alone": made.alone.best_epoch, "epochs_alone": made.alone.epochs} if made.alone else {}),
        "skipped_steps": fitted.skipped if fitted else None,
        "resumed": directory.facts["resumed"],
        "notices": runtime.console.notices,
        "seconds": seconds,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": {role: count_parameters(model) for role, model in made.models.items()},
        "environment": environment(runtime.fabric.device, config),
    }


def split_sizes(task: GraphTask) -> dict[str, int]:
    """Number of graphs, or at node level of nodes, in each part; `train` are those with a label."""
    splits = task.splits
    unlabelled = {} if splits.unlabelled is None else {"unlabelled": len(splits.unlabelled)}
    return {"train": len(splits.train), **unlabelled, "val": len(splits.val), "test": len(splits.test)}


def describe_control(teacher: TeacherConfig, outputs: TeacherOutputs | None) -> dict[str, str | int] | None:
    """teacher.control, of shuffled also between how many classes, and how many units stayed; None without a teacher."""
    if teacher.name == "none":
        return None
    foreign = outputs.foreign if outputs else None
    counts = {"classes": foreign.classes, "alone": foreign.alone} if foreign else {}
    return {"name": teacher.control, **counts}
