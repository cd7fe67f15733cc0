"""How far molecules are from those that a model was trained on."""

from collections.abc import Iterable

from rdkit import Chem, DataStructs

from gnn_distill.data.assembly.fingerprints import morgan_generator
from gnn_distill.data.assembly.molecules import parse


class TrainingMolecules:
    """Fingerprints of training molecules."""

    def __init__(self, smiles: Iterable[str]) -> None:
        self._generator = morgan_generator()
        read = (parse(text) for text in dict.fromkeys(smiles))
        self._known = [self._generator.GetFingerprint(molecule) for molecule in read if molecule is not None]

    def __len__(self) -> int:
        return len(self._known)

    def distance(self, molecule: str | Chem.Mol) -> float | None:
        """Tanimoto distance to the nearest one: 0 for the same fingerprint, 1 without a common bit.

        None for what cannot be read.
        """
        try:
            read = parse(molecule)
        except ValueError:  # text that is not Unicode, or an impossible molecule
            return None
        if read is None:
            return None
        return 1.0 - max(DataStructs.BulkTanimotoSimilarity(self._generator.GetFingerprint(read), self._known))
