"""The path of integrated gradients: its points, where more are needed, and the integral."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

NARROWEST = 2.0**-20
"""A part of the path as narrow is not halved: there the model jumps, and no integral of its gradient is complete."""
CANCELLING = 0.1
"""F(e) − F(e') may be nearly 0 while its parts are not: an error is relative to this share of Σ|a| at least."""


def scale_of(change: float, size: float) -> float:
    """What errors are relative to: |F(e) − F(e')|, or a tenth of Σ|a| = `size` where that is larger."""
    return max(abs(change), CANCELLING * size)


@dataclass(frozen=True)
class Point:
    """A place e' + α·(e − e') on a path."""

    alpha: float
    value: float
    """F there."""
    terms: Float[np.ndarray, " rows"]
    """Σ_c (e − e')_rc · ∂F/∂e_rc there, of nodes, then of edges; their sum is dF/dα."""


@dataclass
class Path:
    """The points of a path so far, in order."""

    points: list[Point] = field(default_factory=list)

    def halved(self, tolerance: float, most: int) -> list[float]:
        """The middles of the parts with the largest errors; none once all is accurate or there are `most` points."""
        alpha, value, slope = np.array([(p.alpha, p.value, p.terms.sum()) for p in self.points]).T
        missed = np.diff(value) - np.diff(alpha) * (slope[1:] + slope[:-1]) / 2
        errors, allowed = np.abs(missed), tolerance * np.abs(np.diff(value)).sum()
        scale = scale_of(value[-1] - value[0], np.abs(self.integral()).sum())
        complete = abs(missed.sum()) <= tolerance * scale
        if (complete and errors.sum() <= allowed) or len(self.points) >= most:
            return []
        share = min(allowed, errors.sum()) / len(errors)
        parts = np.flatnonzero((errors >= share) & (np.diff(alpha) > NARROWEST))
        worst = parts[np.argsort(-errors[parts], kind="stable")][: most - len(self.points)]
        return ((alpha[worst] + alpha[worst + 1]) / 2).tolist()

    def integral(self) -> Float[np.ndarray, " rows"]:
        """∫ terms dα by trapezoids."""
        return np.trapezoid([p.terms for p in self.points], [p.alpha for p in self.points], axis=0)
