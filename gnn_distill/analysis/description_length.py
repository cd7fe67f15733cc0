"""Minimum description length: the bits that states save when targets are sent graph by graph."""

import numpy as np
from jaxtyping import Float, Int

from gnn_distill.analysis.ridge import LAMBDAS, Moments

BLOCKS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0)
"""Ends of the blocks, as shares of the units; the first is sent alike by all codes, and not counted."""
LEAST = 1e-6
"""Smallest variance, as a share of the target's: an exact prediction would cost −∞ bits."""


def bits_saved(
    x: Float[np.ndarray, "rows columns"],
    y: Float[np.ndarray, "rows targets"],
    unit: Int[np.ndarray, " rows"],
    seed: int,
) -> Float[np.ndarray, " targets"]:
    """Bits a row that a linear code saves against a Gaussian without features (online code, Voita & Titov 2020).

    Blocks of units in seeded order. L = Σ_blocks Σ_i ½ log₂ 2πσ̂² + (y_i − ŷ_i)² / (2σ̂² ln 2); ŷ is a ridge fitted to
    the earlier blocks. Its penalty, and σ̂², are those of the block before, predicted from those before that; for the
    second block they are the middle penalty and the fit of the first.
    """
    order = np.random.default_rng(seed).permutation(int(unit.max()) + 1)
    ends = np.maximum(np.ceil(np.array(BLOCKS) * len(order)), np.arange(1, len(BLOCKS) + 1))
    block = np.searchsorted(ends, np.argsort(order), side="right").clip(max=len(BLOCKS) - 1)[unit]
    moments = Moments.of(x, y, block, len(BLOCKS))
    saved, least = np.zeros(y.shape[1]), LEAST * y.var(0) + 1e-12
    for number in range(1, len(BLOCKS)):
        later = range(number, len(BLOCKS))
        ridge, here = moments.without(*later), block == number
        if not here.any():
            continue
        rows, before = float(here.sum()), moments.rows[number - 1]
        if number == 1:
            chosen = np.full(y.shape[1], len(LAMBDAS) // 2)
            noise = ridge.error(LAMBDAS[len(LAMBDAS) // 2], moments, 0) / before
        else:
            earlier = moments.without(number - 1, *later)
            errors = np.stack([earlier.error(penalty, moments, number - 1) for penalty in LAMBDAS])
            chosen, noise = errors.argmin(0), errors.min(0) / before
        error = np.stack([ridge.error(penalty, moments, number) for penalty in LAMBDAS])[chosen, np.arange(y.shape[1])]
        mean = ridge.y_mean
        variance = (moments.yy[:number].sum(0) / moments.rows[:number].sum() - mean**2).clip(min=least)
        plain = moments.yy[number] - 2 * mean * moments.y[number] + rows * mean**2
        saved += bits(plain, variance, rows) - bits(error, noise.clip(min=least), rows)
    return saved / (block > 0).sum()


def bits(error: np.ndarray, variance: np.ndarray, rows: float) -> np.ndarray:
    """½ n log₂ 2πσ² + Σ e² / (2σ² ln 2)."""
    return 0.5 * rows * np.log2(2 * np.pi * variance) + error / (2 * variance * np.log(2))
