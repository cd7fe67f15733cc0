"""Functional groups of molecules: which atoms belong to one, by the SMARTS patterns of RDKit's Fragments."""

from itertools import chain

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import TaskSpec

SHARE = 0.05
"""A group counts if at least this share of the molecules has it."""


def readable(spec: TaskSpec) -> bool:
    """Whether molecules can be rebuilt from the features: those of PyG's `from_smiles`."""
    if not spec.molecules or spec.edge_features is None:
        return False
    from gnn_distill.data.assembly.molecules import ATOM_FEATURES, BOND_FEATURES

    return (spec.node_features.sizes, spec.edge_features.sizes) == (ATOM_FEATURES.sizes, BOND_FEATURES.sizes)


def functional_groups(graphs: PackedGraphs) -> tuple[tuple[str, ...], Bool[np.ndarray, "nodes groups"]]:
    """Names (fr_…) of the groups that at least SHARE of the molecules have, and which atoms are in one of each."""
    from rdkit.Chem import Fragments

    patterns = {name: function.__defaults__[1] for name, function in Fragments.fns}
    member = np.zeros((graphs.x.size(0), len(patterns)), dtype=bool)
    has = np.zeros((len(graphs), len(patterns)), dtype=bool)
    for graph in range(len(graphs)):
        first = int(graphs.node_ptr[graph])
        matches = rebuilt(*atoms_and_bonds(graphs, graph)).GetSubstructMatches
        for column, found in enumerate(map(matches, patterns.values())):
            if found:
                member[first + np.array(list(chain(*found))), column] = has[graph, column] = True
    common = has.mean(0) >= SHARE
    return tuple(name for name, kept in zip(patterns, common, strict=True) if kept), member[:, common]


def atoms_and_bonds(graphs: PackedGraphs, graph: int) -> tuple[Tensor, Tensor, Tensor]:
    """x, edge_index and edge_attr of one graph."""
    nodes = slice(*graphs.node_ptr[graph : graph + 2].tolist())
    edges = slice(*graphs.edge_ptr[graph : graph + 2].tolist())
    return graphs.x[nodes], graphs.edge_index[:, edges], graphs.edge_attr[edges]


def rebuilt(x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> "object":
    """The RDKit molecule of a graph with the features of PyG's `from_smiles`, for matching patterns."""
    from rdkit import Chem
    from torch_geometric.utils.smiles import e_map, x_map

    kinds = [getattr(Chem.BondType, name, Chem.BondType.UNSPECIFIED) for name in e_map["bond_type"]]
    molecule = Chem.RWMol()
    for row in x.tolist():
        atom = Chem.Atom(x_map["atomic_num"][row[0]])
        atom.SetFormalCharge(x_map["formal_charge"][row[3]])
        atom.SetNumExplicitHs(x_map["num_hs"][row[4]])
        atom.SetNumRadicalElectrons(x_map["num_radical_electrons"][row[5]])
        atom.SetIsAromatic(bool(row[7]))
        atom.SetNoImplicit(True)
        molecule.AddAtom(atom)
    for (one, other), row in zip(edge_index.T.tolist(), edge_attr.tolist(), strict=True):
        if one < other and molecule.GetBondBetweenAtoms(one, other) is None:
            molecule.AddBond(one, other, kinds[row[0]])
            molecule.GetBondBetweenAtoms(one, other).SetIsAromatic(kinds[row[0]] == Chem.BondType.AROMATIC)
    molecule.UpdatePropertyCache(strict=False)
    Chem.GetSymmSSSR(molecule)
    Chem.SetHybridization(molecule)
    return molecule
