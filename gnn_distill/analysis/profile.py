"""All profiles by distance of one model, as plain numbers: what profile.json holds of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gnn_distill.analysis.attention import STEPS, Attention, attention_by_hop
from gnn_distill.analysis.hops import ByHop, bootstrap, plain
from gnn_distill.analysis.influence import Scene, jacobian_influence, swap_influence
from gnn_distill.analysis.states import input_encoder

PASSES = 64
"""Backward passes for the last layer of one large graph, where every root needs its own."""
FEWER = 4
"""What has no bounds, or is costly, gets one sample for so many of the last layer's Jacobian."""


@dataclass(frozen=True)
class ProfileSettings:
    """How profiles are taken."""

    far: int = 5
    """Hops from which on a node is far."""
    samples: int = 8
    """Backward passes per batch for the Jacobian of the last layer."""
    resamples: int = 2000
    """Resamples of an interval."""
    exact: bool = False
    """The full Jacobian instead of its estimate, for as many backward passes per batch as there are channels."""


def samples_of(scene: Scene, settings: ProfileSettings) -> tuple[int, int]:
    """Samples for the Jacobian of the last layer; and for other layers, the L1-like form, and swapped nodes."""
    most = settings.samples if scene.per_graph else min(settings.samples, max(1, PASSES // scene.num_roots))
    return most, max(1, most // FEWER)


def profile_model(scene: Scene, settings: ProfileSettings) -> dict[str, Any]:
    """Influence by Jacobian and by swapping, and attention, by hop; None for what the model does not have.

    Lists by hop hold 0, ..., scene.hops, all beyond, and the unreachable. What has bounds holds value, low and high.
    Without states of nodes there is nothing that a distance could be counted from.
    """
    if not scene.model.state_channels:
        return dict.fromkeys(("influence", "swap", "attention"))
    attention = attention_by_hop(scene)
    return {
        "influence": None if input_encoder(scene.model) is None else influence_profile(scene, settings),
        "swap": of_last(swap_influence(scene, samples_of(scene, settings)[1]), settings),
        "attention": None if attention is None else attention_profile(attention, settings),
    }


def influence_profile(scene: Scene, settings: ProfileSettings) -> dict[str, Any]:
    """The Jacobian's profile: of the last layer with bounds, its L1-like form, and of the layers before."""
    depth = len(scene.model.state_channels)
    samples, fewer = samples_of(scene, settings)
    take = partial(jacobian_influence, scene, exact=settings.exact)
    found = take(fewer, layers=tuple(range(depth - 1))) if depth > 1 else {}
    last = take(samples, layers=(depth - 1,))[depth - 1]
    absolute = take(fewer, layers=(depth - 1,), form="absolute")[depth - 1]
    return {
        **of_last(last, settings),
        "absolute": of_last(absolute, settings),
        "layers": [of_layer(found.get(layer, last), settings) for layer in range(depth)],
    }


def of_last(sums: ByHop, settings: ProfileSettings) -> dict[str, Any]:
    """Shares, influence per node, reach and far share, with bounds over graphs."""
    return {
        name: bootstrap(statistic, len(sums.total), settings.resamples).to_json()
        for name, statistic in statistics_of(sums, settings).items()
    }


def of_layer(sums: ByHop, settings: ProfileSettings) -> dict[str, Any]:
    """The same without bounds."""
    every = np.ones(len(sums.total))
    return {name: plain(statistic(every)) for name, statistic in statistics_of(sums, settings).items()}


def statistics_of(sums: ByHop, settings: ProfileSettings) -> dict[str, Callable[[np.ndarray], Any]]:
    """Functions of the weights of roots."""
    return {
        "share": sums.share,
        "per_node": sums.per_node,
        "reach": sums.reach,
        "far_share": partial(sums.far_share, far=settings.far),
    }


def attention_profile(found: Attention, settings: ProfileSettings) -> dict[str, Any]:
    """By layer: the lift by hop with bounds, means over heads; and each head's distance, entropy and overlap."""
    units = len(found.uniform.queries)
    every = np.ones(units)
    layers = []
    for layer in found.layers:
        overlap = found.overlap(layer, every)
        best = overlap.mean(axis=0).argmax()
        layers.append({
            "layer": layer,
            "mass": plain(found.mass(layer, every).mean(axis=0)),
            "lift": bootstrap(partial(found.mean_lift, layer), units, settings.resamples).to_json(),
            "rollout": plain(found.rollout(layer, every)),
            "heads": {
                "distance": plain(found.distance(layer, every)),
                "entropy": plain(found.entropy(layer, every)),
                "far_lift": plain(found.far_lift(layer, every, settings.far)),
                "overlap": plain(overlap.max(axis=1)),
            },
            "overlap": plain(overlap.mean(axis=0)),
            "best_steps": STEPS[best],
        })  # fmt: skip
    uniform = found.uniform.mass.sum(axis=0) / found.uniform.queries.sum()
    return {
        "layers": layers,
        "uniform": {"mass": plain(uniform), "distance": plain(found.uniform_distance(every))},
    }
