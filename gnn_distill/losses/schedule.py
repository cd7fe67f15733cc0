"""Weights over time."""

import math

from gnn_distill.config.schema.objective import Ramp


def ramp_factor(ramp: Ramp, form: str, progress: float) -> float:
    """Factor in [0, 1] of a weight at `progress` in [0, 1]: it rises over `enter` and falls over `leave`.

    linear: the share s of the way; cosine: (1 − cos(π·s))/2. An empty interval is a step.
    """
    return _shape(form, _share(*ramp.enter, progress)) * _shape(form, 1 - _share(*ramp.leave, progress))


def settles(ramp: Ramp) -> float:
    """Share of the training after which the factor is constant."""
    return max((end for begin, end in (ramp.enter, ramp.leave) if begin < 1.0), default=0.0)


def _share(begin: float, end: float, progress: float) -> float:
    if progress >= end:
        return 1.0 if (begin, end) != (1.0, 1.0) else 0.0  # [1, 1] means never, also at the very end
    return max(0.0, (progress - begin) / (end - begin)) if end > begin else 0.0


def _shape(form: str, share: float) -> float:
    return share if form == "linear" else (1 - math.cos(math.pi * share)) / 2
