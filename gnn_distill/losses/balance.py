"""Terms scaled by their gradients, so that a weight sets how much a term moves the student."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from gnn_distill.losses.gradients import gradient

MOMENTUM = 0.7
MOST = 1e4
"""Largest factor: a gradient that is smaller still is the rounding of a term at its minimum."""


class Balance(nn.Module):
    """Turns a weight into a share of the task's gradient: w_t ← w_t · share · w_task·‖∇_θ L_task‖ / ‖∇_θ L_t‖.

    θ are all parameters of the student, but not the terms' own projections: what every term moves in the end,
    whatever states it reads and whatever the student is. Norms are measured in every `every`-th step, at the cost of
    one more backward pass per term, and are running means: m = Σ_i 0.7^(k−i)·‖∇_i‖ / Σ_i 0.7^(k−i) over the
    measurements so far. A norm that is 0 or not finite is left out: the term is absent from such a batch. All terms
    are measured, also the task before its ramp lets it count. After the adaptive weight of VQGAN (Esser et al. 2021),
    which is taken at the last layer in every step; GradNorm (Chen et al. 2018) learns its weights instead.
    """

    def __init__(self, names: Sequence[str], task_weight: float, share: float, every: int) -> None:
        super().__init__()
        self.names, self.scale, self.every = list(names), task_weight * share, every
        self.register_buffer("sums", torch.zeros(len(self.names)))
        self.register_buffer("counts", torch.zeros(len(self.names)))
        self.steps = 0

    def due(self) -> bool:
        """Whether the next step measures; every call counts as a step."""
        self.steps += 1
        return (self.steps - 1) % self.every == 0

    def measure(self, raw: Mapping[str, Tensor], parameters: Sequence[Tensor]) -> None:
        """Update the running means with a batch's raw terms."""
        norms = torch.stack([gradient(raw[name], parameters).norm() for name in self.names])
        measured = norms.isfinite() & (norms > 0)
        self.sums = torch.where(measured, MOMENTUM * self.sums + norms, self.sums)
        self.counts = torch.where(measured, MOMENTUM * self.counts + 1, self.counts)

    def forward(self, weights: Mapping[str, float]) -> dict[str, float | Tensor]:
        """The weights with all but the task's as shares of its gradient; 0 for a term that was never measured."""
        means = dict(zip(self.names, self.sums / self.counts, strict=True))
        factors = {
            name: (self.scale * means["task"] / mean).nan_to_num(0.0).clamp(max=MOST) for name, mean in means.items()
        }
        return {name: weight if name == "task" else weight * factors[name] for name, weight in weights.items()}

    def get_extra_state(self) -> int:
        """The step, for checkpoints."""
        return self.steps

    def set_extra_state(self, state: int) -> None:
        """Resume from a checkpoint's step."""
        self.steps = state
