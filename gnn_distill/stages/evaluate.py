"""Stage 4: metrics of the selected models; the only place that reads the test split."""

from torch import nn

from gnn_distill.data.feed import Feed
from gnn_distill.losses.labels import Labels
from gnn_distill.stages.runtime import Runtime
from gnn_distill.training import evaluate


def evaluate_splits(
    runtime: Runtime, model: nn.Module, feed: Feed, labels: Labels, test: bool
) -> dict[str, dict[str, float]]:
    """Metrics by split: train, val and, once and last, test."""
    splits = ["train", "val", *(["test"] if test else [])]
    labels = labels.to(runtime.fabric.device)
    scores = {}
    for split in splits:
        batches = (batch.to(runtime.fabric.device) for batch in feed.fixed(split))
        scores[split] = evaluate(model, batches, feed.task.spec, labels)
        del scores[split]["loss"]
    return scores
