"""Explained predictions: what each node and edge contributes, as tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from gnn_distill.analysis.attribution import Attribution
from gnn_distill.data.encodings.distances import UNREACHABLE
from gnn_distill.results.spreadsheets import to_csv
from gnn_distill.storage.files import replace_file

ROLES = ("teacher", "student")
NODES, EDGES, GRAPHS, HOPS = "nodes.csv", "edges.csv", "graphs.csv", "hops.csv"
DIGITS = "%.6g"
MOST_NODES = 1000
"""Nodes that tables list for an explained node, the strongest."""


@dataclass(frozen=True)
class Explained:
    """One graph, or one node with the graph around it."""

    name: str
    """Its number in the input, or in the data of the run."""
    atoms: Sequence[str]
    """Element of each node; else its category, or empty. Around an explained node the labels."""
    edges: Int[np.ndarray, "edges 2"]
    """Nodes that are joined, each pair once."""
    asked: str
    """What f is: `class 1`, `logS`."""
    models: Mapping[str, Attribution]
    """By role what its parts contribute to f; the two directions of an edge together, as one of `edges`."""
    bonds: Sequence[str] = ()
    """Kind of each edge of a molecule."""
    attention: Float[np.ndarray, " nodes"] | None = None
    """Rollout of the student's attention; None: it has no matrix of attention between nodes."""
    smiles: str | None = None
    root: int | None = None
    """The place of the explained node; None: the graph is explained."""
    numbers: Int[np.ndarray, " nodes"] | None = None
    """Around an explained node: numbers of the nodes in the data."""
    hops: Int[np.ndarray, " nodes"] | None = None
    """Around an explained node: from each node to it along edges; UNREACHABLE without a path."""

    @property
    def title(self) -> str:
        """`CCO`, `graph 13`, `node 13`."""
        return self.smiles or self.numbered

    @property
    def numbered(self) -> str:
        """`graph 13`, `node 13`."""
        return f"{'graph' if self.root is None else 'node'} {self.name}"

    @property
    def names(self) -> list[str]:
        """Of the nodes: `N13` for atoms, else `node 13`."""
        numbers = range(len(self.atoms)) if self.numbers is None else self.numbers
        return [
            f"{atom}{number}" if self.smiles else f"node {number}"
            for number, atom in zip(numbers, self.atoms, strict=True)
        ]

    def strongest(self, most: int) -> "Explained":
        """Around an explained node: that node and those with the largest parts of Σ|a|, and the edges among them."""
        if self.root is None or len(self.atoms) <= most:
            return self
        strength = np.max([shares_of(found.nodes) for found in self.models.values()], axis=0)
        strength[self.root] = np.inf
        kept = np.sort(np.argsort(-strength, kind="stable")[:most])
        place = np.full(len(self.atoms), -1)
        place[kept] = np.arange(len(kept))
        inside = (place[self.edges] >= 0).all(axis=1)
        return replace(
            self,
            atoms=[self.atoms[node] for node in kept],
            edges=place[self.edges[inside]],
            models={
                role: replace(
                    found, nodes=found.nodes[kept], edges=None if found.edges is None else found.edges[inside]
                )
                for role, found in self.models.items()
            },
            attention=None if self.attention is None else self.attention[kept],
            root=int(place[self.root]),
            numbers=self.numbers[kept],
            hops=self.hops[kept],
        )

    def carried(self, role: str) -> Attribution | None:
        """What a model says; None if it is not explained."""
        return self.models.get(role)


@dataclass
class Explanations:
    """All graphs, and how they were explained."""

    name: str
    """Of the run."""
    data: str
    method: str
    tolerance: float
    unit: str
    """Of f."""
    graphs: list[Explained]
    notes: list[str] = field(default_factory=list)

    @property
    def roles(self) -> list[str]:
        """The models, teacher first."""
        return [role for role in ROLES if any(role in graph.models for graph in self.graphs)]

    @property
    def of_nodes(self) -> bool:
        """Whether nodes are explained instead of graphs."""
        return any(one.root is not None for one in self.graphs)

    @property
    def what(self) -> str:
        """The column that names what is explained."""
        return "of_node" if self.of_nodes else "graph"

    def inaccurate(self, role: str) -> list[Explained]:
        """The graphs whose attributions miss f(x) − f(baseline) by more than the tolerance."""
        return [one for one in self.graphs if role in one.models and one.models[role].error > self.tolerance]


def agreement(explained: Explained) -> float | None:
    """Spearman's rank correlation of teacher and student over nodes; None where there is none."""
    from scipy.stats import spearmanr

    if not {*ROLES} <= {*explained.models} or len(explained.atoms) < 3:
        return None
    both = [explained.models[role].nodes for role in ROLES]
    if any(np.ptp(values) == 0 for values in both):
        return None
    return float(spearmanr(*both).statistic)


def write_tables(folder: Path, explanations: Explanations) -> None:
    """nodes.csv, edges.csv and graphs.csv; of explained nodes hops.csv, too."""
    tables = {NODES: node_table(explanations), EDGES: edge_table(explanations), GRAPHS: graph_table(explanations)}
    if explanations.of_nodes:
        tables[HOPS] = hop_table(explanations)
    for name, table in tables.items():
        replace_file(folder / name, to_csv(table, DIGITS))


def node_table(explanations: Explanations) -> pd.DataFrame:
    """A row for each node; around an explained node for the strongest, with their hops to it and their labels."""
    rows = [
        (
            *(one.name, node if one.numbers is None else one.numbers[node]),
            *([_hops(one.hops[node])] if explanations.of_nodes else []),
            *(atom, *(_at(one.carried(role), "nodes", node) for role in ROLES), _entry(one.attention, node)),
        )
        for one in (every.strongest(MOST_NODES) for every in explanations.graphs)
        for node, atom in enumerate(one.atoms)
    ]
    about = ["hops", "label"] if explanations.of_nodes else ["atom"]
    return pd.DataFrame(rows, columns=[explanations.what, "node", *about, *ROLES, "attention"])


def edge_table(explanations: Explanations) -> pd.DataFrame:
    """A row for each edge; cells of models that read no edge features are empty."""
    rows = [
        (
            one.name,
            *(ends if one.numbers is None else one.numbers[ends]),
            one.bonds[edge] if one.bonds else "",
            *(_at(one.carried(role), "edges", edge) for role in ROLES),
        )
        for one in (every.strongest(MOST_NODES) for every in explanations.graphs)
        for edge, ends in enumerate(one.edges.tolist())
    ]
    return pd.DataFrame(rows, columns=[explanations.what, "source", "target", "bond", *ROLES])


def graph_table(explanations: Explanations) -> pd.DataFrame:
    """A row for each graph, or explained node, and model: whether its attributions are complete."""
    rows = [
        (
            *(one.name, one.smiles or "", one.asked, role),
            *(model.value, model.baseline, model.total, model.size, model.error, model.gradients),
        )
        for one in explanations.graphs
        for role, model in one.models.items()
    ]
    names = ["smiles", "explained", "model", "value", "baseline", "sum", "size", "error", "gradients"]
    return pd.DataFrame(rows, columns=[explanations.what, *names])


def hop_table(explanations: Explanations) -> pd.DataFrame:
    """Around each explained node what the nodes at each distance have: Σa, and their share of Σ|a| and of attention."""
    rows = []
    for one in explanations.graphs:
        for hops in np.unique(one.hops):
            there = one.hops == hops
            models = [one.carried(role) for role in ROLES]
            rows.append((
                *(one.name, _hops(hops), int(there.sum())),
                *(None if model is None else float(model.nodes[there].sum()) for model in models),
                *(None if model is None else float(shares_of(model.nodes)[there].sum()) for model in models),
                None if one.attention is None else float(one.attention[there].sum()),
            ))  # fmt: skip
    shares = [f"{role}_share" for role in ROLES]
    return pd.DataFrame(rows, columns=[explanations.what, "hops", "nodes", *ROLES, *shares, "attention"])


def _hops(hops: int) -> str:
    """Empty without a path."""
    return "" if hops == UNREACHABLE else str(hops)


def shares_of(values: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
    """|a| / Σ|a|."""
    return np.abs(values) / (np.abs(values).sum() or 1.0)


def _at(model: Attribution | None, part: str, place: int) -> float | None:
    return None if model is None else _entry(getattr(model, part), place)


def _entry(values: np.ndarray | None, place: int) -> float | None:
    return None if values is None else float(values[place])
