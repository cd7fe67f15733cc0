"""The targets of a run's held-out graphs as levels that probes are fitted to, with what is told and the controls."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gnn_distill.analysis.held_out import HeldOut, scored
from gnn_distill.analysis.ridge import balanced_folds, standardised
from gnn_distill.analysis.scores import Level
from gnn_distill.analysis.states import States, Subject
from gnn_distill.analysis.targets import Target, Targets
from gnn_distill.analysis.told import told_graphs, told_nodes, told_pairs
from gnn_distill.config.schema.probe import ProbeSettings
from gnn_distill.data.packed import gather_ranges
from gnn_distill.data.task import GraphTask
from gnn_distill.formatting import counted

FEWEST_GRAPHS = 300
"""Graphs from which on graph states are probed."""
MOST_PAIRS = 20_000
"""Most pairs of nodes in all."""
DRAWS = 8
"""Random numbers a Weisfeiler-Leman colour, of the control."""
COMPONENTS = 16
"""Principal components of the states of a pair."""
CONTROL, SHUFFLED, TRUTH = "random label of the WL colour", "typed shells of another graph", "task truth"
"""Families that count for no index."""


@dataclass(frozen=True)
class Levels:
    """Nodes, graphs and pairs; None for those that are not probed."""

    node: Level
    shuffled: Level
    """The node targets of other graphs of the same size: what a faulty probe would find."""
    truth: Level | None
    """What the maker of the graphs knows, asked of the states alone."""
    graph: Level | None
    pair: Level | None
    pairs: Int[np.ndarray, "pairs 2"]
    told: list[str]
    """What the models are given, in words."""
    notices: list[str]


def rows_of(task: GraphTask, held: HeldOut) -> Int[np.ndarray, " nodes"]:
    """The rows of the held-out nodes among those of the task."""
    return gather_ranges(task.graphs.node_ptr, held.ids).numpy()


def make_levels(
    task: GraphTask,
    held: HeldOut,
    targets: Targets,
    subjects: Sequence[Subject],
    marks: Float[np.ndarray, "nodes types"],
    settings: ProbeSettings,
) -> Levels:
    """Everything that is asked of the states, and what is told beside."""
    notices = []
    sizes = np.bincount(held.unit[held.kept], minlength=held.num_units)
    unit_fold = balanced_folds(sizes, settings.folds, settings.seed)
    fold = unit_fold[held.unit]
    asked = scored(held, fold)
    if held.single:
        notices.append(
            f"One graph: intervals are over {held.num_units} communities of it, and {int(asked.sum()):,} of "
            f"{int(held.kept.sum()):,} held-out nodes are scored: those without another fold nearby."
        )
    raw, words = told_nodes(held, task.spec, subjects, targets, marks)
    told = standardised(raw)
    names, values = list(targets.node.targets), [targets.node.array]
    names += [Target(f"draw {draw}", "node", CONTROL, reach="local") for draw in range(DRAWS)]
    random = np.random.default_rng([settings.seed, DRAWS])
    values.append(random.standard_normal((int(targets.colours.max()) + 1, DRAWS))[targets.colours])
    shared = {"units": held.num_units, "within": True}
    node = Level(names, np.concatenate(values, 1), held.unit, fold=fold, told=told, fitted=held.kept,
                 scored=asked, **shared)  # fmt: skip
    shells = [column for column, target in enumerate(names) if target.family == "typed shells"]
    moved = np.where(np.isnan(partner := partners(held, settings.seed)), 0, partner).astype(np.int64)
    other = node.values[moved][:, shells]
    other[np.isnan(partner)] = np.nan
    shuffled = Level([Target(names[c].name, "node", SHUFFLED, hop=names[c].hop) for c in shells], other, held.unit,
                     fold=fold, told=told, fitted=held.kept, scored=asked, **shared)  # fmt: skip
    truth = graph = pair = None
    if task.node_truths:
        truth = Level(
            [Target(known.name, "node", TRUTH, reach=known.reach, binary=True) for known in task.node_truths],
            np.stack([known.values[rows_of(task, held)].numpy() for known in task.node_truths], axis=1), held.unit,
            fold=fold, told=told[:, :0], fitted=held.kept, scored=asked, **shared,
        )  # fmt: skip
    if len(held.graphs) >= FEWEST_GRAPHS:
        everything = np.ones(len(held.graphs), dtype=bool)
        graph = Level(targets.graph.targets, targets.graph.array, np.arange(len(held.graphs)), fold=unit_fold,
                      told=standardised(told_graphs(held, raw)), fitted=everything, scored=everything,
                      units=held.num_units, within=False)  # fmt: skip
    elif not held.single:
        few = counted(len(held.graphs), "graph is", "graphs are")
        notices.append(f"{few} too few to probe graph states; {FEWEST_GRAPHS} are needed.")
    if len(targets.pairs):
        of_pair, every = held.unit[targets.pairs[:, 0]], np.ones(len(targets.pairs), dtype=bool)
        hops = targets.pair.array[:, [t.name for t in targets.pair.targets].index("distance")].astype(float)
        given = told_pairs(subjects, targets, raw, marks, hops, settings.hops)
        pair = Level(targets.pair.targets, targets.pair.array, of_pair, fold=unit_fold[of_pair],
                     told=standardised(given), fitted=every, scored=every, **shared)  # fmt: skip
    return Levels(node, shuffled, truth, graph, pair, targets.pairs, words, notices)


def partners(held: HeldOut, seed: int) -> Float[np.ndarray, " nodes"]:
    """For every node one of the next graph of the same size, in the same place there; NaN where there is none."""
    sizes = held.graphs.num_nodes.numpy()
    first = held.graphs.node_ptr.numpy()[:-1]
    order = np.random.default_rng(seed).permutation(len(sizes))
    out = np.full(len(held.unit), np.nan)
    for size in np.unique(sizes):
        alike = order[sizes[order] == size]
        for graph, other in zip(alike, np.roll(alike, 1), strict=True):
            if graph != other:
                out[first[graph] + np.arange(size)] = first[other] + np.arange(size)
    return out


def representations(states: States, which: str) -> dict[str, Float[np.ndarray, "nodes channels"] | None]:
    """Node states by name: last, all layers joined, and layer 0 to L, as far as `probe.layers` asks for them.

    Of a model without states of nodes last alone, None: its graph state is all it has.
    """
    if not states.layers:
        return {"last": None}
    found = {"last": states.last}
    if which != "last":
        found["all"] = states.joined
    if which == "each":
        found |= {str(layer): values for layer, values in states.layers.items()}
    return found


def graph_states(states: States, held: HeldOut, name: str) -> Float[np.ndarray, "graphs channels"]:
    """Of last the state that the head reads; of all also the mean node states of every layer."""
    if name == "last" or states.graph is None:
        found = states.graph
        return pooled(states.last, held) if found is None else found
    return np.concatenate([states.graph, pooled(states.joined, held)], axis=1)


def pooled(values: Float[np.ndarray, "nodes channels"], held: HeldOut) -> Float[np.ndarray, "graphs channels"]:
    """Mean over the nodes of each graph."""
    ptr = held.graphs.node_ptr.numpy()
    return np.add.reduceat(values, ptr[:-1]) / np.diff(ptr)[:, None]


def pair_states(
    values: Float[np.ndarray, "nodes channels"], pairs: Int[np.ndarray, "pairs 2"]
) -> Float[np.ndarray, "pairs columns"]:
    """Features of two nodes i, j from z, 16 principal components of their states, whitened.

    The upper triangle of (z_i − z_j)(z_i − z_j)ᵀ, of which a linear probe is the quadratic form of Hewitt & Manning
    (2019) without its sign; z_i ∘ z_j and |z_i − z_j|.
    """
    centred = values.astype(np.float64) - values.mean(0)
    power, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    kept = power > 1e-9 * max(power[-1], 1e-300)
    z = (centred @ vectors[:, kept] / np.sqrt(power[kept]))[:, -COMPONENTS:]
    one, other = z[pairs[:, 0]], z[pairs[:, 1]]
    apart = one - other
    above = np.triu_indices(z.shape[1])
    return np.concatenate([apart[:, above[0]] * apart[:, above[1]], one * other, np.abs(apart)], axis=1)
