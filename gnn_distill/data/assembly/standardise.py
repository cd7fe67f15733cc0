"""What is read of a molecule: all of it, its largest fragment, or that without charges; and which are salts."""

from collections.abc import Sequence

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.rdBase import BlockLogs

from gnn_distill.data.assembly.molecules import LARGEST_CANONICAL, parse
from gnn_distill.errors import shorten


def standardised(molecule: str | Chem.Mol, standard: str) -> str | Chem.Mol | None:
    """The molecule as `standard` has it, as SMILES if it becomes another; None if it cannot be read.

    largest_fragment: that with most atoms, of organic ones if there are any. neutral: that fragment, in which protons
    balance charges as far as they can: an acid for its anion; a quaternary nitrogen keeps its charge, and so do all
    where RDKit could not read the result, such as cyclopentadienyl. Molecules of more than LARGEST_CANONICAL atoms stay
    as they are.
    Raises ValueError if it is impossible.
    """
    if standard == "none" or (isinstance(molecule, str) and not _concerned(molecule, standard)):
        return molecule
    read = parse(molecule)
    if read is None or read.GetNumAtoms() > LARGEST_CANONICAL:
        return None if read is None else molecule
    with BlockLogs():
        kept = rdMolStandardize.LargestFragmentChooser(preferOrganic=True).choose(read)
        if standard == "neutral":
            neutral = Chem.MolToSmiles(rdMolStandardize.Uncharger().uncharge(kept))
            return neutral if Chem.MolFromSmiles(neutral) is not None else Chem.MolToSmiles(kept)
        return Chem.MolToSmiles(kept)


def _concerned(smiles: str, standard: str) -> bool:
    """Whether a SMILES may have several fragments or, for `neutral`, a charge; most have neither."""
    return "." in smiles or (standard == "neutral" and any(sign in smiles for sign in "+-"))


def describe_fragments(rows: Sequence[tuple[int, str]], total: int, standard: str) -> list[str]:
    """A notice of molecules of several fragments, if there are any. rows: (line, SMILES) as they are written."""
    found = [(line, smiles, carbons) for line, smiles in rows if len(carbons := _fragments(smiles)) > 1]
    if not found:
        return []
    line, first, _ = found[0]
    mixtures = sum(sum(carbons) > 1 for *_, carbons in found)
    done = "kept as they are; dataset.standardise=largest_fragment or neutral reads one fragment of each"
    if standard != "none":
        done = f"the largest is read (dataset.standardise={standard})"
    return [
        f"{len(found):,} of {total:,} molecules have several fragments, as salts and mixtures have (first: line "
        f"{line}: '{shorten(first)}'), {mixtures} of them several with carbon: {done}."
    ]


def _fragments(smiles: str) -> list[bool]:
    """For each fragment of a SMILES whether it has carbon. A dot may also be inside a ring that is closed elsewhere."""
    if "." not in smiles or (molecule := parse(smiles)) is None:
        return []
    atoms = Chem.GetMolFrags(molecule)
    return [any(molecule.GetAtomWithIdx(index).GetAtomicNum() == 6 for index in fragment) for fragment in atoms]
