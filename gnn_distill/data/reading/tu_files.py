"""The text files of a TU data set: converted to the format that PyG reads, checked line by line, and counted."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gnn_distill.errors import UserError
from gnn_distill.formatting import counted

WHOLE = ("A", "graph_indicator", "graph_labels", "node_labels", "edge_labels")
DECIMAL = ("graph_attributes", "node_attributes", "edge_attributes")
MISSING_ALLOWED = "graph_attributes"
"""Targets may be missing (nan)."""
MOST_LISTED = 3
Ranges = list[list[int]]


@dataclass
class Facts:
    """What PyG drops or changes when reading, which would be invisible afterwards."""

    lines: int
    """Number of lines of the file of edges."""
    loops: int
    """Number of self-loops, which PyG drops."""
    repeated: int
    """Number of duplicate edges: PyG merges them and sums their features."""
    one_way: int
    """Number of edges without their reverse."""
    labels: list[int]
    """Graph labels in the file, ascending: a class is the index of its label."""
    node_labels: Ranges = field(default_factory=list)
    """Smallest and largest node label of each column: one-hot features count from the smallest."""
    edge_labels: Ranges = field(default_factory=list)
    """The same of edge labels."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class TUCoding:
    """How the files of a set become features: attributes first, then labels one-hot, column by column."""

    node_labels: Ranges
    """Smallest and largest label of each column."""
    edge_labels: Ranges
    node_attr: bool = True
    """Whether attributes are read."""
    edge_attr: bool = True


def tidy(raw: Path, name: str, folder: Path) -> Facts:
    """Copy the files of the set `name` from `raw` to `folder`, in the format that PyG reads, and count their contents.

    Commas between numbers (semicolons and tabs become commas), no byte order mark, a line break at the end. Raises
    UserError as `read_tables` does.
    """
    tables = read_tables(raw, name, folder)
    return Facts(
        **_count_edges(tables["A"]),
        labels=np.unique(tables["graph_labels"]).tolist() if "graph_labels" in tables else [],
        node_labels=label_ranges(tables.get("node_labels")),
        edge_labels=label_ranges(tables.get("edge_labels")),
    )


def read_tables(raw: Path, name: str, folder: Path | None = None) -> dict[str, np.ndarray]:
    """The numbers of each file of the set `name` in `raw`, [lines, columns], by part: A, graph_indicator, …

    folder: where the files are written in the format that PyG reads. Raises UserError, naming file and lines, for text
    that is not a finite number, rows of different length, graphs out of order, and edges to nodes of other graphs or to
    none.
    """
    tables = {}
    for part in (*WHOLE, *DECIMAL):
        path = raw / f"{name}_{part}.txt"
        if path.is_file():
            text = _text(path)
            if folder is not None:
                (folder / path.name).write_text(text, encoding="utf-8")
            tables[part] = _numbers(path, text, part)
    indicator, pairs = (raw / f"{name}_{part}.txt" for part in ("graph_indicator", "A"))
    edges, graphs = tables["A"], tables["graph_indicator"]
    if graphs.shape[1] != 1 or not len(graphs) or graphs[0] != 1 or (np.diff(graphs[:, 0]) < 0).any():
        raise UserError(f"{indicator}: expected one number per line, ascending from 1. Restore the file.")
    if edges.shape[1] != 2:
        raise UserError(f"{pairs}: expected two numbers per line. Restore the file.")
    _forbid(pairs, ((edges < 1) | (edges > len(graphs))).any(1), f"only nodes 1 to {len(graphs)} exist")
    source, target = graphs[edges - 1, 0].T
    _forbid(pairs, source != target, "the two nodes belong to different graphs")
    _forbid(indicator, np.diff(graphs[:, 0], prepend=1) > 1, "the preceding graph has no node")
    _check_lengths(raw, name, {part: len(table) for part, table in tables.items()}, int(graphs[-1, 0]))
    return tables


def label_ranges(labels: np.ndarray | None) -> Ranges:
    """Smallest and largest label of each column; none without labels."""
    if labels is None or not len(labels):
        return []
    return np.stack([labels.min(axis=0), labels.max(axis=0)], axis=1).tolist()


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text ({error.reason} at byte {error.start}). Restore it.") from error
    both = next((number for number, line in enumerate(text.splitlines(), 1) if ";" in line and "," in line), 0)
    if both:
        raise UserError(f"{path}, line {both}: semicolons and commas. Separate numbers by commas; write 0.5, not 0,5.")
    text = text.replace(";", ",").replace("\t", ",").rstrip()
    return f"{text}\n" if text else ""


def _numbers(path: Path, text: str, part: str) -> np.ndarray:
    """The numbers, [lines, columns]."""
    kind = np.int64 if part in WHOLE else np.float64
    if not text:
        return np.empty((0, 0), dtype=kind)
    lines = text.split("\n")[:-1]
    try:
        values = np.loadtxt(lines, dtype=kind, delimiter=",", comments=None, ndmin=2)
    except (ValueError, OverflowError):
        values = np.empty((0, 0))
    if len(values) != len(lines) or (part != MISSING_ALLOWED and not np.isfinite(values).all()):
        _refuse_lines(path, lines, part)
    return values


def _refuse_lines(path: Path, lines: list[str], part: str) -> None:
    """Raise UserError, naming the lines that do not have as many numbers as the first line."""
    width, bad = lines[0].count(",") + 1, []
    for number, line in enumerate(lines, start=1):
        cells = [cell.strip() for cell in line.split(",")]
        wrong = [cell for cell in cells if not _is_number(cell, part)]
        if wrong:
            what = "whole number" if part in WHOLE else "finite number"
            bad.append(f"line {number}: '{wrong[0][:40]}' is not a {what}")
        elif len(cells) != width:
            bad.append(f"line {number}: {len(cells)} numbers, where line 1 has {width}")
    more = f"; and {counted(len(bad) - MOST_LISTED, 'more line')}" if len(bad) > MOST_LISTED else ""
    raise UserError(f"{path}, {'; '.join(bad[:MOST_LISTED])}{more}. Fix or restore the file.")


def _is_number(cell: str, part: str) -> bool:
    try:
        value = int(cell) if part in WHOLE else float(cell)
    except ValueError:
        return False
    return bool(np.isfinite(value)) or (part == MISSING_ALLOWED and value != value)


def _forbid(path: Path, bad: np.ndarray, why: str) -> None:
    lines = np.flatnonzero(bad) + 1
    if len(lines):
        more = f" and {len(lines) - MOST_LISTED} more" if len(lines) > MOST_LISTED else ""
        where = f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines[:MOST_LISTED]))}{more}"
        raise UserError(f"{path}, {where}: {why}. Restore the file.")


def _check_lengths(raw: Path, name: str, lines: dict[str, int], graphs: int) -> None:
    """Raise UserError, naming the files, unless each has one line per graph, node or edge."""
    expected = {"graph": graphs, "node": lines["graph_indicator"], "edge": lines["A"]}
    wrong = [
        f"{name}_{part}.txt has {counted(found, 'line')} for {counted(expected[of], of)}"
        for part, found in lines.items()
        if (of := part.partition("_")[0]) in expected and part != "graph_indicator" and found != expected[of]
    ]
    if wrong:
        raise UserError(f"{raw}: {', '.join(wrong)}: the files do not match each other. Restore them.")


def _count_edges(edges: np.ndarray) -> dict[str, int]:
    """Lines of the file of edges, self-loops, duplicates, and edges without their reverse."""
    kept = edges[edges[:, 0] != edges[:, 1]]
    size = int(edges.max(initial=0)) + 1
    forwards, backwards = (np.unique(kept @ weights) for weights in (np.array([size, 1]), np.array([1, size])))
    return {
        "lines": len(edges),
        "loops": len(edges) - len(kept),
        "repeated": len(kept) - len(forwards),
        "one_way": len(np.setdiff1d(forwards, backwards, assume_unique=True)),
    }
