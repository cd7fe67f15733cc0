"""Standardisation of teacher states."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from gnn_distill.errors import UserError

BLOCK = 2048
"""Rows whose moments are computed at once: they stay in the cache."""


class Moments(NamedTuple):
    """Mean and standard deviation per dimension, over the training units."""

    mean: Float[Tensor, "channel"]
    std: Float[Tensor, "channel"]

    @classmethod
    def of(cls, states: Float[Tensor, "row channel"]) -> "Moments":
        """Those of the rows, each read once."""
        running = RunningMoments()
        running.add(states)
        return running.result()


class RunningMoments:
    """Moments of rows that come one part after another: parts of n and m rows are joined by Chan et al. (1979),

    mean = mean_n + δ·m/(n + m), square = square_n + square_m + δ²·n·m/(n + m), δ = mean_m − mean_n.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.square = torch.zeros((), dtype=torch.double)

    def add(self, rows: Float[Tensor, "row channel"]) -> None:
        """Read rows, block by block."""
        for block in rows.split(BLOCK):
            block = block if block.dtype == torch.double else block.float()
            near, size = block.mean(dim=0), len(block)
            rest = block - near  # small numbers, whose sums single precision holds
            shift = rest.sum(dim=0).double() / size
            delta, total = near.double() + shift - self.mean, max(self.count + size, 1)
            square = rest.square().sum(dim=0).double() - size * shift**2
            self.square = self.square + square + delta**2 * (self.count * size / total)
            self.mean = self.mean + delta * (size / total)
            self.count += size

    def result(self) -> Moments:
        """Those of all rows so far."""
        return Moments(self.mean.float(), (self.square.clamp(min=0) / max(self.count, 1)).sqrt().float())


def moments_of_rows(states: Float[Tensor, "row channel"], rows: Int[Tensor, " picked"]) -> Moments:
    """Those of some rows, which may be in a memory map, read in blocks."""
    running = RunningMoments()
    for block in rows.split(65536):
        running.add(states[block])
    return running.result()


class Standardise(nn.Module):
    """(h − mean)/std per dimension; dimensions with std below 1e-5 of the median are dropped (dead ReLU units).

    Raises UserError if no dimension is left.
    """

    def __init__(self, moments: Moments) -> None:
        super().__init__()
        alive = alive_dimensions(moments.std)
        if not alive.any():
            raise UserError(
                "The teacher's states are the same on all training graphs, so there is nothing to align to: its "
                "training failed. Lower pretrain.optim.lr or teacher.dropout, or widen it: teacher.hidden_channels."
            )
        self.register_buffer("alive", alive.nonzero().flatten(), persistent=False)
        self.register_buffer("mean", moments.mean[alive], persistent=False)
        self.register_buffer("scale", 1 / moments.std[alive], persistent=False)
        self.register_buffer("centre", moments.mean.clone(), persistent=False)

    @property
    def channels(self) -> int:
        """Number of remaining dimensions."""
        return len(self.alive)

    def forward(self, states: Float[Tensor, "row channel"]) -> Float[Tensor, "row alive"]:
        return (states[:, self.alive].float() - self.mean) * self.scale

    def restore(self, rows: Float[Tensor, "row alive"]) -> Float[Tensor, "row channel"]:
        """The inverse: rows in the teacher's own units; dropped dimensions get their mean."""
        return self.centre.expand(rows.size(0), -1).index_copy(1, self.alive, rows.float() / self.scale + self.mean)


class Whiten(nn.Module):
    """Λ^(−½)·Uᵀ·z of standardised states z with correlations U·Λ·Uᵀ: uncorrelated dimensions of variance 1.

    PCA-cor whitening (Kessy et al. 2018). Directions with λ below 1e-4, a hundredth of the standard deviation of a
    dimension, are dropped: rounded states have little else there. states: those that the correlations are of.
    """

    def __init__(self, standardise: Standardise, states: Float[Tensor, "unit channel"]) -> None:
        super().__init__()
        self.standardise = standardise
        rows = standardise(states).double()
        values, vectors = torch.linalg.eigh(rows.mT @ rows / len(rows))
        kept = values > 1e-4
        directions = vectors[:, kept] * values[kept].rsqrt()
        # An eigenvector is one up to its sign, which another library may choose otherwise.
        largest = directions.gather(0, directions.abs().argmax(dim=0, keepdim=True))
        self.register_buffer("directions", (directions * largest.sign()).float(), persistent=False)

    @property
    def alive(self) -> Tensor:
        """The dimensions that are read."""
        return self.standardise.alive

    @property
    def channels(self) -> int:
        """Number of directions left."""
        return self.directions.size(1)

    def forward(self, states: Float[Tensor, "row channel"]) -> Float[Tensor, "row direction"]:
        return self.standardise(states) @ self.directions


def alive_dimensions(std: Float[Tensor, "channel"]) -> Bool[Tensor, "channel"]:
    """Dimensions that vary: std above 1e-5 of the median of the non-zero ones."""
    positive = std[std > 0]
    return std > (1e-5 * positive.median() if len(positive) else torch.inf)
