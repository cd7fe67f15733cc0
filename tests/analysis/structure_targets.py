"""Targets by their names, as NetworkX, RDKit and plain loops compute them: slow, and independent of the package."""

from itertools import combinations

import networkx as nx
import numpy as np
from rdkit import Chem
from rdkit.Chem import Fragments

LARGEST = 8


def network(graphs, graph: int) -> nx.Graph:
    """One graph without directions and loops."""
    edges = slice(*graphs.edge_ptr[graph : graph + 2].tolist())
    found = nx.Graph()
    found.add_nodes_from(range(int(graphs.num_nodes[graph])))
    found.add_edges_from(edge for edge in graphs.edge_index[:, edges].T.tolist() if edge[0] != edge[1])
    return found


def smallest_ring(g: nx.Graph, node: int) -> int:
    """By leaving out each edge of the node in turn."""
    best = LARGEST + 1
    for other in list(g.neighbors(node)):
        g.remove_edge(node, other)
        if nx.has_path(g, node, other):
            best = min(best, nx.shortest_path_length(g, node, other) + 1)
        g.add_edge(node, other)
    return best if best <= LARGEST else 0


def four_cycles(g: nx.Graph, node: int) -> int:
    return sum(
        g.has_edge(a, j) and g.has_edge(b, j)
        for a, b in combinations(g.neighbors(node), 2)
        for j in g.nodes
        if j != node and j not in (a, b)
    )


def node_values(g: nx.Graph, types: list[int], common: tuple[int, ...], names: tuple[str, ...], hops: int) -> dict:
    """Every node target but functional groups: [node] by name."""
    d = {i: dict(nx.single_source_shortest_path_length(g, i)) for i in g.nodes}
    values = {}
    for kind, name in zip(common, names, strict=True):
        for k in range(1, hops + 1):
            values[f"{name} at {k} hops"] = [
                sum(types[j] == kind for j in g.nodes if d[i].get(j) == k) for i in g.nodes
            ]
        nearest = [min((d[i][j] for j in d[i] if j != i and types[j] == kind), default=0) for i in g.nodes]
        values[f"hops to the nearest {name}, where > 3"] = [k if k > 3 else np.nan for k in nearest]
    bridges = {frozenset(edge) for edge in nx.bridges(g)}
    values["on a cycle"] = [any(frozenset((i, j)) not in bridges for j in g.neighbors(i)) for i in g.nodes]
    rings = [smallest_ring(g, i) for i in g.nodes]
    for size in range(3, LARGEST + 1):
        values[f"smallest ring {size}"] = [ring == size for ring in rings]
    for name, by_node in {
        "triangles": nx.triangles(g),
        "4-cycles": {i: four_cycles(g, i) for i in g.nodes},
        "clustering": nx.clustering(g),
        "core number": nx.core_number(g),
        "betweenness": nx.betweenness_centrality(g),
        "eccentricity": {i: max(d[i].values()) for i in g.nodes},
        "closeness": nx.closeness_centrality(g),
        **{f"nodes within {k} hops": {i: sum(0 < h <= k for h in d[i].values()) for i in g.nodes} for k in (1, 2, 3)},
    }.items():
        values[name] = [by_node[i] for i in g.nodes]
    return {name: np.array(column, dtype=float) for name, column in values.items()}


def graph_values(g: nx.Graph, types: list[int], common: tuple[int, ...], names: tuple[str, ...], hops: int) -> dict:
    """Every graph target but functional groups, by name."""
    d = dict(nx.all_pairs_shortest_path_length(g))
    values = {}
    for s, one in enumerate(common):
        for t in range(s, len(common)):
            for k in range(1, hops + 1):
                wanted = sorted((one, common[t]))
                values[f"pairs {names[s]}, {names[t]} at {k} hops"] = sum(
                    d[i].get(j) == k and sorted((types[i], types[j])) == wanted for i, j in combinations(g.nodes, 2)
                )
    node = node_values(g, types, (), (), 0)
    for size in range(3, LARGEST + 1):
        values[f"nodes of smallest ring {size}"] = node[f"smallest ring {size}"].sum()
    for name in ("triangles", "4-cycles", "clustering", "core number"):
        values[f"sum of {name}"] = node[name].sum()
    values["spectral gap"] = max(nx.laplacian_spectrum(g)[1], 0.0) if len(g) > 1 else 0.0
    values["diameter"] = max(max(lengths.values()) for lengths in d.values())
    return values


def pair_values(g: nx.Graph, i: int, j: int, types: list[int], common: tuple[int, ...], names: tuple[str, ...]) -> dict:
    """Every pair target, by name; by listing all shortest paths."""
    paths = list(nx.all_shortest_paths(g, i, j))
    hops = len(paths[0]) - 1
    bridges = {frozenset(edge) for edge in nx.bridges(g)}
    crossed = sum(frozenset(edge) in bridges for edge in zip(paths[0], paths[0][1:], strict=False))
    values = {
        f"{name} on shortest paths": np.mean([sum(types[v] == kind for v in path[1:-1]) for path in paths])
        for kind, name in zip(common, names, strict=True)
    }
    values |= {"bridges between": crossed, "in one part without bridges": crossed == 0}
    if hops < 4:
        values = dict.fromkeys(values, np.nan)
    return values | {"distance": hops, "edge": hops == 1}


def groups_of(smiles: str) -> dict[str, set[int]]:
    """Atoms in each functional group of RDKit's Fragments, by name."""
    molecule = Chem.MolFromSmiles(smiles)
    patterns = {name: function.__defaults__[1] for name, function in Fragments.fns}
    return {
        name: {a for match in molecule.GetSubstructMatches(p) for a in match} for name, p in patterns.items()
    }  # fmt: skip
