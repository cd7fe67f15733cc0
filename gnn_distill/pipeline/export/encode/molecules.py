"""Molecules as graphs with categorical features, by the vocabularies of the training data."""

import re

import numpy as np

CHIRALITY = 1
"""The column of atoms with the code of their chirality."""
ATOM = (
    *("GetAtomicNum", "GetChiralTag", "GetTotalDegree", "GetFormalCharge", "GetTotalNumHs"),
    *("GetNumRadicalElectrons", "GetHybridization", "GetIsAromatic", "IsInRing"),
)
BOND = ("GetBondType", "GetStereo", "GetIsConjugated")
ODD_SPACES = re.compile("[\u00a0\u00ad\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff]")


def from_smiles(smiles, settings):
    """The graph of a molecule: codes of its atoms and bonds, each bond in both directions."""
    from rdkit import Chem

    molecule = Chem.MolFromSmiles(ODD_SPACES.sub("", smiles).strip()) if len(smiles) <= settings["longest"] else None
    if molecule is None or not molecule.GetNumAtoms():
        raise ValueError(f"Not a readable SMILES: {smiles[:60]!r}")
    x = np.array([_codes(atom, ATOM, settings["atoms"]) for atom in molecule.GetAtoms()])
    if settings["chirality"] == "cip":
        _set_cip_codes(x, molecule, settings["cip"])
    bonds = list(molecule.GetBonds())
    ends = np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in bonds], dtype=np.int64).reshape(-1, 2)
    codes = np.array([_codes(bond, BOND, settings["bonds"]) for bond in bonds]).reshape(-1, len(BOND))
    return {"x": x, "edge_index": np.concatenate([ends, ends[:, ::-1]]).T, "edge_attr": np.concatenate([codes, codes])}


def _codes(part, readers, columns):
    """The codes of an atom or bond; a value without one has that of the nearest number, or of `other`."""
    row = []
    for reader, column in zip(readers, columns, strict=True):
        value = getattr(part, reader)()
        row.append(column["codes"].get(str(value), column["below" if value < 0 else "above"]))
    return row


def _set_cip_codes(x, molecule, cip):
    """R and S in the place of tags, which depend on how a molecule is written."""
    from rdkit import Chem
    from rdkit.Chem import rdCIPLabeler

    tags = (Chem.ChiralType.CHI_TETRAHEDRAL_CW, Chem.ChiralType.CHI_TETRAHEDRAL_CCW)
    centres = [atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetChiralTag() in tags]
    labelled = Chem.Mol(molecule)
    try:
        rdCIPLabeler.AssignCIPLabels(labelled, maxRecursiveIterations=cip["steps"])
    except RuntimeError:  # the steps did not suffice
        labelled = None
    for centre in centres:
        atom = labelled and labelled.GetAtomWithIdx(centre)
        label = atom.GetProp("_CIPCode") if atom and atom.HasProp("_CIPCode") else ""
        x[centre, CHIRALITY] = cip["codes"].get(label, cip["none"])
