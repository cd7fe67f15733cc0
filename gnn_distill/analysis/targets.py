"""What probes ask of a model's states: structure near and far, of nodes, graphs and pairs, whatever the labels."""

from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int

from gnn_distill.analysis import structure
from gnn_distill.analysis.bridges import bridges, parts
from gnn_distill.analysis.functional_groups import functional_groups
from gnn_distill.analysis.held_out import HeldOut
from gnn_distill.analysis.node_types import NodeTypes, one_hot, typed_rows
from gnn_distill.analysis.pairs import NEAR, Between, between, draw_pairs
from gnn_distill.data.encodings.colours import node_colours
from gnn_distill.data.encodings.dense import dense_adjacency, equal_size_groups

LARGE = 3_000
"""Nodes of a graph from which on only targets of distances and types are computed."""
WL_ROUNDS = 2
FAR_TYPE = 3
"""Hops to the nearest node of a type count where they are more than this."""
ROWS = 1 << 24
"""Entries of a matrix of distances that are compared at a time."""


@dataclass(frozen=True)
class Target:
    """A quantity of every node, graph or pair."""

    name: str
    level: str
    """node, graph or pair."""
    family: str
    reach: str = ""
    """local, far or geometry; empty: by `hop`."""
    hop: int = 0
    """The distance at which typed shells and typed pairs count; 0 for others."""
    binary: bool = False


@dataclass
class Values:
    """Targets of one level and their values, [row, target]; NaN where a row has none."""

    targets: list[Target] = field(default_factory=list)
    columns: list[Float[np.ndarray, " rows"]] = field(default_factory=list)

    def add(self, values: np.ndarray, *target: str, reach: str = "", hop: int = 0, binary: bool = False) -> None:
        """Add a column: its values, name, level and family."""
        self.targets.append(Target(*target, reach=reach, hop=hop, binary=binary))
        self.columns.append(np.asarray(values, dtype=np.float32))

    @property
    def array(self) -> Float[np.ndarray, "rows targets"]:
        """All columns."""
        return np.stack(self.columns, axis=1) if self.columns else np.zeros((0, 0), dtype=np.float32)


@dataclass
class Targets:
    """All targets of some graphs, and what the told baseline needs beside."""

    node: Values
    graph: Values
    pair: Values
    pairs: Int[np.ndarray, "pairs 2"]
    """Rows of the nodes of each pair."""
    sizes: Int[np.ndarray, "nodes hops"]
    """Number of nodes at each distance."""
    colours: Int[np.ndarray, " nodes"]
    """Weisfeiler-Leman colour after two rounds, numbered from 0."""

    def to_state(self) -> dict:
        """Tensors and plain values, as `checkpoint.save` takes them."""
        levels = {name: getattr(self, name) for name in ("node", "graph", "pair")}
        return {
            **{name: torch.from_numpy(values.array) for name, values in levels.items()},
            "names": {name: [asdict(target) for target in values.targets] for name, values in levels.items()},
            **{name: torch.from_numpy(getattr(self, name)) for name in ("pairs", "sizes", "colours")},
        }

    @classmethod
    def from_state(cls, state: dict) -> "Targets":
        """The inverse of `to_state`."""
        levels = {
            name: Values([Target(**values) for values in state["names"][name]], list(state[name].numpy().T))
            for name in ("node", "graph", "pair")
        }
        return cls(**levels, **{name: state[name].numpy() for name in ("pairs", "sizes", "colours")})


def make_targets(
    held: HeldOut, types: NodeTypes, rows: Int[np.ndarray, " nodes"], hops: int, pairs: int, seed: int, groups: bool
) -> Targets:
    """All targets of the held-out graphs.

    rows: where their nodes are in `types`. hops: largest distance of typed shells and pairs. pairs: most pairs a
    graph. groups: whether functional groups can be read (`functional_groups.readable`).
    """
    marks = one_hot(types, rows)
    raw = raw_structure(held, marks, hops)
    node, graph, kinds = Values(), Values(), types.names
    ptr = held.graphs.node_ptr.numpy()

    def total(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values, ptr[:-1]) if len(values) else values

    for k in range(1, hops + 1):
        for t, kind in enumerate(kinds):
            node.add(raw["shells"][:, k - 1, t], f"{kind} at {k} hops", "node", "typed shells", hop=k)
    for k in range(1, hops + 1):
        for t, one in enumerate(kinds):
            for s in range(t, len(kinds)):
                count = total(marks[:, t] * raw["shells"][:, k - 1, s]) / (2 if s == t else 1)
                graph.add(count, f"pairs {one}, {kinds[s]} at {k} hops", "graph", "typed pairs", hop=k)
    for t, kind in enumerate(kinds):
        far = np.where(raw["nearest"][:, t] > FAR_TYPE, raw["nearest"][:, t], np.nan)
        node.add(far, f"hops to the nearest {kind}, where > {FAR_TYPE}", "node", "nearest of a type", reach="far")
    if "ring" in raw:
        add_rings(node, graph, raw, total)
        add_whole_graph(node, graph, raw)
    if groups:
        names, member = functional_groups(held.graphs)
        for name, column in zip(names, member.T, strict=True):
            node.add(column, f"in {name}", "node", "functional groups", reach="local", binary=True)
            graph.add(total(column.astype(float)), f"atoms in {name}", "graph", "functional groups", reach="local")
    for name in ("eccentricity", "closeness"):
        node.add(raw[name], name, "node", "geometry", reach="geometry")
    for k in range(1, 4):
        node.add(raw["sizes"][:, :k].sum(1), f"nodes within {k} hops", "node", "geometry", reach="geometry")
    colours = node_colours(typed(held, types, rows), WL_ROUNDS).numpy()
    pair, drawn = pair_targets(held, marks, kinds, raw, pairs, seed) if "paths" in raw else (Values(), no_pairs())
    return Targets(node, graph, pair, drawn, raw["sizes"], np.unique(colours, return_inverse=True)[1])


def add_rings(node: Values, graph: Values, raw: dict, total: "object") -> None:
    """Targets of cycles and substructures."""
    ring, local = raw["ring"], {"reach": "local"}
    node.add(raw["on cycle"], "on a cycle", "node", "rings", binary=True, **local)
    for size in range(3, structure.LARGEST_RING + 1):
        here = ring == size
        node.add(here, f"smallest ring {size}", "node", "rings", binary=True, **local)
        graph.add(total(here.astype(float)), f"nodes of smallest ring {size}", "graph", "rings", **local)
    for name in ("triangles", "4-cycles", "clustering", "core number"):
        node.add(raw[name], name, "node", "substructures", **local)
        graph.add(total(raw[name].astype(float)), f"sum of {name}", "graph", "substructures", **local)


def add_whole_graph(node: Values, graph: Values, raw: dict) -> None:
    """Targets that no neighbourhood tells."""
    node.add(raw["betweenness"], "betweenness", "node", "betweenness", reach="far")
    graph.add(raw["gap"], "spectral gap", "graph", "whole graph", reach="far")
    graph.add(raw["diameter"], "diameter", "graph", "whole graph", reach="far")


def raw_structure(held: HeldOut, marks: Float[np.ndarray, "nodes types"], hops: int) -> dict[str, np.ndarray]:
    """Quantities of all nodes and graphs by name, computed for all graphs of one size at once.

    `paths` holds σ (see `structure.path_counts`) graph by graph. Of graphs with LARGE nodes or more only distances
    and types are read, and other names are missing.
    """
    plain, sizes = held.plain, held.graphs.num_nodes
    whole = int(sizes.max()) < LARGE
    nodes = len(marks)
    raw: dict[str, np.ndarray] = {
        "shells": np.zeros((nodes, hops, marks.shape[1]), dtype=np.float32),
        "nearest": np.full((nodes, marks.shape[1]), np.nan, dtype=np.float32),
        "sizes": np.zeros((nodes, hops), dtype=np.int64),
    }
    names = ("ring", "triangles", "4-cycles", "clustering", "core number", "betweenness")
    for name in ("eccentricity", "closeness", *(names if whole else ())):
        raw[name] = np.zeros(nodes)
    paths: list[np.ndarray | None] = [None] * len(sizes)
    if whole:
        raw["gap"], raw["diameter"] = np.zeros(len(sizes)), np.zeros(len(sizes))
    first = held.graphs.node_ptr.numpy()
    for ids in equal_size_groups(sizes):
        d = np.stack([held.distances_of(graph) for graph in ids.tolist()])
        at = first[ids.numpy()][:, None] + np.arange(d.shape[1])
        for part in np.array_split(np.arange(d.shape[1]), -(-d[0].size // ROWS)):
            fill_shells(raw, d[:, part], marks[at], at[:, part], hops)
        raw["eccentricity"][at] = structure.eccentricity(d)
        raw["closeness"][at] = structure.closeness(d)
        if whole:
            a = (dense_adjacency(plain, ids).numpy() > 0).astype(np.float32)
            sigma = structure.path_counts(d, a)
            raw["ring"][at] = structure.smallest_rings(d, a)
            raw["triangles"][at] = structure.triangles(a)
            raw["4-cycles"][at] = structure.four_cycles(a)
            raw["clustering"][at] = structure.clustering(a)
            raw["core number"][at] = structure.core_numbers(a)
            raw["betweenness"][at] = structure.betweenness(d, a, sigma)
            raw["gap"][ids.numpy()] = structure.spectral_gap(a)
            raw["diameter"][ids.numpy()] = structure.eccentricity(d).max(1)
            for graph, counts in zip(ids.tolist(), sigma, strict=True):
                paths[graph] = counts
    if whole:
        add_bridges(held, raw)
        raw["paths"] = paths
    return raw


def fill_shells(raw: dict, d: np.ndarray, marks: np.ndarray, at: np.ndarray, hops: int) -> None:
    """Typed shells, their sizes and the nearest node of each type, for some rows of distances."""
    shells = structure.typed_shells(d, marks, max(hops, structure.longest(d)))
    raw["shells"][at] = shells[:, :, :hops]
    raw["sizes"][at] = structure.shell_sizes(d, hops)
    found = shells > 0
    raw["nearest"][at] = np.where(found.any(2), found.argmax(2) + 1, np.nan)


def add_bridges(held: HeldOut, raw: dict) -> None:
    """Bridges, the parts joined without them, and which nodes are on a cycle."""
    plain = held.plain
    edges, nodes = plain.global_edge_index.numpy(), plain.x.size(0)
    component = parts(edges, np.ones(edges.shape[1], dtype=bool), nodes)
    roots = np.unique(component, return_index=True)[1][component]
    graph, first = plain.node_graph.numpy(), plain.node_ptr.numpy()
    start, sizes = held.pair_ptr.numpy()[:-1], plain.num_nodes.numpy()
    depth = held.distances.numpy()[
        start[graph] + (roots - first[graph]) * sizes[graph] + np.arange(nodes) - first[graph]
    ]
    raw["bridge"] = bridges(edges, depth, nodes)
    raw["part"] = parts(edges, ~raw["bridge"], nodes)
    raw["on cycle"] = np.zeros(nodes, dtype=bool)
    raw["on cycle"][edges[:, ~raw["bridge"]].ravel()] = True


def pair_targets(
    held: HeldOut, marks: np.ndarray, kinds: tuple[str, ...], raw: dict, most: int, seed: int
) -> tuple[Values, Int[np.ndarray, "pairs 2"]]:
    """What lies between at most `most` pairs of every graph; path targets of pairs NEAR hops apart or more."""
    random, plain, ptr = np.random.default_rng(seed), held.plain, held.graphs.node_ptr.tolist()
    cut, drawn, found = raw["bridge"], [], []
    for graph in range(len(held.graphs)):
        first, last = ptr[graph], ptr[graph + 1]
        d = held.distances_of(graph)
        pairs = draw_pairs(d, most, random)
        edges = slice(*plain.edge_ptr[graph : graph + 2].tolist())
        ends = plain.edge_index[:, edges].numpy()[:, cut[edges]]
        ends = ends[:, ends[0] < ends[1]]
        found.append(between(pairs, d, raw["paths"][graph], marks[first:last], ends, raw["part"][first:last]))
        drawn.append(pairs + first)
    if not sum(map(len, drawn)):
        return Values(), no_pairs()
    whole = Between(*(np.concatenate([getattr(part, name) for part in found]) for name in Between.__dataclass_fields__))
    values, far = Values(), whole.hops >= NEAR

    def add(column: np.ndarray, name: str, binary: bool = False) -> None:
        values.add(np.where(far, column, np.nan), name, "pair", "between two nodes", reach="far", binary=binary)

    for t, kind in enumerate(kinds):
        add(whole.types[:, t], f"{kind} on shortest paths")
    add(whole.bridges, "bridges between")
    add(whole.same_part, "in one part without bridges", binary=True)
    values.add(whole.hops, "distance", "pair", "geometry", reach="geometry")
    values.add(whole.hops == 1, "edge", "pair", "geometry", reach="geometry", binary=True)
    return values, np.concatenate(drawn)


def no_pairs() -> Int[np.ndarray, "pairs 2"]:
    """None."""
    return np.zeros((0, 2), dtype=np.int64)


def typed(held: HeldOut, types: NodeTypes, rows: np.ndarray) -> "object":
    """The plain graphs with types as their only feature."""
    from dataclasses import replace

    return replace(held.plain, x=typed_rows(types, rows))
