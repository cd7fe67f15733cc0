"""Molecules: SMILES to graphs, and the scaffold split."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rdkit import Chem
from rdkit.Chem import rdCIPLabeler
from rdkit.rdBase import BlockLogs
from torch_geometric.data import Data
from torch_geometric.utils.smiles import e_map, x_map

from gnn_distill.data.assembly.splits import check_fold, to_splits
from gnn_distill.data.task import Features, Splits
from gnn_distill.errors import UserError, shorten
from gnn_distill.formatting import counted

ATOM_FEATURES = Features("categorical", tuple(len(values) for values in x_map.values()))
BOND_FEATURES = Features("categorical", tuple(len(values) for values in e_map.values()))

LONGEST = 20_000
"""Most characters of a SMILES: RDKit's time grows quadratically, and a field of megabytes is not a molecule."""
LARGEST_SCAFFOLD = 1_000
"""Most atoms of a molecule with rings: RDKit's time for a scaffold grows cubically, to seconds here."""
LARGEST_CANONICAL = 5_000
"""Most atoms: RDKit's canonicalisation recurses once per atom, and a stack overflow ends the process."""

CHIRALITY = 1
"""The column of an atom's chirality, in PyG's and in ogb's coding."""
TETRAHEDRAL = (Chem.ChiralType.CHI_TETRAHEDRAL_CW, Chem.ChiralType.CHI_TETRAHEDRAL_CCW)
CIP_CODES = {"R": 1, "r": 1, "S": 2, "s": 2}
"""The codes that PyG and ogb use for the tags CW and CCW."""
NO_CIP_CODE = 4
"""A stereocentre without a label; PyG's CHI_TETRAHEDRAL, ogb's misc."""
CIP_STEPS = 100_000
"""Step limit of the search for CIP labels: about 0.1 s, which only very symmetric molecules need."""
ODD_SPACES = re.compile("[\u00a0\u00ad\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff]")
"""Invisible spaces, or spaces that look like a blank: copying from a page adds them to a SMILES."""


def _vocabulary(values: Sequence, other: str | None = None) -> tuple[dict, Callable]:
    """The code of every value, and a function for other values: the code of `other`, or of the nearest number."""
    codes = {value: code for code, value in enumerate(values)}
    if other is not None:
        return codes, lambda value: codes[other]
    return codes, lambda value: codes[min(max(value, values[0]), values[-1])]


# The property, the codes of its values, and the code of any other value.
ATOM = (
    (Chem.Atom.GetAtomicNum, *_vocabulary(x_map["atomic_num"])),
    (lambda atom: str(atom.GetChiralTag()), *_vocabulary(x_map["chirality"], "CHI_OTHER")),
    (Chem.Atom.GetTotalDegree, *_vocabulary(x_map["degree"])),
    (Chem.Atom.GetFormalCharge, *_vocabulary(x_map["formal_charge"])),
    (Chem.Atom.GetTotalNumHs, *_vocabulary(x_map["num_hs"])),
    (Chem.Atom.GetNumRadicalElectrons, *_vocabulary(x_map["num_radical_electrons"])),
    (lambda atom: str(atom.GetHybridization()), *_vocabulary(x_map["hybridization"], "OTHER")),
    (Chem.Atom.GetIsAromatic, *_vocabulary(x_map["is_aromatic"])),
    (Chem.Atom.IsInRing, *_vocabulary(x_map["is_in_ring"])),
)
BOND = (
    (lambda bond: str(bond.GetBondType()), *_vocabulary(e_map["bond_type"], "OTHER")),
    (lambda bond: str(bond.GetStereo()), *_vocabulary(e_map["stereo"], "STEREOANY")),
    (Chem.Bond.GetIsConjugated, *_vocabulary(e_map["is_conjugated"])),
)


def parse(smiles: str | Chem.Mol) -> Chem.Mol | None:
    """RDKit's molecule, odd spaces removed; None if RDKit cannot parse it, without atoms, or if longer than LONGEST.

    An RDKit molecule loses the hydrogens that its SMILES would not have. Raises ValueError if it is impossible.
    """
    with BlockLogs():
        if not isinstance(smiles, str):
            molecule = Chem.RemoveHs(smiles)
        elif len(smiles) > LONGEST:
            return None
        else:
            molecule = Chem.MolFromSmiles(ODD_SPACES.sub("", smiles).strip())
    return molecule if molecule is not None and molecule.GetNumAtoms() else None


def parses(text: str) -> bool:
    """Whether RDKit can read a text as SMILES."""
    try:
        return parse(text) is not None
    except ValueError:  # text that is not Unicode
        return False


def smiles_to_data(smiles: str | Chem.Mol, chirality: str = "tags") -> Data | None:
    """The graph of a molecule with the features of PyG's `from_smiles`; None if it cannot be read.

    x: [n, 9] long; edge_index: [2, 2·bonds]; edge_attr: [2·bonds, 3] long. A value outside PyG's
    vocabularies, for which `from_smiles` fails, gets the code of the nearest number, or of "other", and sets `clipped`.
    chirality: tags, as RDKit reads them, which depend on how a molecule is written; or cip, its R and S, which do not.
    """
    molecule = parse(smiles)
    if molecule is None:
        return None
    clipped = False

    def codes(of: Chem.Atom | Chem.Bond, columns: tuple) -> list[int]:
        nonlocal clipped
        row = []
        for read, known, other in columns:
            value = read(of)
            clipped |= value not in known
            row.append(known[value] if value in known else other(value))
        return row

    data = to_graph(molecule, partial(codes, columns=ATOM), partial(codes, columns=BOND), chirality)
    order = (data.edge_index[0] * len(data.x) + data.edge_index[1]).argsort()
    data.edge_index, data.edge_attr = data.edge_index[:, order].contiguous(), data.edge_attr[order]
    data.clipped = clipped
    return data


def to_graph(molecule: Chem.Mol, atom_codes: Callable, bond_codes: Callable, chirality: str) -> Data:
    """Atoms as nodes, each bond in both directions, bond by bond, with the given codes of both."""
    x = torch.tensor([atom_codes(atom) for atom in molecule.GetAtoms()])
    if chirality == "cip":
        set_cip_codes(x, molecule)
    ends, bonds = [], []
    for bond in molecule.GetBonds():
        a, b = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        ends += [(a, b), (b, a)]
        bonds += [bond_codes(bond)] * 2
    edge_index = torch.tensor(ends, dtype=torch.long).view(-1, 2).t().contiguous()
    return Data(x=x, edge_index=edge_index, edge_attr=torch.tensor(bonds, dtype=torch.long).view(-1, len(BOND)))


def set_cip_codes(x: torch.Tensor, molecule: Chem.Mol) -> None:
    """Replace the tags of tetrahedral stereocentres by R and S, in column CHIRALITY of x: [n, ...].

    A tag, clockwise or not, depends on the order in which the neighbours are written; a label (Cahn, Ingold & Prelog,
    here by the rules of Hanson et al. 2018) on the neighbours themselves. In some molecules like inositol, with
    a ring of equal stereocentres, RDKit's labels still depend on how they are written.
    """
    centres = [atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetChiralTag() in TETRAHEDRAL]
    if not centres:
        return
    labelled = Chem.Mol(molecule)  # the search rewrites the stereo of its bonds
    try:
        rdCIPLabeler.AssignCIPLabels(labelled, maxRecursiveIterations=CIP_STEPS)
    except RuntimeError:  # the steps did not suffice
        labelled = molecule
    for centre in centres:
        atom = labelled.GetAtomWithIdx(centre)
        label = atom.GetProp("_CIPCode") if atom.HasProp("_CIPCode") and labelled is not molecule else ""
        x[centre, CHIRALITY] = CIP_CODES.get(label, NO_CIP_CODE)


def murcko_scaffold(smiles: str) -> str:
    """Bemis-Murcko scaffold without chirality; the empty string for a molecule without rings.

    Raises UserError for a molecule with rings and more than LARGEST_SCAFFOLD atoms.
    """
    from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

    molecule = parse(smiles)
    if molecule is None or not molecule.GetRingInfo().NumRings():
        return ""
    if molecule.GetNumAtoms() > LARGEST_SCAFFOLD:
        raise UserError(
            f"'{shorten(smiles)}' has rings and {molecule.GetNumAtoms():,} atoms; scaffolds are computed for up to "
            f"{LARGEST_SCAFFOLD:,}. Remove the molecule, or choose dataset.split=random."
        )
    return MurckoScaffoldSmiles(mol=molecule, includeChirality=False)


def scaffold_split(scaffolds: Sequence[str], fold: int = 0, folds: int = 10) -> Splits:
    """A tenth for validation and 1/`folds` for test, by scaffold: no scaffold is in two splits.

    Fold 0, with ten folds 80/10/10, is DeepChem's split (Wu et al. 2018, MoleculeNet): largest group first, ties by
    first index, highest first (with ties the other way round, the test split of BACE, which is sorted by class, has one
    class); a group goes to training if it fits, else to validation, else to test. All other molecules are
    distributed to the tests of the other folds, largest group first, to the smallest test so far. Every molecule is
    tested in exactly one fold; a group larger than a test should be makes the test of its fold as large.

    scaffolds: one per molecule. Raises UserError if a split stays empty, or the fold does not exist.
    """
    check_fold(fold, folds, f"a scaffold split with dataset.folds={folds}")
    members: dict[str, list[int]] = defaultdict(list)
    for index, scaffold in enumerate(scaffolds):
        members[scaffold].append(index)
    groups, size = sorted(members.values(), key=lambda ids: (len(ids), ids[0]), reverse=True), len(scaffolds)
    train: list[int] = []
    val: list[int] = []
    test: list[int] = []
    for group in groups:
        if 10 * folds * (len(train) + len(group)) <= (9 * folds - 10) * size:
            train += group
        elif folds * (len(train) + len(val) + len(group)) <= (folds - 1) * size:
            val += group
        else:
            test += group
    if fold:
        test = _distribute(_without(groups, test), folds - 1)[fold - 1]
        train, val = [], []
        for group in _without(groups, test):
            fits = 10 * (len(train) + len(group)) <= 9 * size - 10 * len(test)
            (train if fits else val).extend(group)
    if not (train and val and test):
        raise UserError(
            f"dataset.split=scaffold: {size} molecules with {len(groups)} scaffolds leave a split empty (train/val/test"
            f" {len(train)}/{len(val)}/{len(test)}). Choose dataset.split=random."
        )
    return to_splits(*(np.array(part) for part in (train, val, test)), kind="scaffold")


def _without(groups: list[list[int]], ids: list[int]) -> list[list[int]]:
    """The groups without members in `ids`, which consists of complete groups."""
    gone = set(ids)
    return [group for group in groups if group[0] not in gone]


def _distribute(groups: list[list[int]], parts: int) -> list[list[int]]:
    """Groups, largest first, each assigned to the part that is smallest so far."""
    result: list[list[int]] = [[] for _ in range(parts)]
    for group in groups:
        min(result, key=len).extend(group)
    return result


def describe_invalid(rows: Sequence[tuple[int, str]], total: int) -> str:
    """The number of unreadable SMILES, and the first three. rows: (line in the file, string)."""
    first = ", ".join(f"line {line}: '{shorten(smiles)}'" for line, smiles in rows[:3])
    return f"{len(rows):,} of {total:,} SMILES cannot be read ({'first three: ' if len(rows) > 3 else ''}{first})"


def describe_clipped(rows: Sequence[tuple[int, str]]) -> str:
    """A notice of molecules with values that have no code. rows: (line, SMILES)."""
    first = ", ".join(f"line {line}: '{shorten(smiles)}'" for line, smiles in rows[:3])
    return (
        f"{counted(len(rows), 'molecule has', 'molecules have')} values without a code in PyG's features, "
        f"such as a charge above 6: they count as the nearest, or as 'other' "
        f"({'first three: ' if len(rows) > 3 else ''}{first})."
    )


def handle_invalid(rows: Sequence[tuple[int, str]], total: int, on_invalid: str, path: str | Path) -> list[str]:
    """The notice of skipped SMILES of a file; raises UserError if `on_invalid` is error, or if none is left."""
    if not rows:
        return []
    if on_invalid == "error" or len(rows) == total:
        advice = "Fix them." if on_invalid == "skip" else "Fix them, or set dataset.on_invalid=skip."
        raise UserError(f"{path}: {describe_invalid(rows, total)}. {advice}")
    return [f"{describe_invalid(rows, total)}: skipped."]
