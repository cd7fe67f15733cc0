"""`gnn-distill train`: pretrain the teacher, distil it into the student, evaluate both."""

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gnn_distill.schema.run import TrainConfig


def main(cfg: DictConfig) -> float:
    """Run all stages into Hydra's output folder; returns the student's best validation metric."""
    from hydra.core.hydra_config import HydraConfig

    from gnn_distill.console import Console
    from gnn_distill.data.feed import Feed
    from gnn_distill.data.loading import load_task
    from gnn_distill.environment import config_hash, environment
    from gnn_distill.losses.labels import make_labels
    from gnn_distill.models import count_parameters
    from gnn_distill.prediction import save_student
    from gnn_distill.results.figures import learning_curves
    from gnn_distill.run_directory import RunDirectory
    from gnn_distill.stages.distill import distill
    from gnn_distill.stages.encode import encode
    from gnn_distill.stages.evaluate import evaluate_splits
    from gnn_distill.stages.pretrain import pretrain
    from gnn_distill.stages.runtime import Runtime, make_fabric
    from gnn_distill.stages.signals import signals
    from gnn_distill.store import Store
    from gnn_distill.tracking import start_tracker

    config: TrainConfig = OmegaConf.to_object(cfg)
    console = Console()
    directory = RunDirectory(HydraConfig.get().runtime.output_dir)
    fabric = make_fabric(config.trainer)
    name = run_name(config)
    tracker = start_tracker(cfg, directory.path, name, config.experiment or config.dataset.name, warn=console.warn)
    runtime = Runtime(fabric, Store(config.paths.store), console, directory, tracker)
    seconds: dict[str, float] = {}

    with timed(seconds, "data"):
        task = load_task(config.dataset, config.paths)
        labels = make_labels(task, config.task)
        feed = Feed(task, None, config.trainer.batch_size, config.trainer.max_pairs, config.seed)
    parts = " / ".join(f"{len(getattr(task.splits, part)):,}" for part in ("train", "val", "test"))
    console.stage(name, f"{parts} graphs to train, validate, test on {fabric.device}")
    for notice in task.notices:
        console.notice(notice)

    models = {}
    reused = {}
    teacher_signals = None
    if config.teacher.name != "none":
        with timed(seconds, "teacher"):
            models["teacher"], trained = pretrain(runtime, task, labels, config)
        with timed(seconds, "signals"):
            teacher_signals, kept = signals(runtime, task, models["teacher"], trained, config)
        reused |= {"teacher": trained.found, "signals": kept.found}
    with timed(seconds, "encodings"):
        encodings, encoded = encode(runtime, task, config.encoding)
    reused["encodings"] = encoded.found
    if any(reused.values()):
        console.say(f"Found in {config.paths.store}: {', '.join(kind for kind, found in reused.items() if found)}")
    with timed(seconds, "student"):
        models["student"], fitted = distill(runtime, task, encodings, labels, teacher_signals, config)

    feed.encodings = encodings
    with timed(seconds, "evaluation"):
        results = {
            role: evaluate_splits(runtime, model, feed, labels, config.trainer.test) for role, model in models.items()
        }
    save_student(directory.path, models["student"], task.spec, config)
    figures = learning_curves(directory.path)
    summary = {
        **results,
        "name": name,
        "metric": task.spec.metric,
        "note": task.spec.note,
        "config_hash": config_hash(cfg),
        "seed": config.seed,
        "split": {
            "kind": config.dataset.split,
            "fold": config.dataset.fold,
            "split_seed": config.dataset.split_seed,
            "sizes": {part: len(getattr(task.splits, part)) for part in ("train", "val", "test")},
        },
        "data": task.fingerprint,
        "reused": reused,
        "best_epoch": fitted.best_epoch,
        "epochs": fitted.epochs,
        "seconds": seconds,
        "parameters": {role: count_parameters(model) for role, model in models.items()},
        "environment": environment(fabric.device),
    }
    directory.write_summary(summary)
    tracker.summary(summary)
    for path in figures:
        tracker.image(path.stem, path)
    console.result_table(task.spec, results, directory.path)
    if hint := tracker.finish():
        console.say(hint)
    return fitted.best[task.spec.metric]


def run_name(config: "TrainConfig") -> str:
    """`graphormer<-gin nci1 s0`."""
    teacher = "" if config.teacher.name == "none" else f"<-{config.teacher.name}"
    return f"{config.student.name}{teacher} {config.dataset.name} s{config.seed}"


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> "Iterator[None]":
    """Write down how long a stage took."""
    started = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - started, 3)
