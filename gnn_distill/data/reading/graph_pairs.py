"""Graphs without labels or features whose pairs a model may tell apart: SR25, graph8c, BREC; and copies of them."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import networkx as nx
import numpy as np
import torch
from torch_geometric.data import download_url

from gnn_distill.config.schema.separate import CATEGORIES
from gnn_distill.data.packed import PackedGraphs, mean_log_degree
from gnn_distill.data.reading.mirror import folder_of, read
from gnn_distill.data.sources.graph_families import pack as pack_networks
from gnn_distill.data.task import Features, TaskSpec

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import DatasetConfig, PathsConfig

GITHUB = "https://raw.githubusercontent.com"
MATLANG = f"{GITHUB}/balcilar/gnn-matlang/0d90cb17056c1599bbd627f9c6cd994b160feadd/dataset"


class PairSet(NamedTuple):
    """A set of graphs."""

    files: tuple[str, ...]
    """Raw files with graphs in graph6 code, in their order: a line each (.g6), or an array of them (.npy)."""
    url: str
    """Address of their folder."""
    counts: tuple[int, ...]
    """Graphs in each file."""


SETS = {
    # McKay and Spence; Balcilar et al. (2021).
    "sr25": PairSet(("sr251256.g6",), f"{MATLANG}/sr25/raw", (15,)),
    # McKay; Balcilar et al. (2021).
    "graph8c": PairSet(("graph8c.g6",), f"{MATLANG}/graph8c/raw", (11_117,)),
    # Wang and Zhang (2024); pairs are neighbours, and in the order of the authors' numbers.
    "brec": PairSet(
        ("basic.npy", "regular.npy", "str.npy", "extension.npy", "cfi.npy", "4vtx.npy", "dr.npy"),
        f"{GITHUB}/GraphPKU/BREC/966b5ed5c27bf6372ea081f90ef8c8b2a3342ebc/customize/Data/raw",
        (120, 100, 100, 200, 200, 40, 40),
    ),
}
"""By dataset.source."""
PAIRS = dict(zip(CATEGORIES, (range(*ends) for ends in pairwise((0, 60, 160, 260, 360, 380, 400))), strict=True))
"""Numbers of BREC's pairs in each category; pair p is graphs 2p and 2p + 1."""


def load_graphs(dataset: "DatasetConfig", paths: "PathsConfig") -> PackedGraphs:
    """The graphs of SR25, graph8c or BREC, in the order of their files; all nodes alike.

    Raises UserError if files are missing, cannot be read, or hold another number of graphs than the published ones.
    """
    known, folder = SETS[dataset.source], folder_of(dataset.source, dataset.name)
    url = f"{known.url}/{known.files[0]}"
    return read(lambda root: build(Path(root).parent / folder / "raw", known), folder, [*known.files], url, paths)


def build(raw: Path, known: PairSet) -> PackedGraphs:
    """The graphs of the raw files, downloaded if missing. Raises ValueError for another number of graphs."""
    codes = []
    for file, count in zip(known.files, known.counts, strict=True):
        if not (raw / file).is_file():
            download_url(f"{known.url}/{file}", str(raw), log=False)
        found = read_codes(raw / file)
        if len(found) != count:
            raise ValueError(f"{file} holds {len(found)} graphs, not {count}")
        codes += found
    return pack(nx.from_graph6_bytes(code) for code in codes)


def read_codes(path: Path) -> list[bytes]:
    """The graph6 codes of a file: its lines, or the entries of its array, row by row."""
    if path.suffix == ".g6":
        return path.read_bytes().split()
    return [code if isinstance(code, bytes) else code.encode() for code in np.load(path).ravel().tolist()]


def pack(graphs: Iterable[nx.Graph]) -> PackedGraphs:
    """Flat tensors of graphs on nodes 0, 1, …: edges in both directions, sorted; the only feature is always 0."""
    networks = [*graphs]
    features = torch.zeros(sum(map(len, networks)), 1, dtype=torch.long)
    return pack_networks(networks, features, torch.zeros(len(networks), 1), "graph")


def relabelled(graphs: PackedGraphs, rng: np.random.Generator) -> PackedGraphs:
    """The same graphs without features, their nodes in random order; edges sorted."""
    graph_of_node = graphs.node_graph.numpy()
    order = np.lexsort((rng.random(len(graph_of_node)), graph_of_node))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))  # a node's new row, among those of its own graph
    edges = place[graphs.global_edge_index.numpy()]
    edges = edges[:, np.lexsort((edges[1], edges[0]))]
    starts = graphs.node_ptr[:-1].repeat_interleave(graphs.num_edges)
    return replace(graphs, edge_index=torch.from_numpy(edges) - starts)


def spec_of(name: str, graphs: PackedGraphs, outputs: int) -> TaskSpec:
    """The description of a model that maps such graphs to `outputs` numbers."""
    return TaskSpec(
        name=name,
        kind="regression",
        level="graph",
        num_outputs=outputs,
        node_features=Features("categorical", (1,)),
        edge_features=None,
        metric="mae",
        higher_is_better=False,
        target_names=tuple(map(str, range(outputs))),
        target_mean=(0.0,) * outputs,
        target_std=(1.0,) * outputs,
        log_degree=mean_log_degree(graphs, torch.arange(len(graphs))),
    )
