"""One run, from data to summary: pretrain the teacher, distil it into the student, evaluate both."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from torch import nn

from gnn_distill.config.capabilities import capabilities_of
from gnn_distill.config.naming import run_name
from gnn_distill.config.quoting import resume_command
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.data.assembly.seen import Seen
from gnn_distill.data.encodings.structural import StructuralEncodings
from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError
from gnn_distill.interruption import Interrupted, Interruption
from gnn_distill.losses.task import make_task_loss
from gnn_distill.models import count_parameters
from gnn_distill.pipeline.encodings import stored_encodings
from gnn_distill.pipeline.evaluate import constant_scores, evaluate_splits
from gnn_distill.pipeline.runtime import Runtime, make_fabric
from gnn_distill.pipeline.student import check_student, train_student
from gnn_distill.pipeline.teacher import train_teacher
from gnn_distill.pipeline.teacher_outputs import TeacherOutputs, compute_teacher_outputs, visibility
from gnn_distill.pipeline.teacher_plan import plan_teacher
from gnn_distill.predict import save_student
from gnn_distill.results.figures import learning_curves
from gnn_distill.storage import checkpoint
from gnn_distill.storage.provenance import config_hash, environment
from gnn_distill.storage.resume import Seconds, start_or_resume
from gnn_distill.storage.run_directory import RUN, SPLIT, RunDirectory, holding, write_failure
from gnn_distill.storage.settings import Settings
from gnn_distill.storage.store import Entry, Store
from gnn_distill.training.console import Console
from gnn_distill.training.tracking import start_tracker


def train_in(folder: Path, cfg: DictConfig, resume: bool = False) -> float:
    """Run all stages into `folder`; returns the student's (or lone teacher's) validation metric.

    With `resume` an unfinished run in that folder, of the same settings, continues after its last epoch.

    Raises:
        Interrupted: once a signal has come; what was finished is on disk.
    """
    console = Console()
    with Interruption() as interruption, holding(folder):
        interruption.stop_if_asked()
        try:
            return make_run(cfg, folder, resume, console, interruption)
        except Interrupted as signal:
            if (folder / RUN).exists():
                console.warn(f"Stopped by {signal}. Go on with: {resume_command(folder)}", lasting=False)
                signal.announced = True
            raise


def make_run(cfg: DictConfig, folder: Path, resume: bool, console: Console, interruption: Interruption) -> float:
    """Set up what all stages share, and run them."""
    config: TrainConfig = OmegaConf.to_object(cfg)
    directory = RunDirectory(folder, resume)
    fabric = make_fabric(config.trainer, threads=directory.facts.get("began_on", {}).get("threads", 0))
    start_or_resume(directory, config_hash(cfg), Settings.of_job(cfg), environment(fabric.device, config), console.warn)
    console.keep(directory)
    tracker = start_tracker(
        cfg, directory.path, run_name(config), config.experiment or config.dataset.name, warn=console.warn,
        run_id=directory.facts["id"], resumed=directory.facts["resumed"] > 0,
    )  # fmt: skip
    with keeping_failure(directory, console):
        try:
            store = Store(config.paths.store, console.notice, maker=directory.facts["id"])
            return run_stages(Runtime(fabric, store, console, directory, tracker, interruption), config)
        except Interrupted:
            tracker.finish(5.0)
            raise


def run_stages(runtime: Runtime, config: TrainConfig) -> float:
    """Data, teacher, signals, encodings, student, evaluation; then the summary, which makes a run a finished one."""
    console, directory, tracker = runtime.console, runtime.directory, runtime.tracker
    name, seconds = run_name(config), Seconds(directory)
    directory.facts["store"] = runtime.store.used  # goes to run.json with all that follows
    with seconds.of("data"):
        task = load_task(config.dataset, config.paths)
        if directory.facts.setdefault("data", task.fingerprint) != task.fingerprint:
            raise UserError(
                f"{directory.path}: the data have changed since this run began. Start it anew in another folder."
            )
        write_split(directory, task)
        task_loss = make_task_loss(task, config.task)
        # Before hours are spent on a teacher: the largest batch must fit, the student must be one that can be built.
        check_student(task, config)
        seen = visibility(task, config.signals.on)
    parts = {part: len(getattr(task.splits, part)) for part in ("train", "val", "test")}
    sizes = ", ".join(f"{size:,} {part}" for part, size in parts.items())
    console.stage(name, f"{sizes} {task.spec.level}s, on {runtime.fabric.device}")
    for notice in task.notices:
        console.notice(notice)

    models: dict[str, nn.Module] = {}
    views: dict[str, StructuralEncodings | None] = {}
    entries: dict[str, Entry] = {}
    teacher_signals = fitted = None
    if config.teacher.name != "none":
        with seconds.of("teacher"):
            wanted = plan_teacher(config).encoding
            views["teacher"] = stored_encodings(runtime, task, wanted)[0] if wanted != EncodingConfig() else None
            models["teacher"], entries["teacher"] = train_teacher(runtime, task, views["teacher"], task_loss, config)
    if {config.teacher.name, config.student.name}.isdisjoint({"none"}):
        with seconds.of("signals"):
            teacher_signals, entries["signals"] = compute_teacher_outputs(
                runtime, task, views["teacher"], models["teacher"], entries["teacher"], config
            )
    if config.student.name != "none":
        with seconds.of("encodings"):
            views["student"], entries["encodings"] = stored_encodings(runtime, task, config.encoding)
        print_reused(console, entries, config.paths.store)
        with seconds.of("student", earlier=lambda: fitted.earlier):
            models["student"], fitted = train_student(
                runtime, task, views["student"], task_loss, teacher_signals, config, models.get("teacher")
            )

    can = {"teacher": plan_teacher(config).can, "student": capabilities_of(config.student.name)}

    with seconds.of("evaluation"):
        results = {
            role: evaluate_splits(runtime, model, task, views[role], task_loss, config.trainer, can[role].mini_batches)
            for role, model in models.items()
        }
    if "student" in models:
        save_student(directory.path, models["student"], task.spec, config, task.pipeline, Seen.in_training(task))
    figures = learning_curves(directory.path, task.spec.metric)
    summary = {
        **results,
        "constant": constant_scores(task, config.trainer.test),
        "name": name,
        "dataset": task.spec.name,
        "classes": task.spec.classes,
        "level": task.spec.level,
        "metric": task.spec.metric,
        "higher_is_better": task.spec.higher_is_better,
        "note": task.spec.note,
        # As it began: files that the settings name may have been written anew since they were read.
        # Smaller batches than the settings say make another run.
        "config_hash": directory.facts["config_hash"] + (f"-{fitted.parts}" if fitted and fitted.parts > 1 else ""),
        "batch_parts": fitted.parts if fitted else None,
        "seed": config.seed,
        "split": {
            "kind": task.splits.kind if config.dataset.split == "auto" else config.dataset.split,
            "asked": config.dataset.split,
            "fold": config.dataset.fold,
            "split_seed": config.dataset.split_seed,
            "sizes": parts,
        },
        "visibility": {"setting": task.setting, "signals_on": seen if teacher_signals else None},
        "control": describe_control(config, teacher_signals),
        "data": task.fingerprint,
        "shared_molecules": task.shared,
        "shared_graphs": task.shared_graphs,
        "reused": {kind: entry.reused for kind, entry in entries.items()},
        "store": runtime.store.used,
        "best_epoch": fitted.best_epoch if fitted else None,
        "epochs": fitted.epochs if fitted else None,
        "skipped_steps": fitted.skipped if fitted else None,
        "resumed": directory.facts["resumed"],
        "notices": console.notices,
        "seconds": seconds.total,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": {role: count_parameters(model) for role, model in models.items()},
        "environment": environment(runtime.fabric.device, config),
    }
    told = list(console.notices)
    directory.write_summary(summary)
    tracker.summary(summary)
    for path in figures:
        tracker.image(path.stem, path)
    console.result_table(task.spec, results, directory.path)
    if hint := tracker.finish():
        console.say(f"Weights & Biases: {hint}")
    if console.notices != told:  # the tracker's last words
        directory.write_summary(summary | {"notices": console.notices})
    return list(results.values())[-1]["val"][task.spec.metric]


@contextmanager
def keeping_failure(directory: RunDirectory, console: Console) -> Iterator[None]:
    """Within it an error is kept in the run's failed.json and console.log, and goes on its way."""
    try:
        yield
    except (Exception, SystemExit) as error:
        console.log(f"Failed: {error}")
        with suppress(UserError):  # the disk may be what has failed
            write_failure(directory.path, error)
        raise


def write_split(directory: RunDirectory, task: GraphTask) -> None:
    """Write which graphs, or at node level which nodes of the data, are in which part."""
    parts = {part: getattr(task.splits, part) for part in ("train", "val", "test")}
    if task.nodes is not None:
        parts = {part: task.nodes[rows] for part, rows in parts.items()}
    checkpoint.save_tensors(directory.path / SPLIT, parts)


def describe_control(config: TrainConfig, signals: TeacherOutputs | None) -> dict[str, str | int] | None:
    """What the summary says of teacher.control: nothing without a teacher; of shuffled also how it went."""
    if config.teacher.name == "none":
        return None
    foreign = signals.foreign if signals else None
    counts = {"classes": foreign.classes, "alone": foreign.alone} if foreign else {}
    return {"name": config.teacher.control, **counts}


def print_reused(console: Console, entries: dict[str, Entry], store: str) -> None:
    """Which teacher, signals and encodings were reused, and how much the signals take on disk."""
    found = [kind for kind, entry in entries.items() if entry.reused]
    if found:
        console.say(f"Found in {store}: {', '.join(found)}")
    if "signals" in entries:
        console.say(f"Teacher signals: {megabytes(entries['signals'].path):.1f} MB in {entries['signals'].path}")


def megabytes(folder: Path) -> float:
    """Size of a folder's files."""
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6
