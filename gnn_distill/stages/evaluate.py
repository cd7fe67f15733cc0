"""Stage 4: metrics of the selected models; the only place that reads the test split."""

from typing import TYPE_CHECKING

from torch import nn

from gnn_distill.data.feed import make_feed
from gnn_distill.data.task import GraphTask
from gnn_distill.losses.labels import Labels
from gnn_distill.schema.run import TrainerConfig
from gnn_distill.stages.runtime import Runtime
from gnn_distill.training import evaluate

if TYPE_CHECKING:
    from gnn_distill.data.structure import StructuralEncodings


def evaluate_splits(
    runtime: Runtime,
    model: nn.Module,
    task: GraphTask,
    encodings: "StructuralEncodings | None",
    labels: Labels,
    trainer: TrainerConfig,
) -> dict[str, dict[str, float]]:
    """Metrics by split: train, val and, once and last, test (unless trainer.test is false)."""
    feed = make_feed(
        task,
        encodings,
        batch_size=trainer.batch_size,
        max_pairs=trainer.max_pairs,
        seed=0,
        batch_nodes=trainer.batch_nodes if getattr(model, "mini_batches", False) else 0,
        device=runtime.fabric.device,
    )
    labels = labels.to(runtime.fabric.device)
    scores = {}
    for split in ["train", "val", *(["test"] if trainer.test else [])]:
        scores[split] = evaluate(model, feed.fixed(split), task.spec, labels)
        del scores[split]["loss"]
    return scores
