"""Predictions of the exported model beside this folder, of SMILES or graphs; needs no code of the training package.

    from encode import load
    predict = load()  # the model beside this folder
    predict(["CCO", "c1ccccc1"])  # an array: a row per molecule
    predict([{"x": x, "edge_index": edge_index, "edge_attr": edge_attr}])  # a row per graph, or per node

Requires numpy and scipy; RDKit for SMILES; torch for model.pt2, or onnxruntime for model.onnx.
"""

import json
from pathlib import Path

import numpy as np

from .graphs import prepare, typed, width
from .molecules import from_smiles
from .structure import hop_distances, laplacian_eigenvectors, walk_returns

GRAPHS, PAIRS = 128, 1 << 22
"""Most graphs, and most padded pairs of nodes, of a batch; a larger graph is a batch alone."""
PER_NODE = {"rwse": walk_returns, "lap_pe": laplacian_eigenvectors}


def load(folder=None):
    """A function from a list of SMILES or graphs to predictions [rows, outputs]."""
    folder = Path(folder) if folder else Path(__file__).parents[1]
    settings = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    model = run_onnx(folder / "model.onnx") if (folder / "model.onnx").exists() else run_pt2(folder / "model.pt2")

    closing = 2 if settings["level"] == "node" else 1

    def predict(entries):
        graphs = [read(entry, settings) for entry in ([entries] if isinstance(entries, str | dict) else entries)]
        return np.concatenate([model(encode(part, settings))[:-closing] for part in batches(graphs)])

    return predict


def read(entry, settings):
    """A SMILES, or a graph (a dict or an object with x, edge_index, edge_attr), as the model reads it: a dict."""
    if isinstance(entry, str):
        if settings["smiles"] is None:
            raise ValueError(f"This model was trained on {settings['name']}, not on molecules: give graphs.")
        graph = from_smiles(entry, settings)
    else:
        graph = {key: _field(entry, key) for key in ("x", "edge_index", "edge_attr", "num_nodes")}
    return prepare(graph, settings)


def encode(graphs, settings):
    """The model's inputs for a batch of `read` graphs, by name; a graph of two nodes without an answer closes it."""
    nodes, edges = settings["node_features"], settings["edge_features"]
    closing = {"x": typed(np.zeros((2, width(nodes))), nodes), "edge_index": np.array([[0, 1], [1, 0]])}
    if "edge_attr" in settings["inputs"]:
        closing["edge_attr"] = typed(np.zeros((2, width(edges))), edges)
    graphs = [*graphs, closing]
    sizes = np.array([len(graph["x"]) for graph in graphs])
    first = np.cumsum(sizes) - sizes
    offsets = zip(graphs, first, strict=True)
    edge_index = np.concatenate([graph["edge_index"] + offset for graph, offset in offsets], axis=1)
    made = {
        "x": np.concatenate([graph["x"] for graph in graphs]),
        "edge_index": edge_index,
        "batch": np.repeat(np.arange(len(graphs)), sizes),
        "mask": np.arange(sizes.max()) < sizes[:, None],
        "in_degree": np.bincount(edge_index[1], minlength=sizes.sum()).astype(np.int32),
        "out_degree": np.bincount(edge_index[0], minlength=sizes.sum()).astype(np.int32),
    }
    for name in settings["inputs"]:
        if name == "edge_attr":
            made[name] = np.concatenate([graph[name] for graph in graphs])
        elif name == "spd":
            made[name] = np.zeros((len(graphs), sizes.max(), sizes.max()), dtype=np.uint8)
            for place, graph in enumerate(graphs):
                made[name][place, : sizes[place], : sizes[place]] = hop_distances(graph)
        elif name in PER_NODE:
            made[name] = np.concatenate([PER_NODE[name](graph, settings) for graph in graphs]).astype(np.float32)
    return {name: made[name] for name in settings["inputs"]}


def batches(graphs):
    """The graphs in parts, in their order."""
    part, largest = [], 0
    for graph in graphs:
        largest = max(largest, len(graph["x"]))
        if part and (len(part) == GRAPHS or (len(part) + 1) * largest**2 > PAIRS):
            yield part
            part, largest = [], len(graph["x"])
        part.append(graph)
    yield part


def _field(entry, key):
    return entry.get(key) if isinstance(entry, dict) else getattr(entry, key, None)


def run_pt2(path):
    import torch

    program = torch.export.load(path).module()

    def model(inputs):
        with torch.inference_mode():
            return program(**{name: torch.from_numpy(value) for name, value in inputs.items()}).numpy()

    return model


def run_onnx(path):
    from onnxruntime import InferenceSession

    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)[0]
