"""Fragments of molecules: the pieces into which retrosynthetic rules cut them."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Int
from rdkit import Chem
from rdkit.Chem import BRICS
from rdkit.rdBase import BlockLogs
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch_geometric.utils.smiles import e_map, x_map

from gnn_distill.data.assembly import molecules, molecules_ogb
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import TaskSpec
from gnn_distill.errors import UserError

# Both codings have the same order of columns: number, chirality, degree, charge, hydrogens, radicals, ..., aromatic.
NUMBER, CHARGE, HYDROGENS, RADICALS, AROMATIC = 0, 3, 4, 5, 7
BONDS = {
    molecules.ATOM_FEATURES: [Chem.BondType.names.get(name) for name in e_map["bond_type"]],
    molecules_ogb.ATOM_FEATURES: molecules_ogb.BOND_TYPE,
}
"""The bond type of every code, by the features of the atoms."""
FIRST_NUMBER = {molecules.ATOM_FEATURES: x_map["atomic_num"][0], molecules_ogb.ATOM_FEATURES: 1}


def brics_fragments(
    graphs: PackedGraphs, spec: TaskSpec, advance: Callable[[int], None] = lambda count: None
) -> Int[Tensor, " nodes"]:
    """The fragment of every atom, numbered over all molecules: pieces left when every BRICS bond is cut.

    BRICS (Degen et al. 2008) by RDKit, on molecules rebuilt from their features, which contain all that its rules need;
    a molecule that RDKit refuses is one fragment. The graphs are molecules, as `check_molecules` checks.
    """
    starts, kept = graphs.node_ptr.tolist(), []
    quiet = BlockLogs()  # RDKit reports what it refuses
    for first, (molecule, ends) in zip(starts, rebuilt_molecules(graphs, spec), strict=False):
        cut = brics_bonds(molecule)
        kept += [(first + a, first + b) for a, b in ends if (a, b) not in cut and (b, a) not in cut]
        advance(1)
    del quiet
    source, target = np.array(kept, dtype=np.int64).reshape(-1, 2).T
    size = graphs.x.size(0)
    joined = csr_array((np.ones(len(source), dtype=bool), (source, target)), shape=(size, size))
    return torch.from_numpy(connected_components(joined, directed=False)[1]).long()


def check_molecules(
    spec: TaskSpec, setting: str = "alignment.source=fragment", others: str = "ego, walk or cluster"
) -> None:
    """Raise UserError, naming the setting and its other choices, if the graphs are not molecules."""
    if not spec.molecules or spec.node_features not in BONDS:
        raise UserError(f"{setting}: {spec.name} does not contain molecules as RDKit reads them. Choose {others}.")


def rebuilt_molecules(graphs: PackedGraphs, spec: TaskSpec) -> Iterator[tuple[Chem.Mol | None, list[list[int]]]]:
    """Every molecule, rebuilt from its features (None if RDKit refuses it), and the ends of its edges."""
    bonds, offset = BONDS[spec.node_features], FIRST_NUMBER[spec.node_features]
    nodes, edges = graphs.node_ptr.tolist(), graphs.edge_ptr.tolist()
    for (begin, end), (first, last) in zip(pairwise(nodes), pairwise(edges), strict=True):
        ends = graphs.edge_index[:, first:last].T.tolist()
        kinds = [bonds[code] if code < len(bonds) else None for code in graphs.edge_attr[first:last, 0].tolist()]
        yield rebuild(graphs.x[begin:end].tolist(), ends, kinds, offset), ends


def rebuild(
    atoms: list[list[int]], ends: list[list[int]], kinds: list[Chem.BondType | None], first_number: int
) -> Chem.Mol | None:
    """The molecule of these features, its atoms in their order; None if RDKit refuses it."""
    molecule = Chem.RWMol()
    for features in atoms:
        atom = Chem.Atom(features[NUMBER] + first_number)
        atom.SetFormalCharge(features[CHARGE] - 5)
        atom.SetNoImplicit(True)
        atom.SetNumExplicitHs(features[HYDROGENS])
        atom.SetNumRadicalElectrons(features[RADICALS])
        atom.SetIsAromatic(bool(features[AROMATIC]))
        molecule.AddAtom(atom)
    for (a, b), kind in zip(ends, kinds, strict=True):
        if a < b:
            if kind is None:
                return None
            molecule.AddBond(a, b, kind)
    refused = Chem.SanitizeMol(molecule, catchErrors=True)
    return None if refused else molecule.GetMol()


def brics_bonds(molecule: Chem.Mol | None) -> set[tuple[int, int]]:
    """Ends of the bonds that the rules cut."""
    return set() if molecule is None else {ends for ends, _ in BRICS.FindBRICSBonds(molecule)}
