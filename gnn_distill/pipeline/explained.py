"""From attributions to what tables and pages show: graphs with atoms and bonds, nodes with what surrounds them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from gnn_distill.analysis.attribution import Attribution
from gnn_distill.analysis.hops import Distances
from gnn_distill.data.assembly.molecules import parse
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import TaskSpec
from gnn_distill.pipeline.explained_nodes import ChosenNodes
from gnn_distill.results.explanations import Explained


def explained_graphs(
    graphs: PackedGraphs,
    names: Sequence[str],
    smiles: Sequence[str] | None,
    asked: Sequence[str],
    found: Mapping[str, Sequence[Attribution]],
    attention: Sequence[Float[np.ndarray, " nodes"]] | None,
) -> list[Explained]:
    """Graphs, molecules where there are SMILES."""
    explained = []
    for place, x in enumerate(graphs.x.split(graphs.num_nodes.tolist())):
        edges, pair_of = pairs(_edges(graphs, place))
        written = (smiles and smiles[place]) or None
        atoms, bonds = _words(x, edges, written)
        explained.append(
            Explained(
                name=names[place],
                atoms=atoms,
                edges=edges,
                asked=asked[place],
                models={role: _by_pair(values[place], pair_of, len(edges)) for role, values in found.items()},
                bonds=bonds,
                attention=attention and attention[place],
                smiles=written,
            )
        )
    return explained


def explained_nodes(
    chosen: ChosenNodes,
    spec: TaskSpec,
    asked: Sequence[str],
    found: Mapping[str, Sequence[Attribution]],
    attention: Sequence[Float[np.ndarray, " nodes"]] | None,
) -> list[Explained]:
    """The chosen nodes, each with all nodes of its graph, their labels, and their hops to it along edges."""
    graphs, distances = chosen.graphs, Distances(chosen.graphs)
    joined = [pairs(_edges(graphs, graph)) for graph in range(len(graphs))]
    labels = [_labels(y, spec) for y in graphs.y.split(graphs.num_nodes.tolist())]
    explained = []
    for number, (graph, place) in enumerate(chosen.of):
        edges, pair_of = joined[graph]
        numbers = chosen.numbers[graph]
        explained.append(
            Explained(
                name=str(numbers[place]),
                atoms=labels[graph],
                edges=edges,
                asked=asked[number],
                models={role: _by_pair(values[number], pair_of, len(edges)) for role, values in found.items()},
                attention=attention and attention[number],
                root=place,
                numbers=numbers,
                hops=distances.search(graph, place),
            )
        )
    return explained


def _edges(graphs: PackedGraphs, place: int) -> Int[Tensor, "2 edges"]:
    return graphs.edge_index[:, int(graphs.edge_ptr[place]) : int(graphs.edge_ptr[place + 1])]


def _labels(y: Float[Tensor, "node target"], spec: TaskSpec) -> list[str]:
    """The class of each node in the words of the data; empty where it is unknown, or there is no single one."""
    if spec.kind not in ("binary", "multiclass"):
        return [""] * len(y)
    return ["" if label != label else spec.classes[int(label)] for label in y[:, 0].tolist()]


def _by_pair(found: Attribution, pair_of: Int[np.ndarray, " edges"], count: int) -> Attribution:
    """The two directions of an edge together."""
    return replace(found, edges=None if found.edges is None else np.bincount(pair_of, found.edges, count))


def pairs(edge_index: Int[Tensor, "2 edges"]) -> tuple[Int[np.ndarray, "pairs 2"], Int[np.ndarray, " edges"]]:
    """The pairs of nodes that edges join in either direction, each once, and the pair of each edge."""
    both = np.sort(edge_index.numpy().T.reshape(-1, 2), axis=1)
    found, pair_of = np.unique(both, axis=0, return_inverse=True)
    return found, pair_of.reshape(-1)


def _words(x: Tensor, edges: Int[np.ndarray, "pairs 2"], smiles: str | None) -> tuple[Iterable[str], list[str]]:
    """The element of each atom and the kind of each bond; of other graphs the category of each node."""
    molecule = parse(smiles) if smiles else None
    if molecule is not None:
        bonds = [str(molecule.GetBondBetweenAtoms(*ends).GetBondType()).lower() for ends in edges.tolist()]
        return [atom.GetSymbol() for atom in molecule.GetAtoms()], bonds
    if x.size(1) == 1 and not x.is_floating_point():
        return [str(value) for value in x[:, 0].tolist()], []
    one_hot = x.size(1) > 1 and bool(((x == 0) | (x == 1)).all() and (x.sum(dim=1) == 1).all())
    return [str(value) for value in x.argmax(dim=1).tolist()] if one_hot else [""] * len(x), []
