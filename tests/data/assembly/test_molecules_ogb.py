import pytest
import torch
from torch_geometric.utils import from_smiles
from torch_geometric.utils.smiles import e_map, x_map

from gnn_distill.data.assembly.molecules_ogb import ATOM_FEATURES, BOND_FEATURES, smiles_to_ogb_data

# The values that ogb gives codes to, in order, as its documentation lists them; the last stands for all others.
ATOMS = {
    "atomic_num": [*range(1, 119), "misc"],
    "chirality": ["CHI_UNSPECIFIED", "CHI_TETRAHEDRAL_CW", "CHI_TETRAHEDRAL_CCW", "CHI_OTHER", "misc"],
    "degree": [*range(11), "misc"],
    "formal_charge": [*range(-5, 6), "misc"],
    "num_hs": [*range(9), "misc"],
    "num_radical_electrons": [*range(5), "misc"],
    "hybridization": ["SP", "SP2", "SP3", "SP3D", "SP3D2", "misc"],
    "is_aromatic": [False, True],
    "is_in_ring": [False, True],
}
BONDS = {
    "bond_type": ["SINGLE", "DOUBLE", "TRIPLE", "AROMATIC", "misc"],
    "stereo": ["STEREONONE", "STEREOZ", "STEREOE", "STEREOCIS", "STEREOTRANS", "STEREOANY"],
    "is_conjugated": [False, True],
}
SMILES = [
    "CC(C)C[C@H](NC(=O)[C@@H](N)C(C)C)C(=O)O",  # a peptide
    "c1ccc2c(c1)[nH]c1ccccc12",
    "CCCC[NH3+].[Cl-]",
    "[CH3]",
    "[H][H]",
    "C#CC=C=C",
    "F/C=C\\F",
    "O=S(=O)(O)c1ccccc1",
    "FS(F)(F)(F)(F)F",
    "[Pt+2]",
    "C->[Fe]",
    "[13CH4]",
    "*C",
]


def in_ogbs_code(values: torch.Tensor, theirs: dict, ours: dict) -> list[list[int]]:
    """PyG's codes [rows, columns] by way of the values that they stand for."""
    rows = []
    for row in values.tolist():
        meant = [theirs[name][code] for name, code in zip(ours, row, strict=True)]
        rows.append([known.index(v) if v in known else len(known) - 1 for v, known in zip(meant, ours.values())])  # noqa: B905
    return rows


def test_vocabularies_are_ogbs() -> None:
    assert ATOM_FEATURES.sizes == tuple(map(len, ATOMS.values()))
    assert BOND_FEATURES.sizes == tuple(map(len, BONDS.values()))


@pytest.mark.parametrize("smiles", SMILES)
def test_says_what_pygs_reader_says_in_another_code(smiles: str) -> None:
    data, other = smiles_to_ogb_data(smiles), from_smiles(smiles)
    assert data.x.tolist() == in_ogbs_code(other.x, x_map, ATOMS)

    def edges(graph: object, attributes: list) -> list:
        return sorted(zip(graph.edge_index.t().tolist(), attributes, strict=True))

    assert edges(data, data.edge_attr.tolist()) == edges(other, in_ogbs_code(other.edge_attr, e_map, BONDS))
    assert data.edge_index.shape == (2, len(data.edge_attr))


def test_the_example_of_ogbs_documentation() -> None:
    data = smiles_to_ogb_data("Cl[C@H](/C=C/C)Br")
    assert data.x[1].tolist() == [5, 2, 4, 5, 1, 0, 2, 0, 0]
    assert data.edge_attr[2 * 2].tolist() == [1, 2, 0]
    assert data.edge_index[:, :4].tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]


@pytest.mark.parametrize("smiles", ["", "C(", "not a molecule"])
def test_what_is_no_molecule(smiles: str) -> None:
    assert smiles_to_ogb_data(smiles) is None
