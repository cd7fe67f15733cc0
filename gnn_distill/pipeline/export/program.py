"""A student traced with one batch, as a program of torch.export or in ONNX, that holds for batches of all sizes."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import Dim, ExportedProgram
from torch.nn.attention import SDPBackend, sdpa_kernel

from gnn_distill.errors import UserError
from gnn_distill.models.flat_student import SIZES, FlatStudent
from gnn_distill.models.predictor import Predictor
from gnn_distill.pipeline.export import encode

INSTALL = 'pip install "gnn-distill[export]"'
TRACED = (3, 7, 4, 9)
"""Nodes of the graphs in the batch with which programs are traced."""


def check_installed() -> None:
    """Raise UserError unless the packages of the extra `export` are here."""
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if util.find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise UserError(f"format=onnx needs {', '.join(missing)}, which {verb} not installed: {INSTALL}")


def traced(predictor: Predictor, settings: dict[str, Any]) -> ExportedProgram:
    """The student as a program of flat tensors with dynamic sizes.

    Raises:
        UserError: if PyTorch cannot trace it.
    """
    graphs = [encode.prepare(graph, settings) for graph in random_graphs(settings, TRACED)]
    inputs = {name: torch.from_numpy(value) for name, value in encode.encode(graphs, settings).items()}
    sizes = {name: Dim(name, min=2) for name in ("nodes", "edges", "graphs", "size")}
    dynamic = {name: {axis: sizes[size] for axis, size in enumerate(SIZES[name]) if size} for name in inputs}
    try:
        with torch.no_grad(), quiet():
            return torch.export.export(
                FlatStudent(predictor.student, predictor.spec), (), inputs, dynamic_shapes=dynamic, strict=False
            )
    except Exception as error:
        raise UserError(f"PyTorch cannot trace this student: {str(error).strip().splitlines()[0]}") from error


def write_pt2(program: ExportedProgram, path: Path) -> None:
    """Write a program for torch.export.load."""
    torch.export.save(program, path)


def write_onnx(program: ExportedProgram, path: Path) -> None:
    """Write a program for onnxruntime and others, with its weights inside."""
    # The exporter runs the program twice, and must find the same kernel of attention, which orders memory its own way.
    with torch.no_grad(), quiet(), sdpa_kernel(SDPBackend.MATH):
        torch.onnx.export(program, (), str(path), dynamo=True, external_data=False, verbose=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the exporters' notes on their progress, and on operations that they replaced."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)


def random_graphs(settings: dict[str, Any], sizes: tuple[int, ...], seed: int = 0) -> list[dict[str, Any]]:
    """Graphs of the model's features: each node but the first is joined to one or two earlier ones, both ways."""
    random = np.random.default_rng(seed)

    def drawn(features: dict[str, Any] | None, rows: int) -> np.ndarray | None:
        if features is None:
            return None
        if features["kind"] == "continuous":
            return random.random((rows, features["sizes"][0]), dtype=np.float32)
        return random.integers(0, features["sizes"], (rows, len(features["sizes"])))

    graphs = []
    for size in sizes:
        ends = {(node, int(other)) for node in range(1, size) for other in random.integers(0, node, 2)}
        edges = np.array(sorted(ends), dtype=np.int64).reshape(-1, 2)
        values = drawn(settings["edge_features"], len(edges))
        graphs.append(
            {
                "x": drawn(settings["node_features"], size),
                "edge_index": np.concatenate([edges, edges[:, ::-1]]).T,
                "edge_attr": None if values is None else np.concatenate([values, values]),
                "num_nodes": size,
            }
        )
    return graphs
