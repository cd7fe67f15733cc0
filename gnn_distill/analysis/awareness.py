"""Awareness: the share of what was not told that a model's states add, by target, family, distance and range."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gnn_distill.analysis.levels import CONTROL, SHUFFLED
from gnn_distill.analysis.scores import Scores
from gnn_distill.analysis.targets import Target

APART = (CONTROL, SHUFFLED, "geometry")
"""Families that count for no index."""
RANGES = ("local", "far")
SHELLS = "typed shells"


def awareness(r2: np.ndarray, told: np.ndarray) -> np.ndarray:
    """A = (R² of [told, states] − R² of told) / (1 − R² of told).

    Conditional probing (Hewitt, Ethayarajh, Liang & Manning 2021): states need not repeat what they were told.
    """
    return (r2 - told) / (1 - told)


def resamples(units: int, number: int, seed: int) -> Int[np.ndarray, "resamples units"]:
    """How often each unit is drawn in each of `number` bootstrap samples."""
    return np.random.default_rng([seed, 1]).multinomial(units, np.full(units, 1 / units), size=number)


@dataclass(frozen=True)
class Measured:
    """A of every target of one representation, over all levels, and of resampled units."""

    targets: list[Target]
    value: Float[np.ndarray, " targets"]
    resampled: Float[np.ndarray, "resamples targets"]
    r2: Float[np.ndarray, " targets"]
    auroc: Float[np.ndarray, " targets"]

    @classmethod
    def of(
        cls, parts: Sequence[tuple[list[Target], Scores, Scores]], weights: Int[np.ndarray, "resamples units"]
    ) -> "Measured":
        """From (targets, scores of the states, scores of what is told) of each level, the same resamples for all."""
        value = [awareness(states.r2(), told.r2()) for _, states, told in parts]
        again = [awareness(states.r2(weights), told.r2(weights)) for _, states, told in parts]
        return cls(
            targets=[target for targets, _, _ in parts for target in targets],
            value=np.concatenate(value),
            resampled=np.concatenate(again, axis=1),
            r2=np.concatenate([states.r2() for _, states, _ in parts]),
            auroc=np.concatenate([states.auroc for _, states, _ in parts]),
        )

    def mean(self, columns: Sequence[int]) -> np.ndarray:
        """Mean A of some targets: the value first, then that of each resample."""
        every = np.concatenate([self.value[None], self.resampled])
        return every[:, list(columns)].mean(1)


def reach_of(target: Target, local: Sequence[int], far: Sequence[int]) -> str:
    """local, far or geometry; of typed shells and pairs by their distance, empty between and beyond the ranges."""
    if target.reach:
        return target.reach
    for name, (first, last) in zip(RANGES, (local, far), strict=True):
        if first <= target.hop <= last:
            return name
    return ""


def families(targets: Sequence[Target], reach: str, local: Sequence[int], far: Sequence[int]) -> dict[str, list[int]]:
    """The columns of each family of a range; those that count for an index."""
    found: dict[str, list[int]] = {}
    for column, target in enumerate(targets):
        if target.family not in APART and reach_of(target, local, far) == reach:
            found.setdefault(target.family, []).append(column)
    return found


def index(measured: Measured, reach: str, local: Sequence[int], far: Sequence[int]) -> np.ndarray:
    """Mean over the families of a range of the mean A of their targets: value, then resamples; NaN without any.

    Families weigh alike, so that forty functional groups do not rule.
    """
    means = [measured.mean(columns) for columns in families(measured.targets, reach, local, far).values()]
    return np.mean(means, axis=0) if means else np.full(1 + len(measured.resampled), np.nan)


def shells_index(measured: Measured, reach: str, local: Sequence[int], far: Sequence[int]) -> np.ndarray:
    """The same of typed shells alone, which are defined alike at every distance and on every data set."""
    columns = families(measured.targets, reach, local, far).get(SHELLS)
    return measured.mean(columns) if columns else np.full(1 + len(measured.resampled), np.nan)


def summary(values: np.ndarray) -> dict[str, float]:
    """A value and its 95 % interval over resampled graphs."""
    value, again = float(values[0]), values[1:]
    again = again[np.isfinite(again)]
    low, high = np.quantile(again, [0.025, 0.975]) if len(again) else (np.nan, np.nan)
    return {"value": value, "low": float(low), "high": float(high)}


def describe(measured: Measured, local: Sequence[int], far: Sequence[int]) -> dict:
    """What probe.json holds of one representation."""
    found: dict = {}
    for reach in RANGES:
        found[reach] = summary(index(measured, reach, local, far))
        found[f"{reach}_shells"] = summary(shells_index(measured, reach, local, far))
        found[f"{reach}_families"] = {
            family: float(measured.mean(columns)[0])
            for family, columns in families(measured.targets, reach, local, far).items()
        }
    for family, key in ((SHELLS, "by_hop"), ("typed pairs", "pairs_by_hop")):
        hops = sorted({target.hop for target in measured.targets if target.family == family})
        at = {hop: [c for c, t in enumerate(measured.targets) if (t.family, t.hop) == (family, hop)] for hop in hops}
        found[key] = [
            {"hop": hop, **summary(measured.mean(columns)), "r2": float(measured.r2[columns].mean())}
            for hop, columns in at.items()
        ]
    control = [column for column, target in enumerate(measured.targets) if target.family == CONTROL]
    if control:
        found["control"] = summary(measured.mean(control))
        found["selectivity"] = found["local"]["value"] - found["control"]["value"]
    return found
