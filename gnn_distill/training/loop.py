"""The training loop, for teachers and students alike."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from gnn_distill import ranks
from gnn_distill.config.schema.run import OptimConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.loaders import Loader, no_extra
from gnn_distill.data.task import TaskSpec
from gnn_distill.errors import UserError
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.task import TaskLoss
from gnn_distill.losses.term import TeacherRows
from gnn_distill.models import find_derived
from gnn_distill.training.checkpointer import Checkpointer
from gnn_distill.training.epoch_log import EpochLog
from gnn_distill.training.metrics import Metrics, is_better
from gnn_distill.training.optimizer import make_optimizer, rate_factor
from gnn_distill.training.randomness import random_states, restore_random_states
from gnn_distill.training.recipe import Recipe
from gnn_distill.training.selection import Selection
from gnn_distill.training.step import OwnDraws, Step, set_up


@dataclass
class FitResult:
    """What training returns; the model holds the weights of the `selected` epochs."""

    best_epoch: int
    """The best on validation, whichever was selected."""
    best: dict[str, float]
    """Validation metrics and loss of the best epoch."""
    history: list[dict[str, float]]
    """One row per epoch."""
    selected: tuple[int, ...]
    """The epochs whose mean weights the model holds; mostly one."""
    resumed: int = 0
    """The epoch after which an earlier process stopped; 0: none did."""
    steps_per_second: float | None = None
    """Median over the epochs that this process trained, with loading and without validation; None: it had none."""
    throughput: dict[str, float] | None = None
    """What `throughput` found of the student."""
    parts: int = 1
    """Number of parts into which batches were split for want of memory."""

    @property
    def epochs(self) -> int:
        """Number of epochs trained."""
        return len(self.history)

    @property
    def skipped(self) -> int:
        """Number of steps left out since they were not finite."""
        return int(sum(row.get("train/skipped", 0) for row in self.history))

    @property
    def earlier(self) -> float:
        """Seconds that epochs took before this process resumed."""
        return sum(row["seconds"] for row in self.history[: self.resumed])


class Recorder:
    """Records nothing; the interface of what `fit` reports to."""

    def on_epoch(self, row: dict[str, float]) -> None:
        """After every epoch: its number, learning rate, seconds, and what was measured, as one flat row."""

    def on_resume(self, rows: list[dict[str, float]]) -> None:
        """Once, where a stopped fit resumes: the rows of the epochs before."""


def fit(
    fabric: Fabric,
    model: nn.Module,
    objective: Objective,
    loader: Loader,
    recipe: Recipe,
    checkpointer: Checkpointer,
    recorder: Recorder,
    teacher_rows: Callable[[GraphBatch], TeacherRows | None] = no_extra,
) -> FitResult:
    """Minimise the objective on the training split and keep the weights that `recipe.select` names.

    An epoch is better if its primary metric is, or if it ties with a lower validation loss. Ends early after
    `recipe.patience` epochs without a better one, counted from where the weights of all terms have settled, whichever
    is kept, or once validation is as good as `recipe.stop_at`. The test split is not read.

    All that the next epoch depends on is in `state`, which `checkpointer` saves, and from which a stopped fit resumes.

    Raises:
        UserError: at a step whose loss or gradient is not finite, naming term, step and graphs; with
            `recipe.nonfinite` skip such a step changes nothing and is counted as `train/skipped`, unless all steps of
            an epoch are such.
        Interrupted: between two steps or epochs, once a signal has come.
    """
    # --- set-up ---
    spec, plain, device, optim, max_epochs = loader.task.spec, model, fabric.device, recipe.optim, recipe.max_epochs
    precision, draws = fabric.strategy.precision, OwnDraws(recipe.seed, device)
    beside = teacher_rows if device.type == "cpu" else partial(find_beside, plain, objective, teacher_rows)
    objective.to(device)
    optimizer = plain_optimizer = make_optimizer([model, objective], optim, fabric)
    plain_step = Step(model, objective, precision, draws)
    step, model, optimizer = set_up(fabric, plain_step, optimizer)
    validation = loader.validation(plain)
    state = {"epoch": 0, "history": [], "best": {}, "best_epoch": 0, "ended": False}
    selection = Selection(recipe.select, recipe.average_epochs)
    stateful = {"model": plain, "objective": objective, "optimizer": plain_optimizer, "precision": precision}
    # The scaler of float16 lets gradients overflow, and leaves such steps out by itself.
    watched = precision.precision != "16-mixed"
    skips = recipe.nonfinite == "skip"
    # A look costs nothing on a CPU; a GPU would have to be waited for: until its epoch ends the optimizer itself leaves
    # out what is not finite. Several processes agree on what they skip.
    at_once = ranks.size() > 1 if skips else device.type == "cpu"

    def whole() -> dict[str, Any]:
        parts = {name: part.state_dict() for name, part in stateful.items()} | selection.state_dict()
        return state | parts | {"random": random_states(device)}

    # --- resume, or save the beginning ---
    if kept := checkpointer.load():
        for name, part in stateful.items():
            part.load_state_dict(kept[name])
        selection.load_state_dict(kept)
        restore_random_states(kept["random"], device)
        state |= {key: kept[key] for key in state if key in kept}  # of an older version: what it knew
        recorder.on_resume(state["history"])
    else:
        checkpointer.save(whole(), last=False)
    resumed, rates = state["epoch"], []

    for epoch in range(resumed + 1, 1 if state["ended"] else max_epochs + 1):
        # --- train ---
        model.train()
        draws.start(epoch)
        epoch_started, log, gradients = time.perf_counter(), EpochLog(), {}
        for share, batch, teacher in loader.train(epoch, beside):
            checkpointer.check()
            progress = (epoch - 1 + share) / max_epochs
            rate = optim.lr * rate_factor(optim, progress, max_epochs)
            for group in optimizer.param_groups:
                group["lr"] = rate
            compare = recipe.log_gradients and not gradients
            total, terms, weights, compared = step(batch, teacher, progress, compare)
            gradients = compared or gradients
            fabric.backward(total)
            norm = fabric.clip_gradients(model, optimizer, max_norm=optim.clip or math.inf, error_if_nonfinite=False)
            log.add(batch, total.detach(), terms, weights, norm if watched else torch.zeros(()))
            if at_once and ranks.any_of(not log.sound())[0]:
                optimizer.zero_grad(set_to_none=True)
                if skips:
                    continue
                # Each of several processes might look for the cause in another place, and wait there for the others.
                what = plain_step.blamed(batch, teacher) if ranks.size() == 1 else log.not_finite(-1)
                raise divergence(epoch, log, what, optim, checkpointer)
            if watched and not at_once:
                plain_optimizer.found_inf = log.not_sound()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        skipped = log.unsound()
        rates.append(len(log) / (time.perf_counter() - epoch_started))
        if skipped and (not skips or log.all_unsound()):
            raise divergence(epoch, log, log.not_finite(skipped[0]), optim, checkpointer)

        # --- validate, record, save ---
        scores = evaluate(model, validation, spec, objective.task_loss, True)
        measured = prefixed("train", log.means() | gradients) | prefixed("val", scores)
        if skipped:
            measured["train/skipped"] = len(skipped)
        row = {"epoch": epoch, "lr": rate, "seconds": time.perf_counter() - epoch_started, **measured}
        recorder.on_epoch(row)
        state["history"].append(row)
        state["epoch"] = epoch
        if better := improves(spec, scores, state["best"]):
            state |= {"best": scores, "best_epoch": epoch}
        selection.add(plain, better)
        settled = max(state["best_epoch"], objective.settled * max_epochs)
        ended = epoch == max_epochs or epoch - settled >= recipe.patience > 0
        state["ended"] = ended or reaches(spec, scores[spec.metric], recipe.stop_at)
        checkpointer.save(whole(), last=state["ended"])
        if state["ended"]:
            break

    selection.load_into(plain, model, (batch for _, batch, _ in loader.train(max_epochs + 1)))
    best_epoch, selected = state["best_epoch"], selection.epochs(state["best_epoch"], state["epoch"])
    return FitResult(best_epoch, state["best"], state["history"], selected, resumed, median(rates) if rates else None)


def find_beside(
    model: nn.Module,
    objective: Objective,
    teacher_rows: Callable[[GraphBatch], TeacherRows | None],
    batch: GraphBatch,
) -> TeacherRows | None:
    """The teacher's rows of a batch on the host, after all else there that a GPU would wait for in the step."""
    find_derived(model, batch)
    objective.find_derived(batch)
    return teacher_rows(batch)


def divergence(epoch: int, log: EpochLog, what: list[str], optim: OptimConfig, checkpointer: Checkpointer) -> UserError:
    """The error of a step that is not finite; `what` is to blame for it."""
    step = log.unsound()[0]
    return UserError(
        f"Training diverged in epoch {epoch}, {log.where(step)}: not finite: {', '.join(what)}. "
        f"Lower the learning rate (optim.lr, for the teacher pretrain.optim.lr; now {optim.lr}), clip gradients "
        f"(optim.clip=1), or leave such steps out (trainer.nonfinite=skip). The last sound state is in "
        f"{checkpointer.path}."
    )


@torch.inference_mode()
def evaluate(
    model: nn.Module, batches: Iterable[GraphBatch], spec: TaskSpec, task_loss: TaskLoss, shared: bool = False
) -> dict[str, float]:
    """Metrics of a split, primary first, in original units, and its task loss.

    shared: whether the split is that of all processes, each of which has some of the batches' graphs.
    """
    model.eval()
    metrics = Metrics(spec)
    loss, examples = 0.0, 0
    for batch in batches:
        out = model(batch)
        metrics.update(batch.examples(out.logits), batch.examples(batch.y))
        loss = loss + task_loss(out, batch) * batch.num_examples
        examples += batch.num_examples
    if shared and ranks.size() > 1:
        metrics.gather()
        loss, examples = ranks.total(torch.tensor([float(loss), examples], dtype=torch.double)).tolist()
    return {**metrics.compute(), "loss": float(loss) / examples}


def improves(spec: TaskSpec, scores: dict[str, float], best: dict[str, float]) -> bool:
    """Whether validation scores beat the best so far: by primary metric, ties by loss; a NaN beats nothing."""
    if not best:
        return True
    new, old = scores[spec.metric], best[spec.metric]
    if new == old or (math.isnan(new) and math.isnan(old)):
        return scores["loss"] < best["loss"]
    return is_better(spec, new, old)


def reaches(spec: TaskSpec, value: float, wanted: float | None) -> bool:
    """Whether a value of the primary metric is as good as the wanted one; none is wanted with None."""
    return wanted is not None and (value == wanted or is_better(spec, value, wanted))


def prefixed(prefix: str, values: dict[str, float]) -> dict[str, float]:
    """The same numbers under `prefix/`."""
    return {f"{prefix}/{name}": value for name, value in values.items()}
