"""What the models of a run are given: what a probe on it reaches is told, not learned."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from gnn_distill.analysis.held_out import HeldOut
from gnn_distill.analysis.states import Subject
from gnn_distill.analysis.targets import Targets
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.encodings.structural import compute_encodings
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import TaskSpec

WIDEST = 128
"""Continuous features of more columns are reduced to this many principal components."""
DEGREES = 8
"""Degrees from this one on share a column."""


def told_nodes(
    held: HeldOut,
    spec: TaskSpec,
    subjects: Sequence[Subject],
    targets: Targets,
    marks: Float[np.ndarray, "nodes types"],
) -> tuple[Float[np.ndarray, "nodes columns"], list[str]]:
    """Columns of what any of the models reads at a node, and what these are, in words.

    Own features; composition of the graph, the share of each type and its size; and what the configs of the models
    say: degrees (encoding.degree), shell sizes and what composition lets expect in them, n_k · share (encoding.spd),
    return probabilities (rwse), |Laplacian eigenvectors| (lap_pe), and counts of incident edges by their features.
    """
    graphs, encodings = held.graphs, [subject.encoding for subject in subjects]
    graph = graphs.node_graph.numpy()
    counts = np.stack([np.bincount(graph, column, minlength=len(graphs)) for column in marks.T], axis=1)
    sizes = graphs.num_nodes.numpy()[graph]
    share = counts[graph] / sizes[:, None]
    columns = [own_features(graphs, spec), share, sizes[:, None]]
    words = ["own features", "composition and size of the graph"]
    if any(encoding.degree for encoding in encodings):
        degree = np.minimum(targets.sizes[:, 0], DEGREES)
        columns.append((degree[:, None] == np.arange(DEGREES + 1)).astype(float))
        words.append("degrees")
    if any(encoding.spd for encoding in encodings):
        shells = targets.sizes.astype(float)
        columns += [shells, (shells[:, :, None] * share[:, None]).reshape(len(shells), -1)]
        words.append("hop distances")
    walks = max(encoding.rwse for encoding in encodings)
    vectors = max(encoding.lap_pe for encoding in encodings)
    if walks or vectors:
        found = compute_encodings(graphs, EncodingConfig(rwse=walks, lap_pe=vectors))
        if walks:
            columns.append(found.rwse.numpy())
            words.append("random-walk return probabilities")
        if vectors:
            columns.append(found.lap_pe.abs().numpy())
            words.append("Laplacian eigenvectors")
    if spec.edge_features is not None and any(subject.model.reads_edges for subject in subjects):
        columns.append(incident_edges(graphs, spec))
        words.append("features of incident edges")
    return np.concatenate(columns, axis=1).astype(np.float64), words


def told_graphs(held: HeldOut, told: Float[np.ndarray, "nodes columns"]) -> Float[np.ndarray, "graphs columns"]:
    """What is told at the nodes of each graph: mean and sum, and the squared size."""
    ptr = held.graphs.node_ptr.numpy()
    sums = np.add.reduceat(told, ptr[:-1])
    sizes = np.diff(ptr)[:, None]
    return np.concatenate([sums / sizes, sums, sizes.astype(float) ** 2], axis=1)


def told_pairs(
    subjects: Sequence[Subject],
    targets: Targets,
    told: Float[np.ndarray, "nodes columns"],
    marks: Float[np.ndarray, "nodes types"],
    hops: Float[np.ndarray, " pairs"],
    most_hops: int,
) -> Float[np.ndarray, "pairs columns"]:
    """What is told of two nodes: their types, the shells around them, their graph; with encoding.spd their distance."""
    one, other = targets.pairs.T
    columns = [marks[one] + marks[other], marks[one] * marks[other], told[one, -1:], told[one] + told[other]]
    if any(subject.encoding.spd for subject in subjects):
        shells = targets.sizes.astype(float)
        columns += [
            (np.minimum(hops, most_hops)[:, None] == np.arange(1, most_hops + 1)).astype(float),
            hops[:, None] * (marks[one] + marks[other]),
            hops[:, None],
            shells[one] + shells[other],
        ]
    return np.concatenate(columns, axis=1).astype(np.float64)


def own_features(graphs: PackedGraphs, spec: TaskSpec) -> Float[np.ndarray, "nodes columns"]:
    """Categories one-hot, those that occur; continuous features as they are, at most WIDEST principal components."""
    x = graphs.x.numpy()
    if spec.node_features.kind == "categorical":
        return one_hot_columns(x)
    if x.shape[1] <= WIDEST:
        return x.astype(float)
    centred = x.astype(float) - x.mean(0)
    vectors = np.linalg.eigh(centred.T @ centred)[1][:, -WIDEST:]
    return centred @ vectors


def incident_edges(graphs: PackedGraphs, spec: TaskSpec) -> Float[np.ndarray, "nodes columns"]:
    """Sums over the edges that arrive at each node: of categories one-hot, or of continuous features."""
    values = graphs.edge_attr.numpy()
    values = one_hot_columns(values) if spec.edge_features.kind == "categorical" else values.astype(float)
    out = np.zeros((graphs.x.size(0), values.shape[1]))
    np.add.at(out, graphs.global_edge_index[1].numpy(), values)
    return out


def one_hot_columns(values: np.ndarray) -> Float[np.ndarray, "rows columns"]:
    """One column of 0 and 1 for every value that a column has."""
    return np.concatenate([(column[:, None] == np.unique(column)).astype(float) for column in values.T], axis=1)
