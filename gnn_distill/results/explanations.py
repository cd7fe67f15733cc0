"""Explained predictions: what each node and edge contributes, as tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from gnn_distill.analysis.attribution import Attribution
from gnn_distill.results.spreadsheets import to_csv
from gnn_distill.storage.files import replace_file

ROLES = ("teacher", "student")
NODES, EDGES, GRAPHS = "nodes.csv", "edges.csv", "graphs.csv"
DIGITS = "%.6g"


@dataclass(frozen=True)
class Explained:
    """One graph."""

    name: str
    """Its number in the input, or in the data of the run."""
    atoms: Sequence[str]
    """Element of each node; else its category, or empty."""
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

    @property
    def names(self) -> list[str]:
        """Of the nodes: `N13` for atoms, else `node 13`."""
        return [f"{atom}{node}" if self.smiles else f"node {node}" for node, atom in enumerate(self.atoms)]

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
    """nodes.csv, edges.csv and graphs.csv."""
    tables = {NODES: node_table(explanations), EDGES: edge_table(explanations), GRAPHS: graph_table(explanations)}
    for name, table in tables.items():
        replace_file(folder / name, to_csv(table, DIGITS))


def node_table(explanations: Explanations) -> pd.DataFrame:
    """A row for each node."""
    rows = [
        (one.name, node, atom, *(_at(one.carried(role), "nodes", node) for role in ROLES), _entry(one.attention, node))
        for one in explanations.graphs
        for node, atom in enumerate(one.atoms)
    ]
    return pd.DataFrame(rows, columns=["graph", "node", "atom", *ROLES, "attention"])


def edge_table(explanations: Explanations) -> pd.DataFrame:
    """A row for each edge; cells of models that read no edge features are empty."""
    rows = [
        (
            one.name,
            *ends,
            one.bonds[edge] if one.bonds else "",
            *(_at(one.carried(role), "edges", edge) for role in ROLES),
        )
        for one in explanations.graphs
        for edge, ends in enumerate(one.edges.tolist())
    ]
    return pd.DataFrame(rows, columns=["graph", "source", "target", "bond", *ROLES])


def graph_table(explanations: Explanations) -> pd.DataFrame:
    """A row for each graph and model: whether its attributions are complete."""
    rows = [
        (one.name, one.smiles or "", one.asked, role, model.value, model.baseline, model.error, model.gradients)
        for one in explanations.graphs
        for role, model in one.models.items()
    ]
    names = ["graph", "smiles", "explained", "model", "value", "baseline", "error", "gradients"]
    return pd.DataFrame(rows, columns=names)


def _at(model: Attribution | None, part: str, place: int) -> float | None:
    return None if model is None else _entry(getattr(model, part), place)


def _entry(values: np.ndarray | None, place: int) -> float | None:
    return None if values is None else float(values[place])
