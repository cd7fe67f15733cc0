"""Graphs prepared and checked like the training data: edges, node features, number formats."""

import numpy as np


def prepare(graph, settings):
    """A graph with edges and features prepared like the training data, in the model's number formats, and checked."""
    steps, nodes, edges = settings["steps"], settings["node_features"], settings["edge_features"]
    edge_index = np.asarray(graph["edge_index"], dtype=np.int64).reshape(2, -1)
    edge_attr = None
    if "edge_attr" in settings["inputs"]:
        given = np.zeros((0, width(edges))) if graph["edge_attr"] is None else _columns(graph["edge_attr"])
        if len(given) != edge_index.shape[1]:
            raise ValueError(f"edge_attr needs a row for each of {edge_index.shape[1]} edges.")
        edge_attr = typed(given, edges)
    if steps["max_degree"] is None:
        x = _columns(graph["x"])
        size = len(x)
    else:
        size = len(graph["x"]) if graph["num_nodes"] is None else int(graph["num_nodes"])
    if not size or (edge_index.size and not (edge_index.min() >= 0 and edge_index.max() < size)):
        raise ValueError("A graph needs nodes, and its edges must join them.")
    edge_index, edge_attr = _with_clean_edges(edge_index, edge_attr, size, steps)
    if steps["max_degree"] is not None:
        x = np.minimum(np.bincount(edge_index[1], minlength=size), steps["max_degree"])[:, None]
    x = typed(x, nodes)
    if steps["normalize_features"]:
        total = x.sum(axis=1, keepdims=True)
        x = x / np.where(total == 0, 1, total)
    for values, features in ((x, nodes), (edge_attr, edges)):
        if values is not None and features["kind"] == "categorical" and values.size:
            if values.shape[1] != len(features["sizes"]) or (values < 0).any() or (values >= features["sizes"]).any():
                raise ValueError(f"Features must be categories below {features['sizes']}, column by column.")
        elif values is not None and values.shape[1] != width(features):
            raise ValueError(f"{values.shape[1]} features; the model reads {width(features)}.")
    return {"x": x, "edge_index": edge_index, "edge_attr": edge_attr}


def _with_clean_edges(edge_index, edge_attr, size, steps):
    if steps["drop_loops"]:
        edge_index, edge_attr = _kept(edge_index, edge_attr, edge_index[0] != edge_index[1])
    if steps["undirected"]:
        edge_attr = None if edge_attr is None else np.concatenate([edge_attr, edge_attr])
        edge_index = np.concatenate([edge_index, edge_index[::-1]], axis=1)
    if steps["undirected"] or steps["merge_edges"]:
        edge_index, edge_attr = _merged(edge_index, edge_attr, size)
    if steps["add_reverses"]:
        unpaired = ~np.isin(edge_index[1] * size + edge_index[0], edge_index[0] * size + edge_index[1])
        more, more_attr = _kept(edge_index[::-1], edge_attr, unpaired)
        edge_index = np.concatenate([edge_index, more], axis=1)
        edge_attr = None if edge_attr is None else np.concatenate([edge_attr, more_attr])
    return edge_index, edge_attr


def _kept(edge_index, edge_attr, which):
    return edge_index[:, which], None if edge_attr is None else edge_attr[which]


def _merged(edge_index, edge_attr, size):
    """Parallel edges as one, with the mean of their features (of whole numbers rounded down)."""
    keys, place, counts = np.unique(edge_index[0] * size + edge_index[1], return_inverse=True, return_counts=True)
    if edge_attr is not None:
        sums = np.zeros((len(keys), edge_attr.shape[1]), dtype=edge_attr.dtype)
        np.add.at(sums, place, edge_attr)
        counts = counts.astype(edge_attr.dtype)[:, None]
        edge_attr = sums // counts if edge_attr.dtype == np.int64 else sums / counts
    return np.stack([keys // size, keys % size]), edge_attr


def typed(values, features):
    """Float features, or categories, which must be whole numbers."""
    kind = np.float32 if features["kind"] == "continuous" else np.int64
    typed = values.astype(kind)
    if kind is np.int64 and not np.array_equal(typed, values):
        raise ValueError("Categories must be whole numbers.")
    return typed


def _columns(values):
    """Features as a matrix with a row per node or edge."""
    values = np.asarray(values)
    return values[:, None] if values.ndim == 1 else values


def width(features):
    return len(features["sizes"]) if features["kind"] == "categorical" else features["sizes"][0]
