"""Generated graphs whose label needs a local pattern and a far relation: neither part alone tells it."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.splits import check_fold, check_split_name, to_splits
from gnn_distill.data.packed import PackedGraphs, pointers
from gnn_distill.data.task import Features, GraphTask, NodeTruth
from gnn_distill.errors import UserError, refuse

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import FarMotifConfig, PathsConfig

SEED = 2503_01888
"""The data's own seed, so that `seed` never changes a graph."""
QUERY, ANCHOR, A, B, FILLER = range(5)
"""Node types; fillers are FILLER and above."""
KINDS = np.array([[A, A, B, B], [A, B, A, B]])
"""The two motifs, rings of four nodes: with two edges between a and b, and with four."""
MOTIF = KINDS.shape[1]
GAP = 3
"""Hops by which the far motif is farther than the near one, at the least."""


def load(dataset: "FarMotifConfig", paths: "PathsConfig") -> GraphTask:
    """Training, validation and test graphs, each part drawn on its own: a longer one only adds graphs.

    Each graph is a ring of `ring` nodes of random filler types. One of them is the query. At two others, the anchors,
    `near` and `far` hops from it on either side, hangs a motif of one of two kinds; the label is the kind of the far
    one. Both kinds have two nodes a and two b, so a model blind to edges scores 50 %. And no two of query and anchors
    lie within 2·reach hops of each other, so no ball of `reach` hops holds two of them: a GNN of `reach` layers, with
    any readout, knows which kinds there are, not which is the far one, and scores 75 % at most (cross-entropy
    ln 2 / 2): the kinds are equal in half of the graphs, else it tosses a coin.
    Controls: local=visible writes the kind into the types of the motif's nodes, relation=visible marks the far anchor.
    Truths at the two anchors: the kind of the anchor's own motif (local), and whether it is the far one (far).

    Raises:
        UserError: where the distances do not leave the far motif far.
    """
    check_split_name(dataset, "auto")
    check_fold(dataset.fold, 1, dataset.name)
    check_distances(dataset)
    sizes = [dataset.num_train, dataset.num_val, dataset.num_test]
    parts = [
        generate(size, np.random.default_rng([SEED, dataset.split_seed, part]), dataset)
        for part, size in enumerate(sizes)
    ]
    types, edges, labels, anchors, hops = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    splits = to_splits(*np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]), kind="generated")
    features = Features("categorical", (FILLER + dataset.fillers + 1,))
    task = assemble(
        *(dataset, pack(types, edges, labels), splits),
        **{"kind": "binary", "metric": "accuracy", "target_names": ("far_kind",), "node_features": features},
    )
    kind, far = torch.from_numpy(anchors).flatten(0, 1).unbind(1)
    task.node_truths = (NodeTruth("kind of the motif", "local", kind), NodeTruth("the far motif", "far", far))
    task.label_distance = torch.from_numpy(hops)
    return task


def check_distances(dataset: "FarMotifConfig") -> None:
    """Raise UserError unless query and anchors are more than 2·reach hops apart, and the far motif is GAP farther."""
    near, far, ring, apart = dataset.near, dataset.far, dataset.ring, 2 * dataset.reach
    for key, hops in (("near", near), ("far", far)):
        if len(hops) != 2 or not 0 < hops[0] <= hops[1]:
            raise refuse(f"dataset.{key}", hops, f"must be the fewest and the most hops: dataset.{key}=[7,7].")
    if near[0] <= apart:
        raise refuse("dataset.near", near, f"must exceed 2·dataset.reach={apart}: else {dataset.reach} layers see it.")
    if far[0] - near[1] < GAP:
        raise refuse("dataset.far", far, f"must be at least {GAP} hops beyond dataset.near={near}.")
    if ring - near[1] - far[1] <= apart or far[1] > ring // 2:
        needed = max(near[1] + far[1] + apart + 1, 2 * far[1])
        raise UserError(
            f"dataset.ring={ring}: too short, on its other side the motifs come within 2·dataset.reach={apart} hops of "
            f"each other, or the far one nearer. Set dataset.ring={needed}, or more."
        )


def generate(num_graphs: int, rng: np.random.Generator, dataset: "FarMotifConfig") -> tuple[np.ndarray, ...]:
    """Types [G, n], edges [G, m, 2] between nodes 0 … n − 1, kinds of the far motif [G], truths, and hops to it [G].

    n = ring + 8. Truths [G, n, 2] are at the anchors the kind of their own motif, and 1 for the far one; NaN elsewhere.

    Every graph has its own row of random numbers; its nodes are in random order.
    """
    ring, nodes = dataset.ring, dataset.ring + 2 * MOTIF
    draws = rng.random((num_graphs, 7 + ring + nodes))
    hop_draw, side_draw, kind_draw, turn_draw, fill_draw, order_draw = np.split(
        draws, np.cumsum([2, 1, 2, 2, ring]), axis=1
    )
    hops = np.stack([between(draw, *span) for draw, span in zip(hop_draw.T, (dataset.near, dataset.far), strict=True)])
    side = np.where(side_draw[:, 0] < 0.5, 1, -1)
    anchors = np.stack([side * hops[0], -side * hops[1]], axis=1) % ring
    kinds = (kind_draw * 2).astype(int)
    turns = (np.arange(MOTIF) - (turn_draw * MOTIF).astype(int)[:, :, None]) % MOTIF
    types_of_kinds = KINDS if dataset.local == "edges" else np.array([[A] * MOTIF, [B] * MOTIF])
    motifs = types_of_kinds[kinds[:, :, None], turns]

    types = np.empty((num_graphs, nodes), dtype=int)
    types[:, :ring] = FILLER + (fill_draw * dataset.fillers).astype(int)
    types[:, 0] = QUERY
    far_anchor = ANCHOR if dataset.relation == "distance" else FILLER + dataset.fillers
    np.put_along_axis(types, anchors, np.array([[ANCHOR, far_anchor]]), axis=1)
    types[:, ring:] = motifs.reshape(num_graphs, 2 * MOTIF)

    around = np.stack([np.arange(ring), (np.arange(ring) + 1) % ring], axis=1)
    square = np.stack([np.arange(MOTIF), (np.arange(MOTIF) + 1) % MOTIF], axis=1)
    fixed = np.concatenate([around, ring + square, ring + MOTIF + square])
    hangs = np.stack([anchors, np.broadcast_to([ring, ring + MOTIF], anchors.shape)], axis=2)
    edges = np.concatenate([np.broadcast_to(fixed, (num_graphs, *fixed.shape)), hangs], axis=1)
    order = order_draw.argsort(axis=1)
    place = order.argsort(axis=1)
    renamed = np.take_along_axis(place, edges.reshape(num_graphs, -1), axis=1).reshape(edges.shape)
    truths = np.full((num_graphs, nodes, 2), np.nan, dtype=np.float32)
    known = np.stack([kinds, np.broadcast_to([0, 1], kinds.shape)], axis=2)
    np.put_along_axis(truths, np.take_along_axis(place, anchors, axis=1)[:, :, None], known, axis=1)
    return np.take_along_axis(types, order, axis=1), renamed, kinds[:, 1], truths, hops[1]


def between(draw: np.ndarray, low: int, high: int) -> np.ndarray:
    """Integers in [low, high] from uniform draws in [0, 1)."""
    return low + (draw * (high - low + 1)).astype(int)


def pack(types: np.ndarray, edges: np.ndarray, labels: np.ndarray) -> PackedGraphs:
    """Flat tensors; edges in both directions, sorted by source and target."""
    graphs, nodes = types.shape
    both = np.concatenate([edges, edges[:, :, ::-1]], axis=1)
    sequence = (both[:, :, 0] * nodes + both[:, :, 1]).argsort(axis=1)
    both = np.take_along_axis(both, sequence[:, :, None], axis=1)
    return PackedGraphs(
        x=torch.from_numpy(types.reshape(-1, 1)),
        edge_index=torch.from_numpy(both.reshape(-1, 2).T.copy()),
        edge_attr=None,
        y=torch.from_numpy(labels).float()[:, None],
        node_ptr=pointers(torch.full((graphs,), nodes)),
        edge_ptr=pointers(torch.full((graphs,), both.shape[1])),
    )
