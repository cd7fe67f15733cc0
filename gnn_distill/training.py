"""The training loop, for teachers and students alike."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from gnn_distill import checkpoint
from gnn_distill.data.batching import StructureBatch
from gnn_distill.data.feed import Feed
from gnn_distill.data.task import TaskSpec
from gnn_distill.errors import UserError
from gnn_distill.losses.bridge import TeacherRows
from gnn_distill.losses.gradients import compare_gradients
from gnn_distill.losses.labels import Labels
from gnn_distill.losses.objective import Objective
from gnn_distill.metrics import Metrics, is_better
from gnn_distill.schema.run import OptimConfig

SAVE_EVERY_SECONDS = 20.0


@dataclass
class Fitted:
    """What training left: the model holds the weights of the best epoch."""

    best_epoch: int
    best: dict[str, float]
    """Validation metrics and loss of the best epoch."""
    epochs: int


def fit(
    fabric: Fabric,
    model: nn.Module,
    objective: Objective,
    feed: Feed,
    optim: OptimConfig,
    max_epochs: int,
    patience: int,
    teacher_rows: Callable[[StructureBatch], TeacherRows] | None = None,
    on_epoch: Callable[[dict[str, float]], None] = lambda row: None,
    checkpoints: Path | None = None,
    log_gradients: bool = False,
) -> Fitted:
    """Minimise the objective on the training split and keep the weights that are best on validation.

    An epoch is better if its primary metric is, or if it ties with a lower validation loss. `on_epoch` receives
    one flat row of numbers an epoch, with the gradients of all terms in its first step where `log_gradients` asks
    for them. `checkpoints` gets `best` and `last`. Ends early after `patience` epochs without a better one (0: never),
    counted from where the weights of all terms have settled. The test split is not read.
    """
    spec, plain = feed.task.spec, model
    objective.to(fabric.device)
    optimizer = make_optimizer([model, objective], optim, fabric)
    model, optimizer = fabric.setup(model, optimizer)
    parameters = [parameter for parameter in plain.parameters() if parameter.requires_grad]
    attention_layers = frozenset(objective.reads.attention_layers)
    validation = list(feed.fixed("val"))
    state: dict[str, Any] = {"epoch": 0, "best": {}, "best_epoch": 0, "weights": snapshot(plain)}
    saved = time.perf_counter()

    for epoch in range(1, max_epochs + 1):
        model.train()
        epoch_started = time.perf_counter()
        totals: dict[str, Tensor] = {}
        counts: Counter[str] = Counter()
        gradients: dict[str, float] = {}
        for share, batch in feed.train(epoch):
            progress = (epoch - 1 + share) / max_epochs
            rate = optim.lr * rate_factor(optim, progress, max_epochs)
            for group in optimizer.param_groups:
                group["lr"] = rate
            teacher = teacher_rows(batch).to(fabric.device) if teacher_rows else None
            out = model(batch, attention_layers) if attention_layers else model(batch)
            if log_gradients and not gradients:
                gradients = compare_gradients(objective.terms, out, batch, teacher, parameters)
            total, terms, weights = objective(out, batch, teacher, progress, parameters)
            fabric.backward(total)
            if optim.clip:
                fabric.clip_gradients(model, optimizer, max_norm=optim.clip, error_if_nonfinite=False)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            counts.update(["loss", *terms])
            for name, value in {"loss": total.detach(), **terms}.items():
                totals[name] = totals.get(name, 0.0) + value
                if name in weights:
                    weighted = f"{name}.weighted"
                    totals[weighted] = totals.get(weighted, 0.0) + weights[name] * value
        # A raw term is a mean over the steps in which it counted, the weighted ones add up to the loss.
        means = {f"train/{name}": float(value) / (counts[name] or counts["loss"]) for name, value in totals.items()}
        if not math.isfinite(means["train/loss"]):
            raise UserError(
                f"The training loss is {means['train/loss']} in epoch {epoch}. "
                f"Lower the learning rate (optim.lr, for the teacher pretrain.optim.lr; now {optim.lr}), "
                "or clip gradients (optim.clip=1)."
            )

        scores = evaluate(model, validation, spec, objective.labels)
        seconds = time.perf_counter() - epoch_started
        told = {**means, **prefixed("train", gradients), **prefixed("val", scores)}
        on_epoch({"epoch": epoch, "lr": rate, "seconds": seconds, **told})
        state["epoch"] = epoch
        if improves(spec, scores, state["best"]):
            state |= {"best": scores, "best_epoch": epoch, "weights": snapshot(plain)}
        stop = bool(patience) and epoch - max(state["best_epoch"], objective.settled * max_epochs) >= patience
        last = stop or epoch == max_epochs
        if checkpoints and (last or time.perf_counter() - saved > SAVE_EVERY_SECONDS):
            saved = time.perf_counter()
            running = {"model": plain.state_dict(), "objective": objective.state_dict()}
            checkpoint.save(checkpoints / "last.safetensors", state | running | {"optimizer": optimizer.state_dict()})
        if last:
            break

    plain.load_state_dict(state["weights"])
    if checkpoints:
        checkpoint.save(checkpoints / "best.safetensors", state)
    return Fitted(state["best_epoch"], state["best"], state["epoch"])


@torch.inference_mode()
def evaluate(model: nn.Module, batches: Iterable[StructureBatch], spec: TaskSpec, labels: Labels) -> dict[str, float]:
    """Metrics of a split, primary first, in original units, and its task loss."""
    model.eval()
    metrics = Metrics(spec)
    loss, examples = 0.0, 0
    for batch in batches:
        out = model(batch)
        metrics.update(batch.examples(out.logits), batch.examples(batch.y))
        loss = loss + labels(out, batch) * batch.num_examples
        examples += batch.num_examples
    return {**metrics.compute(), "loss": float(loss) / examples}


def improves(spec: TaskSpec, scores: dict[str, float], best: dict[str, float]) -> bool:
    """Whether validation scores beat the best so far: by primary metric, ties by loss; a NaN beats nothing."""
    if not best:
        return True
    new, old = scores[spec.metric], best[spec.metric]
    if new == old or (math.isnan(new) and math.isnan(old)):
        return scores["loss"] < best["loss"]
    return is_better(spec, new, old)


def make_optimizer(modules: list[nn.Module], optim: OptimConfig, fabric: Fabric) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019); matrices decay, vectors (norms, biases) do not."""
    parameters = [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in parameters if parameter.dim() >= 2]
    vectors = [parameter for parameter in parameters if parameter.dim() < 2]
    groups = [{"params": matrices, "weight_decay": optim.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    # Fabric cannot clip what a fused step unscales itself, which only float16 needs.
    fused = not fabric._precision.precision.startswith("16")
    return torch.optim.AdamW(groups, lr=optim.lr, fused=fused)


def rate_factor(optim: OptimConfig, progress: float, max_epochs: int) -> float:
    """Share of the peak learning rate at `progress` in [0, 1): a linear rise, then a fall to zero or none."""
    if progress < optim.warmup:
        return min(1.0, max(progress, 0.1 / max_epochs) / optim.warmup)
    share = (progress - optim.warmup) / max(1.0 - optim.warmup, 1e-8)
    return {"cosine": (1 + math.cos(math.pi * share)) / 2, "linear": 1 - share, "constant": 1.0}[optim.schedule]


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def prefixed(prefix: str, values: dict[str, float]) -> dict[str, float]:
    """The same numbers under `prefix/`."""
    return {f"{prefix}/{name}": value for name, value in values.items()}
