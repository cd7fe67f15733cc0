"""Node sets in the layout of the Open Graph Benchmark: tables without headers (.csv.gz) in raw/ and split/<scheme>/."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int

from gnn_distill.data.reading.node_folder import NodeArrays, whole_chunks
from gnn_distill.errors import UserError

EDGES, FEATURES, LABELS, COUNT = "edge.csv.gz", "node-feat.csv.gz", "node-label.csv.gz", "num-node-list.csv.gz"
PARTS = ("train", "valid", "test")
CHUNK = 1 << 20
"""Rows of a table that are read at once."""


def is_ogb_folder(folder: Path) -> bool:
    """Whether a folder has OGB's files of one graph."""
    return (folder / "raw" / EDGES).is_file()


def read_ogb(folder: Path, scratch: Path) -> NodeArrays:
    """The arrays of a set; features and edges go through files in `scratch` that vanish once nothing reads them.

    The split is that of the only folder in split/. Raises UserError for missing or malformed tables.
    """
    raw = folder / "raw"
    nodes = int(_whole(raw / COUNT)[0, 0])
    labels = _whole(raw / LABELS)
    if labels.shape != (nodes, 1):
        raise UserError(f"{raw / LABELS}: must have {nodes:,} rows of one class each; it is {list(labels.shape)}.")
    y = np.where(np.isnan(labels[:, 0]), -1, labels[:, 0]).astype(np.int64)
    x = _to_disk(raw / FEATURES, np.float32, scratch)
    if len(x) != nodes:
        raise UserError(f"{raw / FEATURES}: has {len(x):,} rows for {nodes:,} nodes. Restore the file.")
    edges = _to_disk(raw / EDGES, np.int64, scratch)
    return NodeArrays(x, whole_chunks(edges.T), y, _read_split(folder / "split", nodes))


def _read_split(folder: Path, nodes: int) -> Int[np.ndarray, "nodes 1"]:
    schemes = sorted(path for path in folder.glob("*") if path.is_dir())
    if len(schemes) != 1:
        found = ", ".join(path.name for path in schemes) or "none"
        raise UserError(f"{folder}: must hold one split, as OGB's files have it; found {found}.")
    part = np.full((nodes, 1), -1, dtype=np.int8)
    for number, name in enumerate(PARTS):
        file = schemes[0] / f"{name}.csv.gz"
        ids = _whole(file)[:, 0].astype(np.int64)
        if len(ids) and (ids.min() < 0 or ids.max() >= nodes):
            raise UserError(f"{file}: names nodes that do not exist; there are {nodes:,}. Restore the file.")
        part[ids] = number
    return part


def _whole(file: Path) -> np.ndarray:
    return np.concatenate([*_pieces(file)])


def _to_disk(file: Path, kind: type, scratch: Path) -> np.ndarray:
    """The table as a memory map of an unnamed file, which the system removes with its last reader."""
    with tempfile.TemporaryFile(dir=scratch) as out:
        columns = rows = 0
        for piece in _pieces(file):
            columns, rows = piece.shape[1], rows + len(piece)
            piece.astype(kind).tofile(out)
        out.flush()
        return np.memmap(out, kind, "r", shape=(rows, columns)) if rows else np.empty((0, 2), kind)


def _pieces(file: Path) -> Iterator[np.ndarray]:
    """The numbers of a table without a header."""
    try:
        for piece in pd.read_csv(file, header=None, chunksize=CHUNK):
            if not all(pd.api.types.is_numeric_dtype(kind) for kind in piece.dtypes):
                raise UserError(f"{file}: holds words where numbers must be. Restore the file.")
            yield piece.to_numpy()
    except (OSError, EOFError, ValueError, pd.errors.ParserError) as error:
        raise UserError(f"{file}: cannot be read ({type(error).__name__}: {error}). Restore the file.") from error
