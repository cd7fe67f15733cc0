"""Molecules: SMILES to graphs, and the scaffold split."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from torch_geometric.data import Data
from torch_geometric.utils import from_smiles
from torch_geometric.utils.smiles import e_map, x_map

from gnn_distill.data.splits import to_splits
from gnn_distill.data.task import Features, Splits
from gnn_distill.errors import UserError

ATOM_FEATURES = Features("categorical", tuple(len(values) for values in x_map.values()))
BOND_FEATURES = Features("categorical", tuple(len(values) for values in e_map.values()))

LONGEST = 20_000
"""Characters of a SMILES: RDKit's time grows with their square, and a field of megabytes is no molecule."""


def smiles_to_data(smiles: str) -> Data | None:
    """The graph of a molecule with the features of PyG's `from_smiles`; None if RDKit does not parse it.

    x: [n, 9] long; edge_index: [2, 2·bonds]; edge_attr: [2·bonds, 3] long. Also None for an empty string, for one
    longer than LONGEST, and for an atom or bond that has no place in PyG's vocabularies.
    """
    if len(smiles) > LONGEST:
        return None
    try:
        data = from_smiles(smiles)
    except ValueError:  # a value outside x_map or e_map
        return None
    return data if data.num_nodes else None


def reader_of(features: Features) -> Callable[[str], Data | None]:
    """What reads SMILES into graphs with these node features: `smiles_to_data`, or ogb's way of coding."""
    from gnn_distill.data import molecules_ogb

    return molecules_ogb.smiles_to_ogb_data if features == molecules_ogb.ATOM_FEATURES else smiles_to_data


def murcko_scaffold(smiles: str) -> str:
    """Bemis-Murcko scaffold without chirality; the empty string for a molecule without rings."""
    from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

    return MurckoScaffoldSmiles(smiles=smiles, includeChirality=False)


def scaffold_split(scaffolds: Sequence[str]) -> Splits:
    """80/10/10 by scaffold: no scaffold lies in two parts; largest group first, ties by first index, highest first.

    A group goes to the training part where it fits, else to the validation part, else to the test part. Order and
    ties are those of DeepChem (Wu et al. 2018, MoleculeNet); with ties the other way round, the test part of BACE,
    whose file is sorted by class, has one class only.
    scaffolds: one a molecule. Raises UserError when a part stays empty.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, scaffold in enumerate(scaffolds):
        groups[scaffold].append(index)
    parts: list[list[int]] = [[], [], []]
    for group in sorted(groups.values(), key=lambda ids: (len(ids), ids[0]), reverse=True):
        if 10 * (len(parts[0]) + len(group)) <= 8 * len(scaffolds):
            parts[0] += group
        elif 10 * (len(parts[0]) + len(parts[1]) + len(group)) <= 9 * len(scaffolds):
            parts[1] += group
        else:
            parts[2] += group
    if not all(parts):
        sizes = "/".join(str(len(part)) for part in parts)
        raise UserError(
            f"dataset.split=scaffold: {len(scaffolds)} molecules with {len(groups)} scaffolds leave a part empty "
            f"(train/val/test {sizes}). Choose dataset.split=random."
        )
    return to_splits(*(np.array(part) for part in parts), kind="scaffold")


def describe_invalid(rows: Sequence[tuple[int, str]], total: int) -> str:
    """How many SMILES could not be read, and the first three (line in the file, string)."""
    first = ", ".join(f"line {line}: '{shorten(smiles)}'" for line, smiles in rows[:3])
    return f"{len(rows)} of {total} SMILES cannot be read ({'first three: ' if len(rows) > 3 else ''}{first})"


def shorten(text: str, width: int = 60) -> str:
    """The beginning of a long text."""
    return text if len(text) <= width else f"{text[:width]}… ({len(text):,} characters)"


def handle_invalid(rows: Sequence[tuple[int, str]], total: int, on_invalid: str, path: str | Path) -> list[str]:
    """The notice of skipped SMILES of a file; raises UserError when `on_invalid` is error, or when none is left."""
    if not rows:
        return []
    if on_invalid == "error" or len(rows) == total:
        advice = "Mend them." if on_invalid == "skip" else "Mend them, or set dataset.on_invalid=skip."
        raise UserError(f"{path}: {describe_invalid(rows, total)}. {advice}")
    return [f"{describe_invalid(rows, total)}: skipped."]
