"""Node sets on disk: one graph as a folder of memory maps, written in passes and read without a copy in memory.

A folder holds nodes.json and, as .npy files, x [nodes, features] float32, in_ptr [nodes + 1] int64, in_source [edges]
int32 (int64 from 2^31 nodes on), y [nodes] int32 and part [nodes, folds] int8. The edges into node i come from
in_source[in_ptr[i]:in_ptr[i+1]], ascending. y is -1 where there is no label; part is 0, 1 or 2 for training,
validation and test, and -1 for nodes in none.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from gnn_distill.data.in_edges import ROWS, InEdges
from gnn_distill.errors import UserError
from gnn_distill.storage.checksums import read_json, write_json
from gnn_distill.storage.files import fingerprint, writing

DESCRIPTION = "nodes.json"
ARRAYS = ("x", "in_ptr", "in_source", "y", "part")
BLOCK = 1 << 22
"""Edges that are looked at at once."""
RANGE = 1 << 25
"""Edges that are sorted at once: a quarter of a gigabyte of keys."""
REMEDY = "Convert it again: gnn-distill convert INPUT -o FOLDER."
Chunks = Callable[[], Iterator[Int[np.ndarray, "2 edges"]]]
"""Reads all edges in pieces, sources in row 0 and targets in row 1, from the start at every call."""


@dataclass(frozen=True)
class NodeArrays:
    """What a node folder is made of."""

    x: Float[np.ndarray, "nodes features"]
    """Any array that can be sliced, of any number format."""
    edges: Chunks
    y: Int[np.ndarray, " nodes"]
    """The class of every node, from 0; negative: none."""
    part: Int[np.ndarray, "nodes folds"] | None
    """As in the folder; None: there is no split, and `dataset.split` draws one."""


@dataclass(frozen=True)
class NodeFolder:
    """An open node folder; its arrays are memory maps."""

    folder: Path
    about: dict[str, Any]
    x: np.ndarray
    in_edges: InEdges
    y: np.ndarray
    part: np.ndarray | None


def write_node_folder(folder: Path, arrays: NodeArrays, name: str, undirected: bool = True) -> None:
    """Write a node folder next to its place, and move it there when it is complete.

    Parallel edges are merged; undirected: the reverse of every edge is added. Only y, part and RANGE edges at a time
    are held in memory. Raises UserError, and leaves nothing, for what cannot be learned: features that are not
    finite, edges to unknown nodes, classes with gaps.
    """
    _check_labels(name, arrays)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with writing(folder):
        partial.mkdir(parents=True)
        _write(folder, partial, arrays, name, undirected)


def _write(folder: Path, partial: Path, arrays: NodeArrays, name: str, undirected: bool) -> None:
    nodes = len(arrays.y)
    try:
        x = _create(partial, "x", np.float32, arrays.x.shape)
        for start in range(0, nodes, ROWS):
            x[start : start + ROWS] = arrays.x[start : start + ROWS]
            if not np.isfinite(x[start : start + ROWS]).all():
                raise UserError(f"{name}: some features are NaN or infinite. Fix or remove such nodes.")
        listed, kept, kinds = _write_edges(partial, name, nodes, arrays.edges, undirected)
        np.save(partial / "y.npy", arrays.y.astype(np.int32))
        if arrays.part is not None:
            np.save(partial / "part.npy", arrays.part.astype(np.int8))
        x.flush()
        files = {path.name: fingerprint(path) for path in sorted(partial.glob("*.npy"))}
        about = {"nodes": nodes, "features": x.shape[1], "classes": int(arrays.y.max()) + 1, "edges": kept}
        about |= {"listed_edges": listed, "undirected": undirected, "kinds": kinds, "split": arrays.part is not None}
        write_json(partial / DESCRIPTION, {"name": name, **about, "files": files})
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def open_node_folder(folder: Path, key: str) -> NodeFolder:
    """The folder's arrays, mapped. `key` names it in messages.

    Raises UserError where there is none, a file is missing, or the arrays cannot be those of one graph.
    """
    if not (folder / DESCRIPTION).is_file():
        raise UserError(f"{key}: no node folder is here ({DESCRIPTION} is missing). {REMEDY}")
    about = read_json(folder / DESCRIPTION, REMEDY)
    try:
        wanted = [name for name in ARRAYS if name != "part" or about["split"]]
        maps = {name: np.load(folder / f"{name}.npy", mmap_mode="c", allow_pickle=False) for name in wanted}
        found = NodeFolder(folder, about, maps["x"], InEdges(maps["in_ptr"], maps["in_source"]), maps["y"], None)
        _check_arrays(found, maps.get("part"))
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise UserError(f"{key}: cannot be read ({type(error).__name__}: {error}). {REMEDY}") from error
    return NodeFolder(folder, about, found.x, found.in_edges, found.y, maps.get("part"))


def whole_chunks(edge_index: Int[np.ndarray, "2 edges"]) -> Chunks:
    """The pieces of an array of all edges, which may be a memory map."""
    return lambda: (edge_index[:, start : start + BLOCK] for start in range(0, edge_index.shape[1], BLOCK))


def _check_labels(name: str, arrays: NodeArrays) -> None:
    y, part, nodes = arrays.y, arrays.part, len(arrays.y)
    wrong = []
    if arrays.x.ndim != 2 or len(arrays.x) != nodes:
        wrong.append(f"x must be [{nodes:,}, features], one row per label; it is {list(arrays.x.shape)}.")
    counts = np.bincount(y[y >= 0]) if (y >= 0).any() else np.zeros(1)
    if (absent := np.flatnonzero(counts == 0)).size:
        wrong.append(f"no node is of class {', '.join(map(str, absent[:5]))}: number the classes from 0 without gaps.")
    elif len(counts) < 2:
        wrong.append("all nodes are of class 0: there is nothing to learn.")
    if part is not None and (part.ndim != 2 or len(part) != nodes or part.min() < -1 or part.max() > 2):
        wrong.append(f"part must be [{nodes:,}, folds] of -1, 0, 1 and 2; it is {part.dtype} {list(part.shape)}.")
    elif part is not None and ((part >= 0) & (y < 0)[:, None]).any():
        wrong.append("nodes without a label are in the split. Leave them out of it.")
    if wrong:
        raise UserError(f"{name}: {' '.join(wrong)}")


def _write_edges(folder: Path, name: str, nodes: int, chunks: Chunks, undirected: bool) -> tuple[int, int, list[str]]:
    """Write in_ptr and in_source; the number of edges listed and kept, and which kinds of `edge_kinds` occur."""
    counts, listed = np.zeros(nodes, dtype=np.int64), 0
    for chunk in chunks():
        if chunk.size and (chunk.min() < 0 or chunk.max() >= nodes):
            raise UserError(f"{name}: there are edges to nodes beyond the {nodes:,} that have a label. Remove them.")
        listed += chunk.shape[1]
        for row in (1, 0) if undirected else (1,):
            counts += np.bincount(chunk[row], minlength=nodes)
    ends, bounds = counts.cumsum(), [0]
    while bounds[-1] < nodes:  # at least one node at a time
        before = ends[bounds[-1] - 1] if bounds[-1] else 0
        bounds.append(max(int(np.searchsorted(ends, before + RANGE, side="right")), bounds[-1] + 1))
    kind = np.int32 if nodes <= np.iinfo(np.int32).max else np.int64
    degree, loops, kept = np.zeros(nodes, dtype=np.int64), False, 0
    with open(folder / "in_source.npy", "wb") as file:
        _header(file, kind, int(ends[-1]))
        for low, high in pairwise(bounds):
            found = []
            for chunk in chunks():
                for source, target in (chunk, chunk[::-1]) if undirected else (chunk,):
                    picked = (target >= low) & (target < high)
                    found.append(target[picked].astype(np.int64) * nodes + source[picked])
            keys = np.concatenate([*found, np.empty(0, dtype=np.int64)])
            del found
            keys.sort()  # in place: np.unique would hold them several times
            keys = keys[np.diff(keys, prepend=-1) > 0]
            target, source = keys // nodes, keys % nodes
            degree += np.bincount(target, minlength=nodes)
            loops, kept = loops or bool((source == target).any()), kept + len(keys)
            source.astype(kind).tofile(file)
        _header(file, kind, kept)  # numpy leaves room for as many digits as a count may have
    ptr = _create(folder, "in_ptr", np.int64, (nodes + 1,))
    np.cumsum(degree, out=ptr[1:])
    ptr.flush()
    kinds = ["edges from a node to itself"] if loops else []
    return listed, kept, kinds if undirected else ["edges in one direction only", *kinds]


def _header(file: Any, kind: type, length: int) -> None:
    file.seek(0)
    about = {"descr": np.lib.format.dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(file, about)


def _create(folder: Path, name: str, kind: type, shape: tuple[int, ...]) -> np.ndarray:
    return np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, shape)


def _check_arrays(found: NodeFolder, part: np.ndarray | None) -> None:
    """Raise ValueError unless the arrays fit each other; all but features is read once, in blocks."""
    nodes, ptr, source = len(found.y), found.in_edges.ptr, found.in_edges.source
    if (
        len(found.x) != nodes
        or found.x.dtype != np.float32
        or len(ptr) != nodes + 1
        or ptr[0]
        or ptr[-1] != len(source)
    ):
        raise ValueError("the numbers of nodes and edges of its files differ")
    if (np.diff(ptr) < 0).any() or (part is not None and (part.ndim != 2 or len(part) != nodes)):
        raise ValueError("in_ptr must ascend, and part must have a row for every node")
    for start in range(0, len(source), BLOCK):
        block = source[start : start + BLOCK]
        if block.min() < 0 or block.max() >= nodes:
            raise ValueError("in_source names nodes that do not exist")
