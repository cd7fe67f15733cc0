"""What a run says of its data, of what it found in the store, and of each of several teachers."""

from pathlib import Path

from gnn_distill.config.capabilities import capabilities_of
from gnn_distill.config.naming import run_name
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.data.task import GraphTask, TaskSpec
from gnn_distill.formatting import METRIC_LABELS, part_sizes, role_label, spoken
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.pipeline.summary import split_sizes
from gnn_distill.storage.store import Entry
from gnn_distill.training.console import Console
from gnn_distill.training.loop import FitResult

NEARLY_CONSTANT = 0.1
"""A regression's predictions that vary by less than this share of what the training labels do are called constant."""
MANY_NODES = 50_000
"""Of one graph: so many are better learned in parts."""
TRANSDUCTIVE = (
    "signals.on=all: the student hears its teacher on graphs of validation and test, too (their inputs, not their "
    "labels), so the scores are transductive: not those of unseen graphs."
)


def print_data(runtime: Runtime, task: GraphTask, config: TrainConfig) -> None:
    """The size of each part, the device, and what the user should know of the data."""
    sizes = part_sizes(split_sizes(task))
    runtime.console.stage(run_name(config), f"{sizes} {task.spec.level}s, on {runtime.fabric.device}")
    for notice in [*task.notices, *advise_parts(task, config)]:
        runtime.console.notice(notice)


def advise_parts(task: GraphTask, config: TrainConfig) -> list[str]:
    """A notice where all nodes of a large graph are one batch of a student that could take them in parts."""
    trainer, nodes = config.trainer, int(task.graphs.num_nodes.max())
    whole = not task.split_by_graph and trainer.sampler == "full" and not trainer.batch_nodes
    if not whole or nodes < MANY_NODES or not capabilities_of(config.student.name).mini_batches:
        return []
    own = " pretrain.sampler=full" if config.teacher.name == "custom" else ""  # it need not be built for parts
    return [
        f"All {nodes:,} nodes are one batch, whose memory grows with nodes x hops: gigabytes, for one step per epoch. "
        f"trainer=sampled{own} trains {config.student.name} on 1,024 nodes at a time."
    ]


def print_reused(console: Console, entries: dict[str, Entry], store: str) -> None:
    """Which teacher, signals and encodings were found in the store, and how much the signals take on disk."""
    found = [kind for kind, entry in entries.items() if entry.reused]
    if found:
        console.say(f"Found in {store}: {', '.join(found)}")
    for kind, entry in entries.items():
        if kind.startswith("signals"):
            console.say(f"Teacher {role_label(kind)}: {megabytes(entry.path):.1f} MB in {entry.path}")


def print_each_teacher(console: Console, metric: str, each: list[dict]) -> None:
    """Of several teachers, whose mean is the teacher of the table below: each one's own score on validation."""
    if each:
        scores = (f"{one['name']} {spoken(one['val'][metric], metric)}" for one in each)
        console.say(f"Each teacher alone, validation {METRIC_LABELS.get(metric, metric)}: {', '.join(scores)}")


def describe_spread(console: Console, spec: TaskSpec, role: str, spread: float, fitted: FitResult | None) -> None:
    """Say so if a model's predictions hardly vary (`KeptPredictions.spread`), as RMSE and MAE need not show.

    fitted: the training that chose its weights, where it is of this run.
    """
    if spec.kind != "regression" or not spread < NEARLY_CONSTANT:
        return
    text = (
        f"The {role_label(role)} says nearly the same of all validation {spec.level}s: its predictions vary by "
        f"{spread:.1%} of what the training labels do (standard deviations)."
    )
    if fitted is not None:
        text += (
            f" Its best epoch on validation was {fitted.best_epoch} of {fitted.epochs}; where that part is unlike the "
            "others, an epoch can be best by chance. dataset.split chooses other parts."
        )
    console.notice(text)


def megabytes(folder: Path) -> float:
    """Size of a folder's files."""
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6
