"""What a run leaves in summary.json."""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from torch import nn

from gnn_distill.config.naming import run_name
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.encodings.structural import StructuralEncodings
from gnn_distill.data.task import GraphTask, TaskSpec
from gnn_distill.models import count_parameters
from gnn_distill.pipeline.evaluate import constant_scores
from gnn_distill.pipeline.floors import Floor, best_floor, by_floor
from gnn_distill.pipeline.kept_outputs import TeacherOutputs
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.storage import checkpoint
from gnn_distill.storage.provenance import environment, file_hash
from gnn_distill.storage.store import Entry
from gnn_distill.training.console import Results
from gnn_distill.training.loop import FitResult
from gnn_distill.training.uncertainty import Uncertainty


@dataclass
class Made:
    """What the stages of a run have made so far, by role (as in ROLES) or kind of the store's entries."""

    models: dict[str, nn.Module] = field(default_factory=dict)
    """The teacher is several teachers together, if there are several."""
    teachers: dict[str, nn.Module] = field(default_factory=dict)
    """Each teacher, by teacher, teacher_2, …"""
    encodings: dict[str, StructuralEncodings | None] = field(default_factory=lambda: {"teacher": None})
    entries: dict[str, Entry] = field(default_factory=dict)
    outputs: TeacherOutputs | None = None
    """The teacher's; None: there is nobody to teach, or to be taught."""
    fitted: FitResult | None = None
    """The student's training; None: there is no student."""
    alone: FitResult | None = None
    """That of the same student from labels alone; None: it is not asked for."""
    floors: list[Floor] = field(default_factory=list)
    """What costs nothing; the constant comes first."""
    uncertainty: Uncertainty | None = None
    """Intervals and tests of the part whose metrics are the result."""
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By role and part what its predictions score: overall, by target and by class."""
    each: list[dict[str, Any]] = field(default_factory=list)
    """Of several teachers, what each is and its own metrics by split."""


def summarise(
    runtime: Runtime, config: TrainConfig, task: GraphTask, made: Made, results: Results, seconds: dict[str, float]
) -> dict[str, Any]:
    """The values of summary.json: metrics by role and split, what was run on what, and how long stages took."""
    directory, fitted, spec, splits = runtime.directory, made.fitted, task.spec, task.splits
    return {
        **results,
        **({"teachers": made.each} if made.each else {}),
        "constant": constant_scores(task, config.trainer.test),
        **describe_floors(made.floors, config, spec),
        "uncertainty": made.uncertainty.as_json(),
        "scores": made.scores,
        "name": run_name(config),
        "dataset": spec.name,
        "kind": spec.kind,
        "targets": spec.target_names,
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
        "objective": directory.facts.get("objective"),
        "control": describe_control(config.teacher, made.outputs),
        "data": task.fingerprint,
        **describe_table(task, config),
        "shared_molecules": task.shared,
        "shared_graphs": task.shared_graphs,
        "reused": {kind: entry.reused for kind, entry in made.entries.items()},
        "store": runtime.store.used,
        "best_epoch": fitted.best_epoch if fitted else None,
        "epochs": fitted.epochs if fitted else None,
        **({"selected": selected} if (selected := selected_epochs(runtime, config, made)) else {}),
        **({"best_epoch_alone": made.alone.best_epoch, "epochs_alone": made.alone.epochs} if made.alone else {}),
        "skipped_steps": fitted.skipped if fitted else None,
        "throughput": fitted.throughput if fitted else None,
        "resumed": directory.facts["resumed"],
        "notices": runtime.console.notices,
        "seconds": seconds,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": {role: count_parameters(model) for role, model in made.models.items()},
        "environment": environment(runtime.fabric.device, config),
    }


def describe_table(task: GraphTask, config: TrainConfig) -> dict[str, Any]:
    """Of the user's table the columns that were read, and the hash of its content."""
    if task.columns is None:
        return {}
    return {"table": {**asdict(task.columns), "sha256": file_hash(config.dataset.path)}}


def describe_floors(floors: list[Floor], config: TrainConfig, spec: TaskSpec) -> dict[str, Any]:
    """Metrics of all floors, and of the one that is best on validation."""
    if config.floors == "none":
        return {}
    best = best_floor(floors, spec)
    return {"floor": {"name": best.name, **best.scores}, "floors": by_floor(floors, config)}


def split_sizes(task: GraphTask) -> dict[str, int]:
    """Number of graphs, or at node level of nodes, in each part; `train` are those with a label."""
    splits = task.splits
    unlabelled = {} if splits.unlabelled is None else {"unlabelled": len(splits.unlabelled)}
    return {"train": len(splits.train), **unlabelled, "val": len(splits.val), "test": len(splits.test)}


def selected_epochs(runtime: Runtime, config: TrainConfig, made: Made) -> dict[str, dict[str, Any]]:
    """How the weights of the student and the first teacher were selected, unless as the best epoch's, and of which."""
    selected = {}
    if made.teachers and {config.trainer.select, config.pretrain.select} != {"best"}:
        file = runtime.directory.checkpoints / "teacher.safetensors"
        selected["teacher"] = checkpoint.load(file, verify=False)["selected"]
    if made.fitted:
        selected["student"] = {"select": config.trainer.select, "epochs": list(made.fitted.selected)}
    return {role: how for role, how in selected.items() if how["select"] != "best" and how["epochs"]}


def describe_control(teacher: TeacherConfig, outputs: TeacherOutputs | None) -> dict[str, Any] | None:
    """teacher.control, of shuffled also between how many classes, and how many units stayed; None without a teacher.

    Of several teachers these counts are lists.
    """
    if teacher.name == "none":
        return None
    foreign = [one.foreign for one in (outputs, *outputs.further) if one.foreign] if outputs else []
    counts = {key: [getattr(one, key) for one in foreign] for key in ("classes", "alone") if foreign}
    return {"name": teacher.control, **{key: each if len(each) > 1 else each[0] for key, each in counts.items()}}
