"""Morgan fingerprints of molecules: from their SMILES, or rebuilt from the features of their atoms and bonds."""

import numpy as np
from jaxtyping import Int, UInt8
from rdkit.Chem import rdFingerprintGenerator
from rdkit.rdBase import BlockLogs
from torch import Tensor

from gnn_distill.data.assembly.molecule_overlap import MoleculeTask
from gnn_distill.data.assembly.molecules import parse
from gnn_distill.data.subgraphs.fragments import BONDS, rebuilt_molecules
from gnn_distill.data.task import GraphTask

RADIUS, BITS = 2, 2048
"""ECFP4 (Rogers & Hahn 2010)."""


def morgan_generator() -> "rdFingerprintGenerator.FingerprintGenerator64":
    """RDKit's generator of these fingerprints."""
    return rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)


def fingerprints(task: GraphTask, ids: Int[Tensor, " chosen"]) -> UInt8[np.ndarray, "chosen bits"] | None:
    """The fingerprint of each of the molecules `ids`, zeros where RDKit refuses it.

    None if the SMILES are not at hand and the features do not say what RDKit needs.
    """
    if isinstance(task, MoleculeTask) and len(task.smiles) == len(task.graphs):
        found = (parse(task.smiles[index]) for index in ids.tolist())
    elif task.spec.node_features in BONDS and task.graphs.edge_attr is not None:
        found = (molecule for molecule, _ in rebuilt_molecules(task.graphs.select(ids), task.spec))
    else:
        return None
    generator, quiet = morgan_generator(), BlockLogs()
    rows = np.zeros((len(ids), BITS), dtype=np.uint8)
    for row, molecule in zip(rows, found, strict=True):
        if molecule is not None:
            row[:] = generator.GetFingerprintAsNumPy(molecule)
    del quiet
    return rows
