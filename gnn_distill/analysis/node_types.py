"""Types of nodes: what the targets count. Categories of features, or clusters where features are continuous."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from gnn_distill.data.task import GraphTask, taught_graphs

CLUSTERS = 4
"""Number of clusters of continuous features."""
SAMPLE = 20_000
"""Most nodes that clusters are fitted to."""


@dataclass(frozen=True)
class NodeTypes:
    """A type of every node of all graphs of a task."""

    of_node: Int[np.ndarray, " nodes"]
    """From 0."""
    common: tuple[int, ...]
    """The commonest types in the graphs that training sees, commonest first."""
    names: tuple[str, ...]
    """Of the common ones."""


def node_types(task: GraphTask, most: int, seed: int = 0) -> NodeTypes:
    """Categorical features: the value of the first column; one-hot rows: the column; else k-means of all columns.

    Clusters (k = 4) are fitted to the nodes that training sees, standardised.
    """
    x, seen = task.graphs.x, task.graphs.nodes_of(taught_graphs(task)) if task.spec.level == "graph" else None
    taught = np.arange(len(x)) if seen is None else seen.numpy()
    if not x.is_floating_point():
        types, name = x[:, 0].numpy(), "type {}"
    elif is_one_hot(x):
        types, name = x.argmax(1).numpy(), "type {}"
    else:
        types, name = clusters(x.numpy(), taught, seed), "cluster {}"
    counts = np.bincount(types[taught], minlength=int(types.max()) + 1)
    common = [int(kind) for kind in np.argsort(-counts, kind="stable")[:most] if counts[kind]]
    return NodeTypes(types, tuple(common), tuple(name.format(kind) for kind in common))


def is_one_hot(x: Tensor) -> bool:
    """Whether every row has a single 1, and 0 elsewhere."""
    return bool(x.size(1) > 1 and (x.sum(1) == 1).all() and ((x == 0) | (x == 1)).all())


def clusters(x: np.ndarray, taught: np.ndarray, seed: int) -> Int[np.ndarray, " nodes"]:
    """The nearest of CLUSTERS centres (k-means of the rows `taught`, standardised)."""
    from scipy.cluster.vq import kmeans2, vq

    random = np.random.default_rng(seed)
    rows = np.sort(random.permutation(taught)[:SAMPLE])
    mean, std = x[rows].mean(0), x[rows].std(0)
    z = (x - mean) / np.where(std > 0, std, 1.0)
    centres, _ = kmeans2(z[rows].astype(float), CLUSTERS, minit="++", rng=random)
    return vq(z, centres.astype(z.dtype))[0].astype(np.int64)


def one_hot(types: NodeTypes, nodes: Tensor | np.ndarray) -> np.ndarray:
    """Whether the nodes have each of the common types: [nodes, common] of 0 and 1."""
    chosen = types.of_node[np.asarray(nodes)]
    return (chosen[:, None] == np.array(types.common)).astype(np.float32)


def typed_rows(types: NodeTypes, nodes: np.ndarray) -> Int[Tensor, "nodes 1"]:
    """The types as a feature column, from which Weisfeiler-Leman colours start."""
    return torch.from_numpy(types.of_node[nodes])[:, None]
