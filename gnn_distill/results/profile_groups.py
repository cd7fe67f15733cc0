"""Profiles of several runs as one: means over runs, with intervals over runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gnn_distill.results.significance import interval

Model = Mapping[str, Any]
BANDED = ("share", "per_node", "reach", "far_share")


def grouped(runs: Mapping[str, Sequence[tuple[Mapping[str, Any], str]]]) -> dict[str, Any] | None:
    """One profile of several: by label the profile and the role of each run; None if no run has one.

    Numbers are means over runs with intervals of 95 % over them; those of a single run keep its own bounds.
    Errors by distance are shown of labels whose runs have the same bins as all others.
    """
    found = {
        label: [(profile, role) for profile, role in of_label if role in profile["models"]]
        for label, of_label in runs.items()
    }
    found = {label: of_label for label, of_label in found.items() if of_label}
    if not found:
        return None
    first = next(iter(found.values()))[0][0]
    return {
        **{name: first[name] for name in ("settings", "graphs", "units", "metric")},
        "runs": max(len(of_label) for of_label in found.values()),
        "models": {
            label: joined([profile["models"][role] for profile, role in of_label]) for label, of_label in found.items()
        },
        "errors": joined_errors(found),
    }


def joined(models: Sequence[Model]) -> dict[str, Any]:
    """The profile of one method from those of its runs."""
    if len(models) == 1:
        return dict(models[0])
    return {
        "influence": _influence([model["influence"] for model in models]),
        "swap": _influence([model["swap"] for model in models]),
        "attention": _attention([model["attention"] for model in models]),
    }


def joined_errors(found: Mapping[str, Sequence[tuple[Mapping[str, Any], str]]]) -> dict[str, Any] | None:
    """Errors by distance: the mean over runs in each bin."""
    errors = {
        label: [profile["errors"]["models"][role] for profile, role in of_label if profile["errors"]]
        for label, of_label in found.items()
    }
    every = [bins for of_label in errors.values() for bins in of_label]
    if not every or any(_edges(bins) != _edges(every[0]) for bins in every):
        return None
    first = next(profile["errors"] for of_label in found.values() for profile, _ in of_label if profile["errors"])
    return {
        **{name: first[name] for name in ("part", "distance")},
        "models": {label: _bins(of_label) for label, of_label in errors.items() if of_label},
    }


def _edges(bins: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    return [(one["nearest"], one["farthest"]) for one in bins]


def _bins(of_runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    if len(of_runs) == 1:
        return [dict(one) for one in of_runs[0]]
    return [{**dict(bins[0]), **_over([one["value"] for one in bins])} for bins in zip(*of_runs, strict=True)]


def _influence(of_runs: Sequence[Model | None]) -> dict[str, Any] | None:
    known = [found for found in of_runs if found]
    if not known:
        return None
    result = {name: _over_lists([found[name]["value"] for found in known]) for name in BANDED}
    if all("layers" in found for found in known):
        layers = zip(*(found["layers"] for found in known), strict=True)
        result["layers"] = [
            {name: _over_lists([one[name] for one in layer])["value"] for name in BANDED} for layer in layers
        ]
    return result


def _attention(of_runs: Sequence[Model | None]) -> dict[str, Any] | None:
    known = [found for found in of_runs if found]
    if not known:
        return None
    layers = []
    for layer in zip(*(found["layers"] for found in known), strict=True):
        heads = {name: [value for one in layer for value in one["heads"][name]] for name in layer[0]["heads"]}
        layers.append(
            {"layer": layer[0]["layer"], "lift": _over_lists([one["lift"]["value"] for one in layer]), "heads": heads}
        )
    return {
        "layers": layers,
        "uniform": {"distance": _over([found["uniform"]["distance"] for found in known])["value"]},
    }


def _over_lists(values: Sequence[Any]) -> dict[str, Any]:
    """`_over` of numbers, or of each place of lists."""
    if not isinstance(values[0], list):
        return _over(values)
    places = [_over(place) for place in zip(*values, strict=True)]
    return {name: [place[name] for place in places] for name in ("value", "low", "high")}


def _over(values: Sequence[float | None]) -> dict[str, float | None]:
    """The mean over the runs that have a value, and its bounds, which are not below zero."""
    known = np.array([value for value in values if value is not None], dtype=float)
    if not len(known):
        return {"value": None, "low": None, "high": None}
    found = interval(known)
    low, high = (max(bound, 0.0) if np.isfinite(bound) else None for bound in (found.low, found.high))
    return {"value": float(found.mean), "low": low, "high": high}
