"""Molecules in the integer coding of the Open Graph Benchmark, which differs from PyG's `from_smiles`."""

from collections.abc import Iterable
from functools import partial

from rdkit import Chem
from torch_geometric.data import Data

from gnn_distill.data.assembly import molecules
from gnn_distill.data.assembly.molecules import parse, to_graph
from gnn_distill.data.task import Features


def _names(group: type, *names: str) -> list:
    return [group.names[name] for name in names]


CHIRALITY = _names(Chem.ChiralType, "CHI_UNSPECIFIED", "CHI_TETRAHEDRAL_CW", "CHI_TETRAHEDRAL_CCW", "CHI_OTHER")
HYBRIDISATION = _names(Chem.HybridizationType, "SP", "SP2", "SP3", "SP3D", "SP3D2")
BOND_TYPE = _names(Chem.BondType, "SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")
STEREO = _names(Chem.BondStereo, "STEREONONE", "STEREOZ", "STEREOE", "STEREOCIS", "STEREOTRANS")


def _codes(values: Iterable) -> dict:
    return {value: code for code, value in enumerate(values)}


# The property, and the values with their own code; all others share the next code, ogb's "misc".
ATOM = (
    (Chem.Atom.GetAtomicNum, _codes(range(1, 119))),
    (Chem.Atom.GetChiralTag, _codes(CHIRALITY)),
    (Chem.Atom.GetTotalDegree, _codes(range(11))),
    (Chem.Atom.GetFormalCharge, _codes(range(-5, 6))),
    (Chem.Atom.GetTotalNumHs, _codes(range(9))),
    (Chem.Atom.GetNumRadicalElectrons, _codes(range(5))),
    (Chem.Atom.GetHybridization, _codes(HYBRIDISATION)),
    (Chem.Atom.GetIsAromatic, _codes([False])),
    (Chem.Atom.IsInRing, _codes([False])),
)
BOND = (
    (Chem.Bond.GetBondType, _codes(BOND_TYPE)),
    (Chem.Bond.GetStereo, _codes(STEREO)),  # the next one is STEREOANY
    (Chem.Bond.GetIsConjugated, _codes([False])),
)
ATOM_FEATURES = Features("categorical", tuple(len(codes) + 1 for _, codes in ATOM))
BOND_FEATURES = Features("categorical", tuple(len(codes) + 1 for _, codes in BOND))
CODINGS = {
    "pyg": (molecules.ATOM_FEATURES, molecules.BOND_FEATURES),
    "ogb": (ATOM_FEATURES, BOND_FEATURES),
}
"""By dataset.features: the features of atoms and bonds."""


def smiles_to_ogb_data(smiles: str | Chem.Mol, chirality: str = "tags") -> Data | None:
    """The graph of a molecule as `ogb.utils.smiles2graph` makes it (Hu et al. 2020, Open Graph Benchmark).

    x: [n, 9] long: atomic number, chirality, degree, charge, hydrogens, radical electrons, hybridisation, aromatic,
    in a ring. edge_index: [2, 2·bonds], each bond in both directions; edge_attr: [2·bonds, 3] long: type, stereo,
    conjugated. None if `parse` reads no molecule. One difference: stereo labels of bonds that ogb does not know
    and refuses count as STEREOANY.
    chirality: tags, as in ogb; or cip, as in `smiles_to_data`.
    """
    molecule = parse(smiles)
    if molecule is None:
        return None
    atom_codes, bond_codes = (partial(_codes_of, columns=columns) for columns in (ATOM, BOND))
    return to_graph(molecule, atom_codes, bond_codes, chirality)


def _codes_of(part: Chem.Atom | Chem.Bond, columns: tuple) -> list[int]:
    return [codes.get(read(part), len(codes)) for read, codes in columns]
