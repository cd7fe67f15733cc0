"""One training step up to the loss: the model's outputs and the objective, which several processes compute as one."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import Precision
from torch import Tensor, nn
from torch.optim import Optimizer

from gnn_distill import ranks
from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.gradients import blamed, compare_gradients
from gnn_distill.losses.objective import Objective
from gnn_distill.losses.term import TeacherRows
from gnn_distill.models.representations import Representations
from gnn_distill.training.randomness import random_states, restore_random_states


class Step(nn.Module):
    """Objective and model in one module, so that the projections of terms are reduced with the model's gradients.

    own_draws: within it the model draws what no other process draws, dropout above all.
    """

    def __init__(self, model: nn.Module, objective: Objective, precision: Precision, own_draws: "OwnDraws") -> None:
        super().__init__()
        self.model, self.objective, self._own_draws = model, objective, own_draws
        self.in_precision = InPrecision(model, precision)
        self._attention = (layers,) if (layers := objective.requires.attention_layers) else ()
        self._parameters_of_model = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def forward(
        self, batch: GraphBatch, teacher: TeacherRows | None, progress: float, compare: bool
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, float | Tensor], dict[str, float]]:
        """What the objective returns, and, where they are to be compared, the terms' gradients."""
        out, gradients = self.outputs(batch), {}
        if compare:
            gradients = compare_gradients(self.objective.terms, out, batch, teacher, self._parameters_of_model)
        return *self.objective(out, batch, teacher, progress, self._parameters_of_model), gradients

    def blamed(self, batch: GraphBatch, teacher: TeacherRows | None) -> list[str]:
        """What of a step is not finite, found by computing it again."""
        return list(blamed(self.objective.terms, self.outputs(batch), batch, teacher, self._parameters_of_model))

    def outputs(self, batch: GraphBatch) -> Representations:
        """The model's."""
        with self._own_draws():
            return self.in_precision(batch, *self._attention)


class OwnDraws:
    """Random numbers of this process alone, beside those that all processes of a run draw alike; one has only those.

    In every epoch they start from (seed, epoch, rank), so that a resumed run draws them again.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed, self._device, self._states = seed, device, {}

    def start(self, epoch: int) -> None:
        """At the beginning of an epoch."""
        if ranks.size() == 1:
            return
        seed = int(np.random.SeedSequence((self._seed, epoch, ranks.rank())).generate_state(1, np.uint64)[0] >> 1)
        kinds = dict.fromkeys([torch.device("cpu"), *([self._device] if self._device.type == "cuda" else [])])
        self._states = {device: torch.Generator(device).manual_seed(seed).get_state() for device in kinds}

    @contextmanager
    def __call__(self) -> Iterator[None]:
        shared = {device: _state(device) for device in self._states}
        for device, state in self._states.items():
            _restore(device, state)
        try:
            yield
        finally:
            self._states = {device: _state(device) for device in self._states}
            for device, state in shared.items():
                _restore(device, state)


class InPrecision(nn.Module):
    """A model in Fabric's precision, without Fabric's guard against backward passes of others: terms have theirs."""

    def __init__(self, model: nn.Module, precision: Precision) -> None:
        super().__init__()
        self.model, self._precision = model, precision

    def forward(self, *given: Any) -> Representations:
        with self._precision.forward_context():
            return self._precision.convert_output(self.model(*given))


def set_up(fabric: Fabric, step: Step, optimizer: Optimizer) -> tuple[nn.Module, nn.Module, Optimizer]:
    """The step, its model for evaluation, and the optimizer, on the device; all processes compute the step as one."""
    if ranks.size() == 1:
        return step, *fabric.setup(step.model, optimizer)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")  # what is new is newer than 2.8
        together = fabric.strategy.setup_module(fabric.to_device(step))
    # The first process may have drawn what the others found: terms draw the same in all of them from here on.
    restore_random_states(ranks.from_first(partial(random_states, fabric.device)), fabric.device)
    return together, step.in_precision, fabric.setup_optimizers(optimizer)


def _state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _restore(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
